"""What can be set, from the environment and a `.env` file, read once into one validated object."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from io import StringIO
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from dotenv import dotenv_values
from platformdirs import user_data_path
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

# RFC 7518, section 3.2: a key is at least as long as the hash that it keys.
KEY_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
MAKE_A_KEY = "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(64))'"

# What the query of DATABASE_URL may say, in the words of asyncpg; those of libpq that have another name there; and
# what to do instead about those that asyncpg takes from elsewhere.
_QUERY = {
    *("host", "port", "user", "password", "passfile", "database", "service", "servicefile"),
    *("ssl", "target_session_attrs", "krbsrvname", "gsslib"),
}
_TRANSLATED = {"sslmode": "ssl", "dbname": "database"}
_INSTEAD = {
    "connect_timeout": "set DATABASE_TIMEOUT_SECONDS instead",
    **{
        name: f"set PG{name.upper()} in the environment instead"
        for name in ("sslcert", "sslkey", "sslrootcert", "sslcrl")
    },
}


class SettingsError(Exception):
    """Every setting that is wrong, a line each."""


def _text(value: str) -> str:
    return value


def _boolean(value: str) -> bool:
    try:
        return {"true": True, "1": True, "false": False, "0": False}[value.lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def _between(low: int, high: int) -> Callable[[str], int]:
    def convert(value: str) -> int:
        if not (value.isascii() and value.isdecimal() and low <= int(value[:20]) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return convert


def _algorithm(value: str) -> str:
    if value not in KEY_BYTES:
        raise ValueError(f"must be one of {', '.join(KEY_BYTES)}")
    return value


def _database_url(value: str) -> URL:
    try:
        url = make_url(value)
        if value.count("@") > 1:  # A part of the password would be taken for the host or for a word of the query.
            raise ValueError
    except (ArgumentError, ValueError):  # Their own text would show a part of the password.
        raise ValueError(
            "must look like postgresql://user:password@host:5432/database, with %40 for any other @ in it"
        ) from None
    if url.drivername not in ("postgres", "postgresql", "postgresql+asyncpg"):
        raise ValueError(f"must be a postgresql:// address, not {url.drivername}://")
    query = {_TRANSLATED.get(name, name): setting for name, setting in url.query.items()}
    for name, setting in query.items():
        if name not in _QUERY:
            raise ValueError(
                f"must not say {name}, which the driver does not know: {_INSTEAD.get(name, 'take it out')}"
            )
        if isinstance(setting, tuple) and name not in ("host", "port"):
            raise ValueError(f"must not say {name} twice")
    url = url.set(drivername="postgresql+asyncpg", query=query)
    _check_hosts(url)
    return url


def _check_hosts(url: URL) -> None:
    """Refuse hosts and ports that the driver would stumble over."""
    try:
        _, found = url.get_dialect()().create_connect_args(url)
    except ArgumentError:
        raise ValueError("must name a port for each of its hosts") from None
    hosts, ports = found.get("host"), found.get("port", 5432)
    if not all(1 <= port <= 65_535 for port in (ports if isinstance(ports, list) else [ports])):
        raise ValueError("must name a port from 1 to 65535")
    try:
        for host in hosts if isinstance(hosts, list) else [hosts]:
            if host and not host.startswith("/"):
                host.encode("idna")
    except UnicodeError:
        raise ValueError("must name a host whose parts, between the dots, have 1 to 63 characters") from None


def _origins(value: str) -> tuple[str, ...]:
    """Origins apart by commas, or as a JSON list."""
    try:
        origins = msgspec.json.decode(value, type=list[str]) if value.startswith("[") else value.split(",")
    except msgspec.DecodeError:
        raise ValueError("must be origins apart by commas, or a JSON list of them") from None
    origins = [origin.strip().rstrip("/") for origin in origins if origin.strip()]
    for origin in origins:
        if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
            raise ValueError(f"{origin!r} must be an origin, such as https://blog.example.org")
    return tuple(origins)


def _site_url(value: str) -> str:
    """Where the blog is, without a slash at the end."""
    try:
        url = urlsplit(value)
        _authority(url.hostname or "")
        # Of ASCII, because it goes into documents that want addresses as RFC 3986 has them.
        if not re.fullmatch(r"https?://[!$&-;=@-Z_a-z~%]{1,500}", value) or "@" in url.netloc or url.port == 0:
            raise ValueError
    except ValueError:
        raise ValueError("must be an address with the name of a host, such as https://blog.example.org") from None
    return url._replace(netloc=url.netloc.lower()).geturl().rstrip("/")


def _authority(value: str) -> str:
    # RFC 4151, section 2.1; a host that is an address of IPv6 is none.
    label = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
    if len(value) > 253 or not re.fullmatch(rf"{label}(\.{label})*", value.lower()):
        raise ValueError("must be the name of a host, such as blog.example.org")
    return value.lower()


def _networks(value: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"must be addresses or networks, apart by commas ({error})") from None


def _log_format(value: str) -> str:
    if value not in ("auto", "console", "json"):
        raise ValueError("must be auto, console or json")
    return value


def _folder(value: str) -> Path:
    return Path(value).expanduser().absolute()


def setting(convert: Callable[[str], Any], default: str | None, meaning: str, *, secret: bool = False) -> Any:  # noqa: ANN401
    """A field that the environment variable of its name, in capitals, sets; `default` is written as one would."""
    make = (lambda: None) if default is None else (lambda: convert(default))
    return field(default_factory=make, repr=not secret, metadata={"convert": convert, "meaning": meaning})


def _read(file: Path) -> dict[str, str | None]:
    """What a file of settings says; one that is not there says nothing."""
    try:
        return dotenv_values(stream=StringIO(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SettingsError(
            f"{file.absolute()} cannot be read ({reason}): "
            f"make it a file in UTF-8 that this user may read, or move it away."
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a process. `.env.example` says the same, and a test holds them together."""

    app_name: str = setting(_text, "Blog", "What the blog is called in its documents.")
    site_url: str = setting(
        _site_url, "http://127.0.0.1:8000", "Where the blog is for whoever reads it: what feeds and sitemaps link to."
    )
    feed_authority: str | None = setting(
        _authority,
        None,
        "A host name of yours in the ids of articles in feeds, for ever (RFC 4151); by default that of SITE_URL.",
    )
    debug: bool = setting(_boolean, "false", "Log everything, each statement of SQL included.")
    database_url: URL | None = setting(
        _database_url, None, "PostgreSQL to keep everything in; without it the blog runs one of its own.", secret=True
    )
    secret_key: str | None = setting(
        _text, None, "What signs tokens: 32 bytes or more. Needed with DATABASE_URL, made otherwise.", secret=True
    )
    algorithm: str = setting(_algorithm, "HS256", "How tokens are signed: HS256, HS384 or HS512.")
    access_token_expire_minutes: int = setting(_between(1, 525_600), "30", "Minutes that a token is good for.")
    backend_cors_origins: tuple[str, ...] = setting(
        _origins, "http://localhost:3000", "Origins, apart by commas, whose pages may call the API; [] for none."
    )
    require_if_match: bool = setting(
        _boolean, "false", "Refuse a change or deletion that does not name, by If-Match, the version it was made for."
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = setting(
        _networks, "", "Addresses or networks, apart by commas, of proxies whose X-Forwarded-For is believed."
    )
    log_format: Literal["auto", "console", "json"] = setting(
        _log_format, "auto", "How logs look: console, json, or auto: console on a terminal."
    )
    blog_data_dir: Path = setting(
        _folder, str(user_data_path("blog")), "Folder of the blog's own PostgreSQL and key; by default the user's."
    )
    database_pool_size: int = setting(_between(1, 1000), "10", "Connections that each worker keeps to PostgreSQL.")
    database_timeout_seconds: int = setting(
        _between(1, 3600), "5", "Seconds a connection, a statement or a lock is waited for."
    )
    database_prepared_statements: bool = setting(
        _boolean, "true", "Keep statements prepared; false behind a pooler that gives each transaction a connection."
    )

    def __post_init__(self) -> None:
        needed = KEY_BYTES[self.algorithm]
        if self.secret_key is not None and len(self.secret_key.encode()) < needed:
            raise SettingsError(
                f"SECRET_KEY is too short: {self.algorithm} needs {needed} bytes or more. {MAKE_A_KEY}"
            )

    @classmethod
    def load(
        cls, environment: Mapping[str, str] | None = None, *, file: Path | None = Path(".env"), serving: bool = False
    ) -> "Settings":
        """The settings of the environment and, where it says nothing, of the file.

        What is set to nothing counts as not set. To serve on a configured database, a key is needed too: several
        machines may share both. Raises `SettingsError`, which names every setting that is wrong.
        """
        given = _read(file) if file else {}
        given.update(os.environ if environment is None else environment)
        values: dict[str, Any] = {}
        wrong: list[str] = []
        for this in fields(cls):
            if value := (given.get(this.name.upper()) or "").strip():
                try:
                    values[this.name] = this.metadata["convert"](value)
                except ValueError as error:
                    wrong.append(f"{this.name.upper()} {error}.")
        try:
            settings = cls(**values)
        except SettingsError as error:
            wrong.append(str(error))
        if serving and (given.get("DATABASE_URL") or "").strip() and not (given.get("SECRET_KEY") or "").strip():
            wrong.append(f"SECRET_KEY is missing, and needed where DATABASE_URL is set. {MAKE_A_KEY}")
        if wrong:
            raise SettingsError("\n".join(wrong))
        return settings

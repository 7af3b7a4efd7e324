"""What can be set, from the environment and a `.env` file, read once into one validated object."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_data_path
from sqlalchemy import URL

from blog.settings.database_url import database_url
from blog.settings.names import shown
from blog.settings.origins import authority, authority_of, origins, site_url
from blog.settings.sources import Found, find

__all__ = ["KEY_BYTES", "LEAST_CONNECTIONS", "Settings", "SettingsError"]

# RFC 7518, section 3.2: a key is at least as long as the hash that it keys.
KEY_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
LEAST_CONNECTIONS = 3
"""Of each worker: one for readiness, one for reads, one for writes."""

MAKE_A_KEY = "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(64))'"


class SettingsError(Exception):
    """Every setting that is wrong, a line each."""


def _secret(value: str) -> str:
    if re.search("[\0\ud800-\udfff]", value):  # The latter are bytes of the environment that are not UTF-8.
        raise ValueError("must be text in UTF-8, without NUL characters")
    return value


# And what is not UTF-8, or cannot be in XML.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def _text(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must be text in UTF-8 on one line, without control characters")
    return value


def _boolean(value: str) -> bool:
    try:
        return {"true": True, "1": True, "false": False, "0": False}[value.lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def _between(low: int, high: int) -> Callable[[str], int]:
    def convert(value: str) -> int:
        if not (value.isascii() and value.isdecimal() and len(value) <= 20 and low <= int(value) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return convert


def _algorithm(value: str) -> str:
    if value not in KEY_BYTES:
        raise ValueError(f"must be one of {', '.join(KEY_BYTES)}")
    return value


def _networks(value: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"must be comma-separated addresses or networks ({shown(str(error))})") from None


def _log_format(value: str) -> str:
    if value not in ("auto", "console", "json"):
        raise ValueError("must be auto, console or json")
    return value


def _switch(value: str) -> bool:
    if value not in ("on", "off"):
        raise ValueError("must be on or off")
    return value == "on"


def _registration(value: str) -> str:
    if value not in ("open", "closed"):
        raise ValueError("must be open or closed")
    return value


def _folder(value: str) -> Path:
    if _CONTROL.search(value):
        raise ValueError("must be the path of a folder in UTF-8, without control characters")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError:
        raise ValueError(f"has no home folder for its ~: write an absolute path instead of {shown(value)}") from None
    except OSError:
        raise ValueError("must be an absolute path, because the working directory is gone") from None


def _user_folder() -> str | None:
    """The user's data folder, or None for a user without a home, such as a bare number in a container."""
    try:
        return str(user_data_path("blog"))
    except RuntimeError:
        return None


def setting(
    convert: Callable[[str], Any],
    default: str | Callable[[], str | None] | None,
    meaning: str,
    *,
    secret: bool = False,
) -> Any:  # noqa: ANN401
    """A field that the environment variable of its name, in capitals, sets; `default` is written as one would.

    A secret may also be in the file that the variable of its name and `_FILE` names.
    """

    def make() -> Any:  # noqa: ANN401
        text = default() if callable(default) else default
        return None if text is None else convert(text)

    return field(
        default_factory=make, repr=not secret, metadata={"convert": convert, "meaning": meaning, "secret": secret}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a process. `.env.example` says the same, and a test holds them together."""

    app_name: str = setting(_text, "Blog", "What the blog is called in its documents.")
    site_url: str = setting(
        site_url, "http://127.0.0.1:8000", "Where the blog is for its readers; by default the address served on."
    )
    feed_authority: str | None = setting(
        authority,
        None,
        "A host name of yours in the ids of articles in feeds, for ever (RFC 4151); by default that of SITE_URL.",
    )
    debug: bool = setting(_boolean, "false", "Log everything, each statement of SQL included.")
    database_url: URL | None = setting(
        database_url, None, "PostgreSQL to keep everything in; without it the blog runs one of its own.", secret=True
    )
    secret_key: str | None = setting(
        _secret, None, "What signs tokens: 32 bytes or more. Needed with DATABASE_URL, made otherwise.", secret=True
    )
    secret_key_previous: str | None = setting(
        _secret, None, "A second key: tokens that it signed are taken, too, and none are signed with it.", secret=True
    )
    algorithm: str = setting(_algorithm, "HS256", "How tokens are signed: HS256, HS384 or HS512.")
    access_token_expire_minutes: int = setting(_between(1, 525_600), "30", "Minutes that a token is good for.")
    registration: Literal["open", "closed"] = setting(
        _registration, "open", "Who may register: anyone (open), or nobody but by blog user create (closed)."
    )
    rate_limits: bool = setting(_switch, "on", "Slow down failed logins; off for test suites.")
    password_blocklist: bool = setting(_switch, "on", "Refuse passwords that are guessed first; off for test suites.")
    backend_cors_origins: tuple[str, ...] = setting(
        origins, "http://localhost:3000", "Comma-separated origins whose pages may call the API; [] for none."
    )
    require_if_match: bool = setting(
        _boolean, "false", "Refuse a change or deletion that does not name, by If-Match, the version it was made for."
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = setting(
        _networks, "", "Comma-separated addresses or networks of proxies whose X-Forwarded-For is believed."
    )
    log_format: Literal["auto", "console", "json"] = setting(
        _log_format, "auto", "How logs look: console, json, or auto: console on a terminal."
    )
    drain_seconds: int = setting(
        _between(0, 600), "0", "Seconds of not being ready, while all is answered, before SIGTERM stops the service."
    )
    blog_data_dir: Path | None = setting(
        _folder, _user_folder, "Folder of the blog's own PostgreSQL and key; by default the user's."
    )
    database_pool_size: int = setting(
        _between(1, 1000), "10", "Most connections of each worker to PostgreSQL, 3 or more: one is for readiness."
    )
    database_timeout_seconds: int = setting(
        _between(1, 3600), "5", "Seconds a connection, a statement or a lock is waited for."
    )
    database_prepared_statements: bool = setting(
        _boolean, "true", "Keep statements prepared; false behind a pooler that gives each transaction a connection."
    )

    def __post_init__(self) -> None:
        needed = KEY_BYTES[self.algorithm]
        short = [
            name
            for name, key in (("SECRET_KEY", self.secret_key), ("SECRET_KEY_PREVIOUS", self.secret_key_previous))
            if key is not None and len(key.encode()) < needed
        ]
        remedies = {
            "SECRET_KEY": MAKE_A_KEY,
            "SECRET_KEY_PREVIOUS": "Take it out: it signed nothing that would be taken.",
        }
        wrong = [
            f"{name} is too short: {self.algorithm} needs {needed} bytes or more. {remedies[name]}" for name in short
        ]
        if self.secret_key_previous is not None and self.secret_key_previous == self.secret_key:
            wrong.append(
                "SECRET_KEY_PREVIOUS is the same as SECRET_KEY: set SECRET_KEY to a new key, "
                "or take SECRET_KEY_PREVIOUS out."
            )
        if wrong:
            raise SettingsError("\n".join(wrong))

    @property
    def data_folder(self) -> Path:
        """The folder of the blog's own PostgreSQL and key. Raises `SettingsError` where nothing says which it is."""
        if self.blog_data_dir is None:
            raise SettingsError(
                "BLOG_DATA_DIR is missing, and this user has no home folder in whose place it could be: set it to a "
                "folder that this user may write to, or set DATABASE_URL to a PostgreSQL of your own."
            )
        return self.blog_data_dir

    @property
    def authority(self) -> str:
        """The host name in the ids of articles in feeds."""
        return self.feed_authority or authority_of(self.site_url)

    @property
    def connections(self) -> int:
        """The most connections of a worker to PostgreSQL: one for readiness, and two or more for requests."""
        return max(LEAST_CONNECTIONS, self.database_pool_size)

    @property
    def connections_for_requests(self) -> int:
        """All but that for readiness, which never waits behind requests."""
        return self.connections - 1

    @property
    def connections_for_writes(self) -> int:
        """Those that writes may hold, so that writes which wait for a lock leave a quarter, or one, to reads."""
        return self.connections_for_requests - max(1, self.connections_for_requests // 4)

    @classmethod
    def find(cls, environment: Mapping[str, str] | None = None, *, file: Path | None = Path(".env")) -> Found:
        """The settings as they are written, wherever they are, by the names of their environment variables."""
        secret = {this.name.upper(): this.metadata["secret"] for this in fields(cls)}
        secrets = [name for name in secret if secret[name]]
        return find(list(secret), secrets, os.environ if environment is None else environment, file)

    @classmethod
    def load(
        cls,
        environment: Mapping[str, str] | None = None,
        *,
        file: Path | None = Path(".env"),
        serving: bool = False,
        served_at: str | None = None,
    ) -> "Settings":
        """The settings of the environment and, where it says nothing, of the file.

        What is set to nothing counts as not set. To serve on a configured database, a key is needed too: several
        machines may share both. `served_at` is where the blog is if nothing sets SITE_URL. Raises `SettingsError`,
        which names every setting that is wrong.
        """
        known = {this.name.upper(): this for this in fields(cls)}
        found = cls.find(environment, file=file)
        wrong, values = found.wrong, dict[str, Any]()
        for name, text in found.texts.items():
            try:
                values[known[name].name] = known[name].metadata["convert"](text)
            except ValueError as error:
                wrong.append(f"{name} {error}.")
        if served_at is not None:
            values.setdefault("site_url", served_at)
        settings = None
        try:
            settings = cls(**values)
        except SettingsError as error:
            wrong.append(str(error))
        except ValueError as error:  # Of a default, which has no name here: that of the folder alone can be wrong.
            wrong.append(f"BLOG_DATA_DIR {error}.")
        # Where its line cannot be read, or has another fault, it is not missing.
        missing = not found.unreadable and not any(
            re.search(r"\bSECRET_KEY(_FILE)?\b", sentence) for sentence in wrong
        )
        missing = missing and "SECRET_KEY" not in found.texts
        if missing and "SECRET_KEY_PREVIOUS" in found.texts:
            wrong.append(
                "SECRET_KEY is missing, and needed where SECRET_KEY_PREVIOUS is set: no token is signed with that "
                f"one. {MAKE_A_KEY}"
            )
        elif serving and missing and "DATABASE_URL" in found.texts:
            wrong.append(f"SECRET_KEY is missing, and needed where DATABASE_URL is set. {MAKE_A_KEY}")
        if wrong or settings is None:
            raise SettingsError("\n".join(wrong))
        return settings

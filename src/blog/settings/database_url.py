"""DATABASE_URL: what the driver would fail on later is named at the start, and nothing of a password is shown."""

import getpass
import os
import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from blog.settings.files import read_text
from blog.settings.names import nearest

MUST_LOOK_LIKE = "must look like postgresql://user:password@host:5432/database"

# What the query may say, in the words of asyncpg; those of libpq that have another name there.
PARAMETERS = {"host", "port", "user", "password", "passfile", "database", "ssl", "target_session_attrs"}
PARAMETERS |= {"krbsrvname", "gsslib"}
TRANSLATED = {"sslmode": "ssl", "dbname": "database"}
CHOICES = {
    "ssl": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "primary", "standby", "prefer-standby", "read-write", "read-only"),
    "gsslib": ("gssapi", "sspi"),
}

# What else libpq knows, and what to do instead. Any other name may be a part of a password with an & in it.
TAKE_IT_OUT = "take it out"
INSTEAD = {
    "connect_timeout": "set DATABASE_TIMEOUT_SECONDS instead",
    **dict.fromkeys(("service", "servicefile"), "name the host, the user and the database instead"),
    **{
        name: f"set PG{name.upper()} in the environment instead"
        for name in ("sslcert", "sslkey", "sslrootcert", "sslcrl", "sslnegotiation")
    },
    **{
        name: f"set PG{name.replace('_', '').upper()} in the environment instead"
        for name in ("ssl_min_protocol_version", "ssl_max_protocol_version")
    },
    **dict.fromkeys(
        (
            *("application_name", "channel_binding", "client_encoding", "fallback_application_name", "gssdelegation"),
            *("gssencmode", "hostaddr", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval"),
            *("load_balance_hosts", "options", "replication", "require_auth", "requirepeer", "requiressl"),
            *("sslcertmode", "sslcompression", "sslcrldir", "sslpassword", "sslsni", "tcp_user_timeout"),
        ),
        TAKE_IT_OUT,
    ),
}


def database_url(value: str) -> URL:
    """The address of a PostgreSQL, as SQLAlchemy and asyncpg take it. Raises `ValueError`."""
    _check_characters(value)
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):  # Their own text would show a part of the password.
        raise ValueError(MUST_LOOK_LIKE) from None
    if url.drivername not in ("postgres", "postgresql", "postgresql+asyncpg"):
        raise ValueError("must be the address of a PostgreSQL: begin it with postgresql://")
    _check_values(value)
    query = {TRANSLATED.get(name, name): setting for name, setting in url.query.items()}
    for name, setting in query.items():
        if name not in PARAMETERS:
            raise ValueError(_unknown(name))
        if isinstance(setting, tuple) and name not in ("host", "port"):
            raise ValueError(f"must not say {name} twice")
        if name in CHOICES and setting not in CHOICES[name]:
            written = next((libpq for libpq in TRANSLATED if libpq in url.query and TRANSLATED[libpq] == name), name)
            raise ValueError(f"must have as {written} one of {', '.join(CHOICES[name])}")
    url = url.set(drivername="postgresql+asyncpg", query=query)
    _check_hosts(url)
    _check_user(url)
    if "passfile" in url.query:
        _check_password_file(Path(str(url.query["passfile"])))
    return url


def _check_characters(value: str) -> None:
    """Refuse what would be taken for something else, or be lost."""
    if re.search("[\ud800-\udfff]", value):
        raise ValueError("must be text in UTF-8")
    if value.count("@") > 1:  # A part of the password would be taken for the host or for a word of the query.
        raise ValueError(f"{MUST_LOOK_LIKE}, with %40 for any other @ in it")
    if re.search(r"%(?![0-9A-Fa-f]{2})", value):
        raise ValueError("must have %25 for each % in it that does not begin a character such as %40")
    try:
        decoded = unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise ValueError("must have characters beyond ASCII as the bytes of UTF-8, such as %C3%A4 for ä") from None
    if re.search(r"[\x00-\x1f\x7f]", decoded):
        raise ValueError("must have no control characters in it, such as a line break or %00")


def _check_values(value: str) -> None:
    """Refuse parameters without a value, which `make_url` passes over: with `sslmode=` went the wish for TLS."""
    # What it takes for the query.
    found = re.fullmatch(r"[\w+]+://(?:[^:/]*(?::[^@]*)?@)?[^?]*\?(.*)", value)
    for part in found[1].split("&") if found else ():
        name, _, text = part.partition("=")
        if part and not text:
            name = unquote(name)
            if name in PARAMETERS or name in TRANSLATED or name in INSTEAD:
                raise ValueError(f"must have a value for {name}: write one, or take {name} out")
            raise ValueError(_unknown(name))


def _unknown(name: str) -> str:
    if name in INSTEAD:
        return f"must not say {name}, which the driver does not know: {INSTEAD[name]}"
    known: Collection[str] = PARAMETERS | TRANSLATED.keys()
    if near := nearest(name, known):
        return f"has a parameter after the ? that the driver does not know: write {near}"
    return (
        "has a parameter after the ? that the driver does not know: take it out, or write %26 for an & that is "
        f"part of a value (known: {', '.join(sorted(known))})"
    )


def _check_hosts(url: URL) -> None:
    """Refuse hosts and ports that the driver would stumble over."""
    if url.host and "," in url.host:
        raise ValueError("must name several hosts in its query, as postgresql://user@/database?host=a:1&host=b:2")
    if url.host and "%" in url.host:
        raise ValueError("must name the folder of a socket in its query, as postgresql://user@/database?host=/run")
    if not all(_ports(url.query.get("port"))) or url.port == 0:
        raise ValueError("must name a port from 1 to 65535")
    if not url.port and "port" not in url.query and not all(_ports(os.environ.get("PGPORT"))):
        raise ValueError("must name a port, because PGPORT in the environment is none")
    listed = url.query.get("host")
    try:
        if isinstance(listed, tuple) and any(host.count(":") > 1 for host in listed):
            raise ValueError
        _, found = url.get_dialect()().create_connect_args(url)
    except (ArgumentError, ValueError):
        raise ValueError("must name each host and a port for each, as ?host=a:5432&host=b:5432") from None
    hosts, ports = found.get("host"), found.get("port", 5432)
    if not all(1 <= port <= 65_535 for port in (ports if isinstance(ports, list) else [ports])):
        raise ValueError("must name a port from 1 to 65535")
    try:
        for host in hosts if isinstance(hosts, list) else [hosts]:
            if host and not host.startswith("/"):
                host.encode("idna")
    except UnicodeError:
        raise ValueError("must name a host whose parts, between the dots, have 1 to 63 characters") from None


def _ports(value: str | tuple[str, ...] | None) -> list[bool]:
    """Of each port of the query, whether it is a number."""
    listed = value.split(",") if isinstance(value, str) else value or ()
    return [port.isascii() and port.isdecimal() and len(port) <= 5 for port in listed if port]


def _check_user(url: URL) -> None:
    if url.username or url.query.get("user") or os.environ.get("PGUSER"):
        return
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):
        raise ValueError("must name a user, because the one that runs this process has no name") from None


def _check_password_file(file: Path) -> None:
    """Refuse a file that the driver would pass over, or whose lines it would fail on."""
    try:
        text = read_text(file)
    except ValueError as error:
        raise ValueError(f"has a passfile that {error}") from None
    if file.stat().st_mode & 0o077:
        raise ValueError(f"has a passfile that others may read: let its owner alone read it, with chmod 600 {file}")
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#") and len(re.findall(r"(?<!\\):", stripped)) < 4:
            raise ValueError(
                f"has a passfile whose line {number} cannot be read: write host:port:database:user:password"
            )

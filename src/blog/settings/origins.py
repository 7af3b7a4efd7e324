"""Addresses of web sites: the origins that browsers send (RFC 6454; the URL Standard), and where the blog is."""

import re
import socket
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

DEFAULT_PORTS = {"http": 80, "https": 443}
SUCH_AS = "such as https://blog.example.org"


def origins(value: str) -> tuple[str, ...]:
    """Comma-separated origins, or a JSON list of them. Raises `ValueError`."""
    try:
        listed = msgspec.json.decode(value, type=list[str]) if value.startswith("[") else value.split(",")
    except (msgspec.DecodeError, UnicodeError):
        raise ValueError("must be comma-separated origins, or a JSON list of them") from None
    return tuple(_checked(origin.strip()) for origin in listed if origin.strip())


def site_url(value: str) -> str:
    """Where the blog is, without a slash at its end. Raises `ValueError`."""
    if not re.match("https?://", value, re.IGNORECASE):
        raise ValueError(f"must begin with http:// or https://, {SUCH_AS}")
    if re.search(r"\s", value):
        raise ValueError(f"must not contain spaces: write an address {SUCH_AS}")
    try:
        url = urlsplit(value)
        host = _host(url)
        # Of ASCII, because it goes into documents that want addresses as RFC 3986 has them.
        if not re.fullmatch(r"[\[\]!$&-;=@-Z_a-z~%]{1,508}", value) or "@" in url.netloc or url.port == 0:
            raise ValueError
        if re.search(r"[\[\]]", url.path) or not (_is_name(host) or _is_address(host)):
            raise ValueError
    except ValueError:
        raise ValueError(f"must be an address with a host, {SUCH_AS}, and with no user, query or fragment") from None
    # Clients resolve dots and take `//` for another host, so such a path would not lead back here.
    segments = url.path.rstrip("/").split("/")[1:]
    if re.search("%(?![0-9A-Fa-f]{2})", url.path):
        raise ValueError("must have %25 for each % in its path that does not begin a character such as %20")
    if re.search(r"[\x00-\x1f\x7f-\x9f]", unquote(url.path)):
        raise ValueError("must have no control characters in its path, such as %00 or %0A")
    if not all(segment and unquote(segment) not in (".", "..") for segment in segments):
        raise ValueError("has an empty or dotted part in its path: write /blog or /a/b")
    port = f":{url.port}" if url.port is not None else ""
    return url._replace(netloc=f"{host}{port}").geturl().rstrip("/")


def authority(value: str) -> str:
    """A host name, as the ids of feeds have it. Raises `ValueError`."""
    if not _is_name(value.lower()):
        raise ValueError("must be a host name, such as blog.example.org")
    return value.lower()


def authority_of(url: str) -> str:
    """The host name of an address, for ids; an IPv6 address has no form there, and is `localhost` instead."""
    host = urlsplit(url).hostname or ""
    return host if _is_name(host) else "localhost"


def _is_name(host: str) -> bool:
    # RFC 4151, section 2.1, which an IPv4 address fulfils, too.
    label = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
    return len(host) <= 253 and bool(re.fullmatch(rf"{label}(\.{label})*", host))


def _is_address(host: str) -> bool:
    return host.startswith("[")


def _checked(origin: str) -> str:
    """An origin that a browser may send. Raises `ValueError`, with the right spelling where there is one."""
    if "*" in origin:
        raise ValueError("must name each origin, because a wildcard matches none")
    try:
        url = urlsplit(origin)
    except ValueError:  # Its own text may show a password.
        raise ValueError(f"has {_quoted(origin)}, which is no origin: write one {SUCH_AS}") from None
    try:
        right = _serialized(url)
    except ValueError as error:
        raise ValueError(f"has {_quoted(origin)}, which {error}") from None
    if right != origin.removesuffix("/"):
        raise ValueError(f"has {_quoted(origin)}, which no browser sends: write {right}")
    return right


def _quoted(origin: str) -> str:
    """The origin, unless it shows a password."""
    return "an origin with a user" if "@" in origin else repr(origin[:100])


def _serialized(url: SplitResult) -> str:
    """The origin of an address, as a browser would write it."""
    if url.scheme not in DEFAULT_PORTS or not url.netloc:
        raise ValueError(f"is no origin: write one {SUCH_AS}")
    try:
        if (port := url.port) == 0:
            raise ValueError
    except ValueError:
        raise ValueError("has no port from 1 to 65535: write one, or none") from None
    host = _host(url)
    return f"{url.scheme}://{host}" + ("" if port in (None, DEFAULT_PORTS[url.scheme]) else f":{port}")


def _host(url: SplitResult) -> str:
    """The host as browsers write it: in lower case, in ASCII, with one form for each address. Raises `ValueError`."""
    host = url.hostname or ""
    if "[" in url.netloc:
        if "%" in host:
            raise ValueError("has the zone of an IPv6 address: leave it out")
        try:
            return f"[{_ipv6(IPv6Address(host))}]"
        except ValueError:
            raise ValueError("has no valid IPv6 address: write one such as [2001:db8::1]") from None
    try:
        # A letter that the two versions of IDNA map differently has no form that is right for every browser.
        if re.search("[\u00df\u03c2\u200c\u200d]", host):
            raise UnicodeError
        ascii_host = host.encode("idna").decode().lower() if not host.isascii() else host.lower()
    except UnicodeError:
        raise ValueError("has a host that is not ASCII: write it in its form that begins with xn--") from None
    labels = ascii_host.removesuffix(".").split(".")
    if len(ascii_host) > 253 or not all(re.fullmatch(r"[a-z0-9_-]{1,63}", label) for label in labels):
        raise ValueError(f"has no valid host: use letters, digits, hyphens and dots, {SUCH_AS}")
    if re.fullmatch(r"\d+|0x[0-9a-f]*", labels[-1]):
        try:
            return str(IPv4Address(socket.inet_aton(ascii_host)))
        except OSError:
            raise ValueError("has no valid IPv4 address: write four numbers from 0 to 255") from None
    return ascii_host


def _ipv6(address: IPv6Address) -> str:
    """The URL Standard writes an IPv4 address in one of IPv6 in hexadecimal, as not every Python does."""
    if mapped := address.ipv4_mapped:
        return f"::ffff:{int(mapped) >> 16:x}:{int(mapped) & 0xFFFF:x}"
    return address.compressed

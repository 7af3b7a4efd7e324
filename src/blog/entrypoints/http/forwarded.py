"""What a proxy in front says of a request, believed from those that are trusted and from nobody else."""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

Network = IPv4Network | IPv6Network


class Forwarded:
    """What proxies say of a request, where they are trusted."""

    def __init__(self, proxies: Collection[Network]) -> None:
        self._proxies = tuple(proxies)
        self._trusts = lru_cache(1024)(self._is_proxy)

    def apply(self, scope: dict[str, Any], headers: dict[bytes, bytes]) -> str | None:
        """Put the client's address and scheme into the scope, and answer the request's id, as far as told."""
        peer = scope["client"][0] if scope.get("client") else ""
        if not self._proxies or not self._trusts(peer):
            return None
        # The last one that is no proxy of ours: what stands before it, the client may have written itself.
        hops = [hop.strip() for hop in headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")]
        client = next((hop for hop in reversed(hops) if hop and not self._trusts(hop)), None)
        if client and _address(client):
            scope["client"] = (client, 0)
        if (scheme := headers.get(b"x-forwarded-proto", b"").decode("latin-1")) in ("http", "https"):
            scope["scheme"] = scheme
        request_id = headers.get(b"x-request-id", b"").decode("latin-1")
        return request_id if re.fullmatch(r"[A-Za-z0-9._-]{1,100}", request_id) else None

    def _is_proxy(self, hop: str) -> bool:
        address = _address(hop)
        return address is not None and any(address in network for network in self._proxies)


def client_of(scope: Mapping[str, Any]) -> str:
    """The address that a request came from, as far as one client has it for itself: of IPv6, the first 64 bits."""
    peer = scope["client"][0] if scope.get("client") else ""
    address = _address(peer)
    if isinstance(address, IPv6Address):
        # RFC 6177: a site has at least as many, and takes any address among them as it likes.
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address or peer)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # How a socket of both families shows an IPv4 peer.
    return getattr(address, "ipv4_mapped", None) or address

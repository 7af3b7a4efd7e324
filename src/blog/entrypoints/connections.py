"""Connections as the operating system has them: how many there may be, how long one may stand still, and its end.

What is not there on some system (macOS has fewer options than Linux) is left out.
"""

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv6Address, ip_address

MAX_CONNECTIONS = 16_384
"""How many connections a worker holds. Those that come then wait until another ends."""

RESERVED_FILES = 512
"""Open files that are no connections of clients: of the database, of logs, of libraries."""

HEADER_SECONDS = 30
"""How long a client may take for the header of a request, and how long a connection may stay without one."""

MAX_BUFFER = 32 * 1024
"""Bytes that the server keeps of a request's header, or of a reply that its client does not read."""

STALLED_SECONDS = 30
"""After how long the operating system ends a connection whose client takes nothing of what is there for it."""

UNSENT_BYTES = 128 * 1024
"""How much of a reply the operating system takes before the client has read what came before."""


def hold(connections: int = MAX_CONNECTIONS) -> int:
    """Have as many open files as these connections need, or as many as there may be. Returns how many it can hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVED_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # Some systems have another limit, which is lower than this one says.
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    if soft == resource.RLIM_INFINITY:
        return connections
    return max(min(connections, soft - RESERVED_FILES), 128)


def limit_stalling(seconds: float = STALLED_SECONDS) -> int:
    """Give each listener of this process, and so each connection that it accepts from now on, these limits.

    The server has no such option. Returns how many listeners there are.
    """
    found = 0
    for here in _sockets():
        with suppress(OSError):
            if here.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and here.family in (
                socket.AF_INET,
                socket.AF_INET6,
            ):
                found += 1
                for option, value in (
                    ("TCP_USER_TIMEOUT", int(seconds * 1000)),
                    ("TCP_NOTSENT_LOWAT", UNSENT_BYTES),
                ):
                    if hasattr(socket, option):
                        here.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return found


def end(client: tuple[str, int], server: tuple[str, int]) -> bool:
    """End the connection of a client. Returns whether there was one.

    The server closes a connection only when its client has read all that was written, however long that takes.
    """
    for here in _sockets():
        with suppress(OSError, ValueError):
            if here.family not in (socket.AF_INET, socket.AF_INET6):
                continue
            if here.getsockname()[1] == server[1] and _same(here.getpeername(), client):
                here.shutdown(socket.SHUT_RDWR)
                return True
    return False


def _same(peer: tuple[str, int], client: tuple[str, int]) -> bool:
    return peer[1] == client[1] and _plain(peer[0]) == _plain(client[0])


def _plain(text: str) -> str:
    address = ip_address(text.partition("%")[0])
    # How a socket of both families shows an IPv4 peer.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _sockets() -> Iterator[socket.socket]:
    """Every socket of this process, each as a second descriptor that is closed afterwards."""
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"  # noqa: PTH112
    for name in os.listdir(folder):  # noqa: PTH208 - thousands of them
        try:
            here = socket.socket(fileno=os.dup(int(name)))
        except (OSError, ValueError):  # Closed meanwhile, or something else.
            continue
        with here:
            yield here

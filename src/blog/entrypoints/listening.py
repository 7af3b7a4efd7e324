"""Where the service listens: the address that a host name stands for, and whether the service answers there."""

import errno
import socket
from dataclasses import dataclass
from ipaddress import ip_address

from blog.settings.origins import site_url

ANSWER_SECONDS = 5.0
"""How long a reply may take before the service is asked again."""


class CannotListen(Exception):
    """An address that the service cannot have: which, why, and the remedy."""

    def __init__(self, host: str, port: int, error: Exception | str) -> None:
        number = error.errno if isinstance(error, OSError) else None
        if number == errno.EADDRINUSE:
            remedy = "Stop what uses it, or choose another: --port"
        elif number in (errno.EACCES, errno.EPERM):
            remedy = "Choose one above 1023: --port"
        else:
            remedy = "Choose an address of this machine: --host"
        if isinstance(error, OSError):
            error = error.strerror or "it is not an address"
        elif isinstance(error, ValueError):
            error = "no host can have that name"
        super().__init__(f"Cannot listen on {host} port {port} ({error}). {remedy}.")


@dataclass(frozen=True, slots=True)
class Address:
    """The addresses that a host stands for, the preferred one first, and a port."""

    host: str
    port: int
    ips: tuple[str, ...]

    @classmethod
    def resolve(cls, host: str, port: int) -> "Address":
        """The addresses of a host: its own if it is one, else those of its name. Raises `CannotListen`."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:
            raise CannotListen(host, port, error) from error
        return cls(host, port, tuple(dict.fromkeys(str(place[0]) for *_, place in found)))

    @property
    def everywhere(self) -> bool:
        """Whether it stands for every address of this machine."""
        return not any("%" in ip for ip in self.ips) and ip_address(self.ips[0]).is_unspecified

    @property
    def beyond_loopback(self) -> bool:
        """Whether other machines may reach it."""
        return not all(ip_address(ip.partition("%")[0]).is_loopback for ip in self.ips)

    @property
    def url(self) -> str:
        """An address by which a client on this machine reaches the service."""
        ip = self.ips[0]
        if self.everywhere:
            ip = "::1" if ":" in ip else "127.0.0.1"
        elif ip != self.host:
            try:
                return site_url(f"http://{self.host.encode('idna').decode()}:{self.port}")
            except ValueError:  # A name that no address on the web can have, such as my_host: its address will do.
                pass
        return f"http://{f'[{ip}]' if ':' in ip else ip}:{self.port}"

    @property
    def remark(self) -> str:
        """A sentence for those who might take `url` for the only address; none where it is."""
        if not self.everywhere:
            return ""
        return f"It listens on all addresses of this machine{'' if ':' in self.ips[0] else ' (IPv4)'}. "

    def bindable(self) -> str:
        """The first of the addresses that the service can have now. Raises `CannotListen`."""
        errors: list[OSError] = []
        for ip in self.ips:
            if "%" in ip:
                raise CannotListen(self.host, self.port, "the server takes no address with a zone")
            if ip_address(ip).is_multicast or _is_broadcast(ip):
                raise CannotListen(self.host, self.port, "it is an address of many machines, to which none connects")
            try:
                with _socket(ip) as listener:
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    listener.bind((ip, self.port))
            except OSError as error:
                # Another address of the same name would be free, but clients would meet the other program.
                if error.errno == errno.EADDRINUSE:
                    raise CannotListen(self.host, self.port, error) from error
                errors.append(error)
            else:
                return ip
        raise CannotListen(self.host, self.port, errors[0]) from errors[0]


def answers(ip: str, port: int) -> bool:
    """Whether the service that listens there replies that it is alive. Blocks for some seconds at most."""
    if (address := ip_address(ip)).is_unspecified:
        ip = "127.0.0.1" if address.version == 4 else "::1"
    try:
        with _socket(ip) as client:
            client.settimeout(ANSWER_SECONDS)
            client.connect((ip, port))
            client.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return client.recv(12) == b"HTTP/1.1 200"
    except OSError:
        return False


def _is_broadcast(ip: str) -> bool:
    """Whether it is one for all machines of a network. The server could have it, and no client could connect."""
    if ":" in ip:
        return False
    if ip == "255.255.255.255":
        return True
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        try:
            client.connect((ip, 9))  # Which sends nothing, and is refused to who has not asked for broadcasts.
        except PermissionError:
            return True
        except OSError:
            return False
    return False


def _socket(ip: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM)

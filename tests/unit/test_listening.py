"""Where the service listens, and by which address it is reached."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import pytest

from blog.entrypoints import commands
from blog.entrypoints.listening import Address, CannotListen, answers


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A listener on a port of 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.mark.parametrize(
    ("host", "ips", "url"),
    [
        ("127.0.0.1", ["127.0.0.1"], "http://127.0.0.1:8000"),
        ("127.1", ["127.0.0.1"], "http://127.0.0.1:8000"),
        ("::1", ["::1"], "http://[::1]:8000"),
        ("0:0::1", ["::1"], "http://[::1]:8000"),
        ("0.0.0.0", ["0.0.0.0"], "http://127.0.0.1:8000"),  # noqa: S104
        ("0", ["0.0.0.0"], "http://127.0.0.1:8000"),  # noqa: S104
        ("::", ["::"], "http://[::1]:8000"),
        ("localhost", ["::1", "127.0.0.1"], "http://localhost:8000"),
        ("LocalHost", ["127.0.0.1"], "http://localhost:8000"),
        ("bücher.example", ["192.0.2.1"], "http://xn--bcher-kva.example:8000"),
        ("my_host", ["192.0.2.1"], "http://192.0.2.1:8000"),
        ("my_host", ["2001:db8::1"], "http://[2001:db8::1]:8000"),
    ],
)
def test_an_address_has_a_url_that_reaches_it(host: str, ips: list[str], url: str) -> None:
    address = Address(host, 8000, tuple(ips))
    assert address.url == url
    assert bool(address.remark) is (ips[0] in ("0.0.0.0", "::"))  # noqa: S104


def test_a_host_that_is_nowhere_is_refused() -> None:
    for host in ("", "blog.invalid", "a" * 64, "nul\0"):
        with pytest.raises(CannotListen, match=r"^Cannot listen on .*: --host\.$"):
            Address.resolve(host, 8000)


def test_of_several_addresses_the_first_that_this_machine_has_is_taken() -> None:
    assert Address("host", 0, ("192.0.2.1", "127.0.0.1")).bindable() == "127.0.0.1"
    with pytest.raises(CannotListen, match=r"host port 0 \(.+\)\. Choose an address of this machine"):
        Address("host", 0, ("192.0.2.1",)).bindable()


def test_a_name_is_not_shared_with_a_program_on_another_of_its_addresses(taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    with pytest.raises(CannotListen, match=f"port {port} .*in use.*Stop what uses it, or choose another: --port"):
        Address("host", port, ("127.0.0.1", "127.0.0.2")).bindable()


def test_an_address_with_a_zone_is_refused() -> None:
    address = Address("fe80::1%lo", 8000, ("fe80::1%lo",))
    with pytest.raises(CannotListen, match="takes no address with a zone"):
        address.bindable()
    assert not address.everywhere


@pytest.mark.parametrize("ip", ["224.0.0.1", "239.1.2.3", "255.255.255.255", "ff02::1", "127.255.255.255"])
def test_an_address_of_many_machines_is_refused(ip: str) -> None:
    with pytest.raises(CannotListen, match=r"many machines.*\. Choose an address of this machine: --host\.$"):
        Address(ip, 8000, (ip,)).bindable()


class Deaf:
    """A server that starts, and that no client reaches."""

    def __init__(self) -> None:
        self.interrupt_signal, self.told = False, threading.Event()

    def on_startup(self, hook: Callable[[], None]) -> None:
        self.hook = hook

    def serve(self) -> None:
        self.hook()
        assert self.told.wait(30)

    def signal_handler_interrupt(self) -> None:
        self.interrupt_signal = True
        self.told.set()


def test_a_service_that_nobody_reaches_ends_with_a_sentence() -> None:
    deaf: Any = Deaf()
    with pytest.raises(commands.Failure, match=r"does not answer at its own address within 0 seconds\. .*--host"):
        commands._run(deaf, ready=lambda: False, announce=pytest.fail, lost=SimpleQueue(), seconds=0.05)


@pytest.mark.parametrize(
    ("reply", "alive"),
    [(b"HTTP/1.1 200 OK\r\n\r\n", True), (b"HTTP/1.1 503 \r\n\r\n", False), (b"SSH-2.0\r\n", False), (b"", False)],
)
def test_only_a_service_that_is_alive_answers(reply: bytes, taken: socket.socket, *, alive: bool) -> None:
    def serve() -> None:
        client, _ = taken.accept()
        with client:
            client.recv(1024)
            client.sendall(reply)

    with ThreadPoolExecutor(1) as thread:
        served = thread.submit(serve)
        assert answers("127.0.0.1", taken.getsockname()[1]) is alive
        served.result(30)


def test_a_port_where_nothing_listens_does_not_answer(taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    taken.close()
    assert not answers("0.0.0.0", port)  # noqa: S104

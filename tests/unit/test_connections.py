"""Connections as the operating system has them."""

import resource
import socket

import pytest

from blog.entrypoints import connections

TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)


@pytest.mark.parametrize(
    ("before", "held", "after"),
    [
        ((1_024, 1_048_576), 10_000, (10_512, 1_048_576)),
        ((1_024, resource.RLIM_INFINITY), 10_000, (10_512, resource.RLIM_INFINITY)),
        ((1_024, 4_096), 3_584, (4_096, 4_096)),
        ((65_536, 65_536), 10_000, (65_536, 65_536)),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), 10_000, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)),
        ((256, 256), 128, (256, 256)),
    ],
)
def test_it_has_as_many_open_files_as_connections_need(
    before: tuple[int, int], held: int, after: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = [before]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limit[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: limit.append(wanted))
    assert connections.hold(10_000) == held
    assert limit[-1] == after


def test_a_system_that_refuses_more_open_files_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int, __: tuple[int, int]) -> None:
        raise ValueError

    monkeypatch.setattr(resource, "getrlimit", lambda _: (2_560, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert connections.hold(10_000) == 2_048


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_connection_is_ended_and_no_other(family: socket.AddressFamily) -> None:
    with socket.socket(socket.AF_INET6) as listener, socket.socket(family) as client, socket.socket(family) as other:
        try:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind(("::", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        listener.listen()
        port = listener.getsockname()[1]
        here = "127.0.0.1" if family == socket.AF_INET else "::1"
        served = []
        for each in (client, other):
            each.settimeout(5)
            each.connect((here, port))
            served.append(listener.accept()[0])
        address = client.getsockname()[:2]
        assert not connections.end((here, 1), (here, port))
        assert not connections.end(address, (here, port + 1))
        assert connections.end(address, (here, port))
        assert client.recv(1) == b""
        served[1].sendall(b"x")
        assert other.recv(1) == b"x"
        for each in served:
            each.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux ends connections that stand still")
def test_what_a_listener_accepts_may_not_stand_still() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for given, seconds in (([7], 7), ([], 30)):
            assert connections.limit_stalling(*given) >= 1
            with socket.socket() as client:
                client.connect(listener.getsockname())
                served, _ = listener.accept()
                with served:
                    assert served.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == seconds * 1_000
                    assert served.getsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT) == 128 * 1024

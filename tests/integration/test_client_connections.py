"""What clients do with their connections to the real service, told in bytes: it neither fails nor waits for ever."""

import json
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.service import PATIENCE, Service, eventually

CREDENTIALS = b"username=ada&password=wrong"
LOG_IN = b"POST /auth/login HTTP/1.1\r\nHost: blog\r\nContent-Type: application/x-www-form-urlencoded\r\n"
GET = b"GET /health/live HTTP/1.1\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service") / "data") as service:
        yield service


def connect(service: Service) -> socket.socket:
    """A connection whose bytes the test writes itself."""
    return socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE)


def read(connection: socket.socket) -> tuple[int, bytes]:
    """The status and the body of a reply, after which the service closes the connection."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    header, _, body = received.partition(b"\r\n\r\n")
    assert header.startswith(b"HTTP/1."), received
    return int(header.split()[1]), body


@pytest.fixture(scope="module")
def long_articles(service: Service) -> None:
    """Thirty articles, of which a page has twelve megabytes."""
    signed_in = service.register()
    with service.client() as client:
        for number in range(30):
            article = {"title": f"On engines {number}", "content": "engine " * 28_000, "published": True}
            assert client.post("/articles", json=article, headers=signed_in).status_code == 201


def ask(service: Service, request: bytes) -> tuple[int, bytes]:
    """What the service replies, and that it closes the connection in time."""
    with connect(service) as connection:
        connection.sendall(request)
        return read(connection)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (GET + b"\r\n", 400),
        (GET + b"Host:\r\n\r\n", 400),
        (GET + b"Host: a\r\nHost: a\r\n\r\n", 400),
        (GET + b"Host: a\r\nHost: b\r\n\r\n", 400),
        (GET + b"Host: a b\r\n\r\n", 400),
        (GET + b"Host: a\r\nAuthorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n", 400),
        (GET + b"Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (GET + b"Host : a\r\n\r\n", 400),
        (GET + b"Host: a\r\n folded\r\n\r\n", 400),
        (b"GET /health/live HTTP/1.0\r\n\r\n", 200),
        (b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 9_000), 414),
        (b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 90_000), 431),
        (GET + b"Host: a\r\nX: %b\r\n\r\n" % (b"a" * 40_000), 431),
        (GET + b"Host: a\r\nX: %b\r\n\r\n" % (b"a" * 1_000_000), 431),
        (GET + b"Host: a\r\n%b\r\n" % (b"X: a\r\n" * 200), 431),
    ],
)
def test_a_request_that_breaks_the_rules_is_refused(service: Service, request_bytes: bytes, status: int) -> None:
    assert ask(service, request_bytes)[0] == status


@pytest.mark.parametrize(
    "chunks", [b"zz\r\n", b"5\r\nhelloXX\r\n", b"-1\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n\r\n"]
)
def test_malformed_chunks_are_the_fault_of_the_client(service: Service, chunks: bytes) -> None:
    status, body = ask(service, LOG_IN + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert (status, json.loads(body)["status"]) == (400, 400)
    assert '"status":500' not in service.log
    assert '"level":"error"' not in service.log


@pytest.mark.parametrize("framing", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
def test_a_client_that_hangs_up_is_no_fault_of_the_service(service: Service, framing: bytes) -> None:
    lines = service.log.count("POST /auth/login")
    with connect(service) as connection:
        connection.sendall(LOG_IN + framing + b"\r\n\r\n5\r\nuser=")
    eventually(lambda: service.log.count("POST /auth/login") > lines, "the request is logged")
    with connect(service) as connection:
        # One that does not wait for the reply.
        connection.sendall(LOG_IN + b"Content-Length: %d\r\n\r\n" % len(CREDENTIALS) + CREDENTIALS)
    eventually(lambda: service.log.count("POST /auth/login") > lines + 1, "the request is logged")
    assert '"status":500' not in service.log
    assert '"level":"error"' not in service.log


def test_a_body_that_ends_too_early_is_the_fault_of_the_client(service: Service) -> None:
    with connect(service) as connection:
        connection.sendall(LOG_IN + b"Content-Length: 100\r\n\r\nuser=")
        connection.shutdown(socket.SHUT_WR)
        received = connection.recv(65536)
    assert received == b"" or received.startswith(b"HTTP/1.1 400 ")
    assert '"level":"error"' not in service.log


def test_it_speaks_http_1_alone(service: Service) -> None:
    with connect(service) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        began = time.monotonic()
        received = connection.recv(65536)
    assert received == b"" or received.startswith(b"HTTP/1.1 400 ")
    assert time.monotonic() - began < PATIENCE / 2


def test_the_log_cuts_a_long_path(service: Service) -> None:
    path = b"/" + b"a" * 7_000
    assert ask(service, b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path)[0] == 404

    def line() -> str | None:
        return next((line for line in service.log.splitlines() if "aaaa" in line), None)

    logged = json.loads(eventually(line, "the request is logged") or "")["event"]
    assert logged == f"GET {path[:2_000].decode()}…"


def page(service: Service, query: bytes) -> socket.socket:
    """A connection that asked for a page, and whose side of it has room for little."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(PATIENCE)
    connection.connect(("127.0.0.1", service.port))
    connection.sendall(b"GET /articles?%b HTTP/1.1\r\nHost: a\r\n\r\n" % query)
    return connection


LARGE_PAGE = b"limit=30&include=content_html"


@pytest.mark.usefixtures("long_articles")
def test_a_client_that_does_not_read_is_cut_off(service: Service) -> None:
    with page(service, LARGE_PAGE) as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
        eventually(lambda: "reads slower" in service.log, "the client is cut off")
        received = 0
        while chunk := connection.recv(1 << 20):
            received += len(chunk)
    assert received < 6_000_000
    assert '"level":"error"' not in service.log


@pytest.mark.usefixtures("long_articles")
def test_large_replies_that_nobody_reads_have_a_bound_and_small_ones_are_served(service: Service) -> None:
    with ExitStack() as stack:
        unread = [stack.enter_context(page(service, LARGE_PAGE)) for _ in range(8)]
        headers = [connection.recv(2_000) for connection in unread]
        statuses = [header.split()[1] for header in headers]
        assert set(statuses) == {b"200", b"503"}
        refused = headers[statuses.index(b"503")]
        assert b"\r\nretry-after: " in refused.lower()
        assert b"application/problem+json" in refused
        with service.client() as client:
            assert client.get("/articles?limit=1").status_code == 200
    with service.client() as client:
        # Those clients have gone.
        eventually(lambda: client.get(f"/articles?{LARGE_PAGE.decode()}").status_code == 200, "a large page")
        whole = client.get("/articles?limit=30&fields=id").json()
        assert len(client.get("/articles?limit=30").json()) == 30
        seen, address = [], "/articles?cursor=&limit=30"
        while address:
            reply = client.get(address)
            assert len(reply.content) < 2 * 1024 * 1024
            seen += [article["id"] for article in reply.json()]
            address = reply.links["next"]["url"] if "next" in reply.links else ""
        assert seen == [article["id"] for article in whole]


def test_thousands_of_connections_do_not_keep_a_client_waiting(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4_000:
        pytest.skip("this machine has too few open files")
    kinds = (b"", b"G", b"GET / HTTP/1.1\r\nHost: a\r\n", LOG_IN + b"Content-Length: 99\r\n\r\nusername=")
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        # What most systems give to begin with.
        resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, hard))
        service = stack.enter_context(Service(tmp_path / "data"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        for number in range(3_000):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", service.port), PATIENCE))
            connection.sendall(kinds[number % len(kinds)])
        began = time.monotonic()
        assert service.status("/health/ready") == 200
        assert time.monotonic() - began < PATIENCE / 6
        held = int(service.said.partition(" It holds ")[2].split()[0].replace(",", ""))
        assert held >= min(hard - 1_000, 16_000)

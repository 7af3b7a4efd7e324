"""deploy/nginx.conf in a real nginx, in front of the running service or of a server that repeats what reached it."""

import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urljoin

import httpx
import pytest

from blog.entrypoints.connections import HEADER_SECONDS
from blog.entrypoints.http.validation import MAX_BODY
from tests.integration.service import PATIENCE, Service, eventually, free_port

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "deploy" / "nginx.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
SILENCE = 1
"""Seconds that a client may be silent within a header or a body; the shipped file gives it ten."""

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


def configured(folder: Path, *, port: int, upstream: int) -> Path:
    """The shipped file, with the names of this place; each must be there to be exchanged."""
    text = CONFIGURATION.read_text()
    for shipped, here in (
        (r"/tmp/", f"{folder}/"),  # noqa: S108
        (r"server backend:8000;", f"server 127.0.0.1:{upstream};"),
        (r"listen 8080 ", f"listen 127.0.0.1:{port} "),
        (r"client_header_timeout 10s;", f"client_header_timeout {SILENCE}s;"),
        (r"client_body_timeout 10s;", f"client_body_timeout {SILENCE}s;"),
        (r"/dev/stdout", f"{folder}/access.log"),
    ):
        assert re.search(shipped, text), shipped
        text = re.sub(shipped, here, text)
    return written(folder, text)


def written(folder: Path, text: str) -> Path:
    """A configuration, as a file."""
    file = folder / "nginx.conf"
    # Started by root, its workers would run as a user who may not enter a test's folder.
    file.write_text(f"{'user root;' if os.geteuid() == 0 else ''}\n{text}")
    return file


def below_a_path(folder: Path, *, port: int, upstream: int) -> Path:
    """The README's example of a blog below a path, and as little around it as nginx takes."""
    examples = re.findall(r"^```nginx\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    (example,) = (example for example in examples if "/blog/" in example)
    assert "127.0.0.1:8080" in example
    folders = "".join(
        f"{name}_temp_path {folder}/{name}; " for name in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
    )
    server = example.replace("127.0.0.1:8080", f"127.0.0.1:{upstream}")
    text = f"""
        pid {folder}/nginx.pid;
        events {{}}
        http {{ {folders} access_log off; server {{ listen 127.0.0.1:{port}; {server} }} }}
    """
    return written(folder, text)


class Configuration(Protocol):
    """Writes the configuration of an nginx on a port, in front of another."""

    def __call__(self, folder: Path, *, port: int, upstream: int) -> Path: ...


class Nginx:
    """nginx, answering."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.url = f"http://127.0.0.1:{port}"

    def client(self, **options: Any) -> httpx.Client:
        """Somebody who talks to it."""
        return httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False, **options)

    def connect(self) -> socket.socket:
        """A connection whose bytes the test writes itself."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def logged(self, request_id: str) -> dict[str, Any]:
        """What the access log says of a request."""

        def line() -> str | None:
            lines = (self.folder / "access.log").read_text().splitlines()
            return next((line for line in lines if request_id in line), None)

        said: dict[str, Any] = json.loads(eventually(line, "the request is logged") or "")
        return said


@contextmanager
def nginx(
    folder: Path, *, upstream: int, port: int | None = None, configuration: Configuration = configured
) -> Iterator[Nginx]:
    """Start a configuration, the shipped one as a rule, in front of a port."""
    assert NGINX
    front = Nginx(folder, port or free_port())
    command = [NGINX, "-c", str(configuration(folder, port=front.port, upstream=upstream)), "-p", str(folder)]
    command += ["-e", "stderr"]
    tried = subprocess.run([*command, "-t"], capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)
    assert tried.returncode == 0, tried.stderr
    assert "[warn]" not in tried.stderr
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen([*command, "-g", "daemon off;"], stdin=subprocess.DEVNULL, stderr=stderr)

    def answers() -> bool:
        assert process.poll() is None, (folder / "stderr").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", front.port)) == 0

    try:
        eventually(answers, "nginx listens")
        yield front
    finally:
        process.terminate()
        process.wait(PATIENCE)


class Echo(ThreadingHTTPServer):
    """Answers every request with its headers, as JSON, and remembers them and its connections."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), EchoHandler)
        self.connections = 0
        self.requests: list[str] = []

    def get_request(self) -> tuple[Any, Any]:
        self.connections += 1
        return super().get_request()


class EchoHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # A reply in two pieces would wait for the client's word on the first one.
    server: Echo

    def answer(self) -> None:
        self.server.requests.append(self.requestline)
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        headers: dict[str, list[str]] = {}
        for name, value in self.headers.items():
            headers.setdefault(name.lower(), []).append(value)
        body = json.dumps(headers).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service") / "data", trusted_proxies="127.0.0.1") as service:
        yield service


@pytest.fixture(scope="module")
def front(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """The configuration, in front of the service."""
    with nginx(tmp_path_factory.mktemp("nginx"), upstream=service.port) as front:
        yield front


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def before_echo(echo: Echo, tmp_path: Path) -> Iterator[Nginx]:
    """The configuration, in front of the server that repeats."""
    with nginx(tmp_path, upstream=echo.server_port) as front:
        yield front


def is_problem(reply: httpx.Response, status: int) -> dict[str, Any]:
    """That a reply of nginx's own is like one of the service."""
    said: dict[str, Any] = reply.json()
    assert reply.status_code == status
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert re.fullmatch(r"[0-9a-f]{32}", reply.headers["X-Request-ID"])
    assert said["status"] == status
    assert said["title"]
    assert said["detail"].endswith(".")
    return said


def read_reply(connection: socket.socket) -> tuple[int, bytes, bytes]:
    """All that comes until nginx closes: the status, the header, the body."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    header, _, body = received.partition(b"\r\n\r\n")
    return int(header.split()[1]), header, body


def test_the_service_is_behind_it(front: Nginx) -> None:
    with front.client() as client:
        reply = client.get("/health/ready")
        assert (reply.status_code, reply.json()) == (200, {"status": "ok"})
        assert reply.headers["Server"] == "nginx"  # and not which
        head = client.head("/health/ready")
        assert (head.status_code, head.content) == (200, b"")


def test_an_article_goes_there_and_back_and_is_compressed(front: Nginx, service: Service) -> None:
    ada = service.register()
    article = {"title": "Söme thing?", "content": "The engine weaves algebraic patterns. " * 200, "published": True}
    with front.client() as client:
        written = client.post("/articles", json=article, headers=ada)
        assert written.status_code == 201
        address = written.headers["Location"]
        for accepted, encoding in (("gzip", "gzip"), ("identity", None)):
            with client.stream("GET", address, headers={"Accept-Encoding": accepted, "Via": "1.1 another"}) as reply:
                raw = b"".join(reply.iter_raw())
            assert reply.headers.get("Content-Encoding") == encoding
            assert set(reply.headers["Vary"].split(", ")) == {"Accept-Encoding", "Authorization", "Origin"}
            read = json.loads(gzip.decompress(raw) if encoding else raw)
            assert {name: read[name] for name in article} == article
            assert len(raw) < 1000 or not encoding
        assert client.delete(address, headers=ada).status_code == 204


def test_the_tag_of_a_compressed_reply_still_says_which_version_was_read(front: Nginx, service: Service) -> None:
    eve = service.register("eve")
    article = {"title": "An engine", "content": "The engine weaves algebraic patterns. " * 200}
    with front.client() as client:
        written = client.post("/articles", json=article, headers={**eve, "Accept-Encoding": "gzip"})
        address = written.headers["Location"]
        strong = client.get(address, headers={**eve, "Accept-Encoding": "identity"}).headers["ETag"]
        read = client.get(address, headers={**eve, "Accept-Encoding": "gzip"})
        # What is compressed is not the same, byte for byte, and is not called so (RFC 9110, section 8.8.3.3).
        assert (read.headers["Content-Encoding"], read.headers["ETag"]) == ("gzip", f'{strong[:-1]}-gzip"')

        as_read = {**eve, "If-Match": read.headers["ETag"]}
        changed = client.patch(address, json={"title": "Engines"}, headers=as_read)
        assert (changed.status_code, changed.json()["version"]) == (200, 2)
        again = client.patch(address, json={"title": "Motors"}, headers=as_read)
        assert (again.status_code, again.headers["Content-Type"]) == (412, "application/problem+json")
        assert again.json()["version"] == 2
        assert client.delete(address, headers={**eve, "If-Match": changed.headers["ETag"]}).status_code == 204


def test_what_the_service_refuses_arrives_as_it_said_it(front: Nginx, service: Service) -> None:
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/nowhere", {}),
        ("GET", "/articles/0", {}),
        ("GET", "/articles/%2e%2e%2fhealth//live", {}),
        ("GET", "/users/me", {}),
        ("PUT", "/articles", {}),
        ("POST", "/users", {"json": {"email": "no"}}),
        ("GET", "/articles?skip=-1&limit=%F0%9F%A6%86", {}),
    ]
    with front.client() as client, service.client() as direct:
        for method, path, options in calls:
            through, straight = (who.request(method, path, **options) for who in (client, direct))
            assert through.status_code == straight.status_code >= 400
            assert through.content == straight.content
            ours = {"server", "date", "connection", "x-request-id", "vary"}
            apart = [
                {(k, v) for k, v in reply.headers.multi_items() if k not in ours} for reply in (through, straight)
            ]
            assert apart[0] == apart[1]
            assert len(through.headers.get_list("X-Content-Type-Options")) == 1
            assert len(through.headers.get_list("X-Request-ID")) == 1


def test_a_body_may_be_as_large_as_the_service_takes_it(front: Nginx, service: Service) -> None:
    for size, statuses in ((MAX_BODY, {400}), (MAX_BODY + 1, {413})):
        body = {"content": b"x" * size, "headers": {"Content-Type": "application/json"}}
        with front.client() as client, service.client() as direct:
            through, straight = (who.post("/users", **body) for who in (client, direct))  # type: ignore[arg-type]
        assert {through.status_code, straight.status_code} == statuses
        assert through.json() == straight.json()


def test_a_client_that_sends_far_too_much_can_read_why_not(front: Nginx) -> None:
    with front.client() as client:
        is_problem(client.post("/articles", content=b"x" * (8 * MAX_BODY)), 413)

        def chunks() -> Iterator[bytes]:
            yield from (b"x" * 65536 for _ in range(2 * MAX_BODY // 65536))

        is_problem(client.post("/articles", content=chunks()), 413)


@pytest.mark.parametrize("rest", [b"Content-Le", b"Content-Length: 100\r\n\r\nsome of it"])
def test_a_client_that_falls_silent_is_cut_off_and_the_service_hears_nothing(
    echo: Echo, before_echo: Nginx, rest: bytes
) -> None:
    with before_echo.connect() as connection:
        connection.sendall(b"POST /articles HTTP/1.1\r\nHost: blog\r\n" + rest)
        began = time.monotonic()
        assert connection.recv(1) == b""
        assert SILENCE * 0.9 < time.monotonic() - began < SILENCE + 5
    with before_echo.client() as client:
        client.get("/after")
    assert echo.requests == ["GET /after HTTP/1.1"]


def test_a_client_that_closes_its_side_still_gets_its_reply(front: Nginx) -> None:
    for _ in range(5):
        with front.connect() as connection:
            connection.sendall(b"GET /articles HTTP/1.1\r\nHost: blog\r\nConnection: close\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            status, _, body = read_reply(connection)
        assert (status, body[:1]) == (200, b"[")


def test_an_address_has_a_limited_number_of_requests_at_a_time(before_echo: Nginx) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(before_echo.connect()) for _ in range(110)]
        for connection in connections:
            connection.sendall(b"POST /articles HTTP/1.1\r\nHost: blog\r\nContent-Length: 100\r\n\r\nsome of it")
        received = [connection.recv(65536) for connection in connections]
    refused = [reply for reply in received if reply]
    assert len(refused) == 10
    assert all(reply.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: " in reply for reply in refused)


def test_nobody_but_nginx_says_who_the_client_is(before_echo: Nginx) -> None:
    told = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Real-IP": "203.0.113.9",
        "X-Request-ID": "mine",
        "Forwarded": "for=203.0.113.9;proto=https",
    }
    headers = [*told.items(), ("X-Forwarded-For", "203.0.113.10")]
    with before_echo.client() as client:
        reply = client.get("/", headers=headers)
    heard = reply.json()
    assert heard["x-forwarded-for"] == ["127.0.0.1"]
    assert heard["x-forwarded-proto"] == ["http"]
    assert heard["host"] == [f"127.0.0.1:{before_echo.port}"]
    (request_id,) = heard["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", request_id)
    assert not heard.keys() & {"x-forwarded-host", "x-real-ip", "forwarded"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has more than one loopback address from the start")
def test_both_logs_name_the_client_and_the_request(front: Nginx, service: Service) -> None:
    with front.client(transport=httpx.HTTPTransport(local_address="127.0.0.2")) as client:
        reply = client.get("/articles?limit=1", headers={"X-Forwarded-For": "203.0.113.9"})
    request_id = reply.headers["X-Request-ID"]
    at_front = front.logged(request_id)
    assert (at_front["client"], at_front["status"], at_front["path"]) == ("127.0.0.2", 200, "/articles")

    def line() -> str | None:
        logs = (file.read_text() for file in service.folder.parent.glob("*.err"))
        return next((line for log in logs for line in log.splitlines() if request_id in line), None)

    at_service = json.loads(eventually(line, "the service logs the request") or "")
    assert (at_service["client"], at_service["request_id"]) == ("127.0.0.2", request_id)


def test_connections_are_kept_on_both_sides(echo: Echo, before_echo: Nginx) -> None:
    with before_echo.client() as client:
        for _ in range(20):
            with client.stream("POST", "/", content=b"body") as reply:
                reply.read()
                ours = reply.extensions["network_stream"].get_extra_info("client_addr")
            assert reply.json().get("connection") is None
            assert ours == reply.extensions["network_stream"].get_extra_info("client_addr")
    assert len(echo.requests) == 20
    assert echo.connections == 1


def test_it_gives_up_an_idle_connection_before_the_service_does() -> None:
    upstream = re.search(r"upstream blog \{.*?keepalive_timeout (\d+)s;", CONFIGURATION.read_text(), re.DOTALL)
    assert upstream
    assert int(upstream[1]) < HEADER_SECONDS


def test_a_service_that_is_down_is_a_problem_that_says_when_to_come_back(tmp_path: Path) -> None:
    with nginx(tmp_path, upstream=free_port()) as front, front.client() as client:
        for method in ("GET", "POST"):
            reply = client.request(method, "/articles", content=b"{}" if method == "POST" else None)
            is_problem(reply, 502)
            assert int(reply.headers["Retry-After"]) > 0
        head = client.head("/articles")
        assert (head.status_code, head.content) == (502, b"")
        logged = front.logged(reply.headers["X-Request-ID"])
        assert (logged["path"], logged["status"]) == ("/articles", 502)


@pytest.mark.parametrize("path", ["/preview", "/preview/", "/%70review", "//preview", "/articles/../preview"])
def test_the_secret_of_a_preview_is_in_no_log(tmp_path: Path, path: str) -> None:
    with nginx(tmp_path, upstream=free_port()) as front:
        # One that nobody answers, and one that is refused here.
        for size in (0, MAX_BODY + 1):
            with front.connect() as connection:
                request = f"GET {path}?token=hush HTTP/1.1\r\nHost: blog\r\nConnection: close"
                connection.sendall(f"{request}\r\nContent-Length: {size}\r\n\r\n".encode())
                status, header, _ = read_reply(connection)
            assert status == (413 if size else 502)
            said = front.logged(re.findall(rb"X-Request-ID: (\w+)", header)[0].decode())
            assert (said["path"], said["status"]) == (path, status)
        with front.client() as client:
            assert client.get("/articles?after=this").status_code == 502
        # What goes wrong elsewhere is told, after that.
        eventually(lambda: "after=this" in (tmp_path / "stderr").read_text(), "the error is logged")
        for log in ("stderr", "access.log"):
            assert "hush" not in (tmp_path / log).read_text()


def test_a_request_that_is_none_is_a_problem_too(front: Nginx) -> None:
    long = b"a" * 10_000
    for request, expected in (
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /../.. HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % long, 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % long, 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/4.2\r\nHost: a\r\n\r\n", 505),
        (b"GET /problem HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404),
    ):
        with front.connect() as connection:
            connection.sendall(request)
            status, header, body = read_reply(connection)
        headers = [tuple(line.decode().split(": ", 1)) for line in header.split(b"\r\n")[1:]]
        is_problem(httpx.Response(status, headers=headers, content=body), expected)  # type: ignore[arg-type]


def test_the_blog_is_below_a_path_behind_the_example_of_the_readme(tmp_path: Path) -> None:
    """The example, in front of the shipped configuration, in front of the service."""
    port = free_port()
    site = f"http://127.0.0.1:{port}/blog"
    for name in ("inner", "outer"):
        (tmp_path / name).mkdir()
    with (
        Service(tmp_path / "data", site_url=site) as service,
        nginx(tmp_path / "inner", upstream=service.port) as inner,
        nginx(tmp_path / "outer", port=port, upstream=inner.port, configuration=below_a_path) as outer,
        outer.client() as client,
    ):
        ada = service.register()
        # A character of each kind that a proxy might write in another way.
        article = {
            "title": "On engines",
            "content": "Of [looms](on-looms).",
            "tags": ["a/b c", "ü"],
            "published": True,
        }
        replies = [client.post("/blog/articles", json=article | {"title": title}, headers=ada) for title in "abc"]
        assert [reply.status_code for reply in replies] == [201] * 3

        def follow(reply: httpx.Response, address: str) -> httpx.Response:
            there = urljoin(str(reply.url), address)
            assert there.startswith(f"{site}/")
            found = client.get(there, headers=ada)
            assert found.status_code in (200, 308), there
            return found

        for reply in replies:
            assert follow(reply, reply.headers["Location"]).json()["id"] == reply.json()["id"]
        page = client.get("/blog/articles?tags=a%2Fb%20c&limit=1&cursor=")
        seen = [page.json()[0]["title"]]
        while "next" in page.links:
            page = follow(page, page.links["next"]["url"])
            seen += [each["title"] for each in page.json()]
        assert seen == ["c", "b", "a"]
        moved = client.patch(replies[0].headers["Location"], json={"slug": "engines"}, headers=ada)
        old = client.get("/blog/articles/a?fields=id,title")
        assert old.status_code == 308
        assert follow(old, old.headers["Location"]).json() == {"id": moved.json()["id"], "title": "a"}
        for feed in ("/blog/tags/a%2Fb%20c/feed.json", "/blog/tags/%C3%BC/feed.json"):
            found = client.get(feed)
            assert (found.status_code, found.json()["feed_url"]) == (200, f"http://127.0.0.1:{port}{feed}")
            assert len(found.json()["items"]) == 3
        for address in ("/blog/docs", "/blog/docs/", "/blog/openapi.json", "/blog/sitemap.xml", "/blog/robots.txt"):
            assert client.get(address).status_code == 200
        assert client.get("/blog", follow_redirects=False).headers["Location"] == f"{site}/"
        for elsewhere in ("/articles", "/blogs", "/%62log/articles"):
            assert client.get(elsewhere).status_code == 404

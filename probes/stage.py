"""What probes share: a service in a temporary folder, its memory, many connections, and a normal client meanwhile."""

import resource
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tests.integration.service import Service

LONG = 200_000
"""Characters: the longest article."""


@contextmanager
def service(*, open_files: int = 1_024) -> Iterator[Service]:
    """A service that is ready, started with the soft limit of open files that most systems give."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with tempfile.TemporaryDirectory() as folder:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(open_files, hard), hard))
        try:
            with Service(Path(folder) / "data") as service:
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
                yield service
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def memory(service: Service) -> int:
    """Megabytes that the workers have in memory."""
    pids = ",".join(map(str, service.workers_alive()))
    listed = subprocess.run(["ps", "-o", "rss=", "-p", pids], capture_output=True, text=True, check=False)
    return sum(int(line) for line in listed.stdout.split()) // 1024


def write_articles(service: Service, count: int, *, characters: int = LONG) -> None:
    """Publish articles of this length."""
    signed_in = service.register()
    text = "algebraic patterns of the engine " * (characters // 33)
    with service.client() as client:
        for number in range(count):
            article = {"title": f"On engines {number}", "content": text[:characters], "published": True}
            assert client.post("/articles", json=article, headers=signed_in).status_code == 201


@contextmanager
def connections(
    service: Service, count: int, *requests: bytes, receive_buffer: int | None = None
) -> Iterator[list[socket.socket]]:
    """Connections that have sent one of these requests each, and read nothing; without those that failed.

    After ten failures in a row no more are tried.
    """
    with ExitStack() as stack:
        opened: list[socket.socket] = []
        failures = 0
        for number in range(count):
            connection = socket.socket()
            stack.callback(connection.close)
            connection.settimeout(1)
            if receive_buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            try:
                connection.connect(("127.0.0.1", service.port))
                if requests:
                    connection.sendall(requests[number % len(requests)])
            except OSError:
                failures += 1
                if failures == 10:
                    break
                continue
            failures = 0
            opened.append(connection)
        yield opened


def still_open(opened: list[socket.socket]) -> int:
    """How many of the connections the service has not ended; what it has sent is read."""

    def is_open(connection: socket.socket) -> bool:
        connection.setblocking(False)
        try:
            while chunk := connection.recv(1 << 20):
                del chunk
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    return sum(map(is_open, opened))


class NormalClient:
    """Asks whether the service is ready, over a new connection each time, and measures how long the reply takes."""

    def __init__(self, service: Service, *, path: str = "/health/ready") -> None:
        self._port, self._path = service.port, path
        self.seconds: list[float] = []
        self.failures = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "NormalClient":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            began = time.monotonic()
            connection = HTTPConnection("127.0.0.1", self._port, timeout=5)
            with suppress(OSError, HTTPException):
                connection.request("GET", self._path)
                reply = connection.getresponse()
                reply.read()
                if reply.status == 200:
                    self.seconds.append(time.monotonic() - began)
                    connection.close()
                    continue
            connection.close()
            self.failures += 1

    def __str__(self) -> str:
        slowest = f"{max(self.seconds):.3f} s" if self.seconds else "none"
        return f"normal client: {len(self.seconds)} replies, the slowest after {slowest}; {self.failures} failures"


def watch(service: Service, seconds: float) -> int:
    """The most megabytes that the workers have in memory in this time."""
    deadline, most = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        most = max(most, memory(service))
        time.sleep(0.2)
    return most

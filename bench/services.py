"""The services that are measured, each a process of its own on a port of its own."""

import contextlib
import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import urlencode

from packaging.requirements import Requirement

from bench import Failure
from bench.fill import PASSWORD
from bench.load import started

ROOT = Path(__file__).parents[1]
BLOG = "from blog.entrypoints.cli import main; main()"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PATIENCE = 30.0
"""Seconds until a service must answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was replied."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Service:
    """A service that runs."""

    name: str
    port: int
    pid: int

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        """One request, by itself. Raises `OSError` or `http.client.HTTPException` where there is no reply."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def token(self, username: str) -> str:
        """What somebody is known by from now on. Raises `Failure`."""
        form = urlencode({"username": username, "password": PASSWORD}).encode()
        reply = self.ask("POST", "/auth/login", FORM, form)
        if reply.status != 200:
            raise Failure(f"{self.name} does not let {username} log in: {reply.status} {reply.body[:200]!r}")
        return str(json.loads(reply.body)["access_token"])


def free_port() -> int:
    """A port that nobody has now, and that no outgoing connection will be given."""
    while True:
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", 10_240 + secrets.randbelow(22_528)))
            return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(
    name: str, command: list[str], settings: Mapping[str, str], *, folder: Path, ready: str = "/articles/1"
) -> Iterator[Service]:
    """A service, once it answers; `{port}` in its command is the port. Raises `Failure` where it does not."""
    port = free_port()
    known = {each: os.environ[each] for each in ("PATH", "HOME", "TMPDIR", "LANG") if each in os.environ}
    log = folder / f"{name}.log"
    words = [word.format(port=port) for word in command]
    with started(words, {**known, **settings}, cwd=folder, log=log) as process:
        service = Service(name, port, process.pid)
        await_reply(service, process, ready, log)
        yield service


def await_reply(service: Service, process: subprocess.Popen[str], path: str, log: Path) -> None:
    """Wait until a service replies. Raises `Failure`."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if service.ask("GET", path).status < 500:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            said = " ".join(log.read_text(errors="replace").splitlines()[-3:])
            raise Failure(f"{service.name} does not answer: {said[-500:] or 'it says nothing'}")
        time.sleep(0.005)


def product(*, workers: int = 1) -> list[str]:
    """How the product is started for production, where `PYTHONPATH` says what there is."""
    command = [sys.executable, "-S", "-c", BLOG, "serve", "--host", "127.0.0.1", "--port", "{port}"]
    return [*command, "--workers", str(workers)]


def production(folder: Path) -> str:
    """A `PYTHONPATH` with what an image for production has: the blog and what it needs, and nothing that tests do.

    The latter would be imported, too: dependency-injector imports the frameworks that it knows wherever they are.
    """
    folder.mkdir()
    wanted, found = {("hexablog", "all")}, set[tuple[str, str]]()
    while wanted:
        name, extra = one = wanted.pop()
        found.add(one)
        package = metadata.distribution(name)
        for requirement in map(Requirement, package.requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                wanted |= {(requirement.name, each) for each in ("", *requirement.extras)} - found
        if name != "hexablog":
            # What lies elsewhere are commands.
            for part in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
                with contextlib.suppress(FileExistsError):
                    (folder / part).symlink_to(str(package.locate_file(part)))
    return os.pathsep.join([str(folder), str(ROOT / "src")])


def other(application: str | Path) -> list[str]:
    """How anything else is: one of `bench.apps`, or the file of another application."""
    return [sys.executable, "-m", "bench.serve", str(application), "{port}"]

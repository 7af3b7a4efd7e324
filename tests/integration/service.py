"""The real command `blog`, in processes of its own.

It runs in a folder and an environment that hold nothing of the developer's. Every wait has a deadline and a name.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

import httpx

COMMAND = Path(sys.executable).with_name("blog")
PATIENCE = 30.0
"""Seconds for what takes two at most when the machine has nothing else to do."""
SECRET_KEY = "a key for tests, as long as the longest algorithm asks for: 64 bytes or more"
PASSWORD = "correct horse battery staple"

T = TypeVar("T")


def eventually(look: Callable[[], T], what: str, *, within: float = PATIENCE) -> T:
    """What `look` sees once it sees something; fails if it sees nothing in time."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {within:.0f} seconds: {what}"
        time.sleep(0.02)
    return seen


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def environment(**settings: object) -> dict[str, str]:
    """What a process of ours may know of this one's environment, and these settings, in capitals."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**inherited, "LC_ALL": "C.UTF-8", **{name.upper(): str(value) for name, value in settings.items()}}


def blog(*arguments: object, cwd: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


class Process(NamedTuple):
    """A process that is alive: zombies are not."""

    pid: int
    parent: int
    command: str


def processes() -> list[Process]:
    """Every process of this machine."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=", "-o", "ppid=", "-o", "stat=", "-o", "args="],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=True,
    )
    rows = (line.split(None, 3) for line in listed.stdout.splitlines())
    return [Process(int(row[0]), int(row[1]), row[3]) for row in rows if len(row) == 4 and row[2][0] != "Z"]


def descendants(*ancestors: int) -> list[Process]:
    """The processes that came from these, the children first; not these themselves."""
    everybody = processes()
    found: list[Process] = []
    generation = set(ancestors)
    while generation:
        children = [process for process in everybody if process.parent in generation]
        found += children
        generation = {child.pid for child in children}
    return found


def alive(*pids: int) -> set[int]:
    """Those of the processes that are not gone."""
    return {process.pid for process in processes()} & set(pids)


def kill(*pids: int) -> None:
    """Kill the processes that are still there, with no chance to say farewell."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Service:
    """`blog serve`, as often as it is started, on one port and one data folder.

    A context manager that starts it, waits until it is ready and leaves no process behind.
    """

    def __init__(
        self, folder: Path, *, workers: int = 1, port: int | None = None, cwd: Path | None = None, **settings: object
    ) -> None:
        self.folder, self.workers, self.settings = folder, workers, settings
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.cwd = cwd or folder.parent
        self._out, self._err = (self.cwd / f"{self.port}.{stream}" for stream in ("out", "err"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_until_ready()
        except BaseException:
            self.kill_everything()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill_everything()

    @property
    def pid(self) -> int:
        """The main process, which a supervisor of services would know."""
        assert self._process
        return self._process.pid

    @property
    def said(self) -> str:
        """All that the last start has written to standard output."""
        return self._out.read_text(encoding="utf-8")

    @property
    def complained(self) -> str:
        """All that the last start has written to standard error."""
        return self._err.read_text(encoding="utf-8")

    def start(self) -> None:
        """Start it as a terminal does, in a process group of its own, without waiting for it."""
        command = [COMMAND, "serve", "--port", str(self.port), "--workers", str(self.workers)]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                command,
                cwd=self.cwd,
                env=environment(blog_data_dir=self.folder, **self.settings),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def wait_until_ready(self, *, within: float = PATIENCE) -> None:
        """Wait until it can do its work."""

        def ready() -> bool:
            assert self._process
            assert self._process.poll() is None, f"it ended with {self._process.returncode}: {self.complained}"
            return self.status("/health/ready") == 200

        eventually(ready, f"the service is ready ({self._err.name} may say why not)", within=within)

    def status(self, path: str) -> int | None:
        """The status of a GET, over a connection of its own; None where nobody answers."""
        try:
            return httpx.get(f"{self.url}{path}", timeout=PATIENCE, trust_env=False).status_code
        except httpx.TransportError:
            return None

    def client(self) -> httpx.Client:
        """Somebody who talks to it."""
        return httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)

    def register(self, name: str = "ada") -> dict[str, str]:
        """Register somebody and sign in; the answer is the header that says so."""
        account = {"email": f"{name}@example.org", "username": name, "password": PASSWORD}
        with self.client() as client:
            assert client.post("/users", json=account).status_code == 201
            return sign_in(client, name)

    def processes(self) -> list[Process]:
        """Its processes: what it started, and what names its data folder, whoever the parent is by now."""
        mine = {process.pid for process in processes() if str(self.folder) in process.command}
        ancestors = mine | ({self._process.pid} if self._process else set())
        everybody = {process.pid: process for process in (*processes(), *descendants(*ancestors))}
        family = ancestors | {process.pid for process in descendants(*ancestors)}
        return [process for pid, process in everybody.items() if pid in family]

    def worker_pids(self) -> set[int]:
        """The processes that answer requests."""
        return {child.pid for child in processes() if child.parent == self.pid and "postgres" not in child.command}

    def postmaster_pid(self) -> int | None:
        """The main process of the PostgreSQL on its data folder, once there is one that has got as far as saying so."""
        for file in self.folder.glob("postgresql-[0-9]*/postmaster.pid"):
            with suppress(FileNotFoundError, IndexError):
                return next(iter(alive(int(file.read_text().split()[0]))), None)
        return None

    def stop(self, number: signal.Signals = signal.SIGTERM, *, group: bool = False, within: float = PATIENCE) -> int:
        """Send a signal to the main process or to its whole group, and answer the exit code."""
        (os.killpg if group else os.kill)(self.pid, number)
        return self.wait(within=within)

    def kill(self) -> None:
        """Kill the main process, and nothing else."""
        kill(self.pid)
        self.wait()

    def wait(self, *, within: float = PATIENCE) -> int:
        """Wait until the main process has ended; the answer is its exit code."""
        assert self._process
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not within {within:.0f} seconds: the service ends") from None

    def kill_everything(self) -> None:
        """Leave nothing running."""
        while remaining := {process.pid for process in self.processes()}:
            kill(*remaining)
            if self._process:
                self._process.wait()


def sign_in(client: httpx.Client, name: str = "ada") -> dict[str, str]:
    """The header that says who is there."""
    reply = client.post("/auth/login", data={"username": name, "password": PASSWORD})
    assert reply.status_code == 200
    return {"Authorization": f"Bearer {reply.json()['access_token']}"}


@contextmanager
def started(folder: Path, **settings: object) -> Iterator[Service]:
    """Shorthand."""
    with Service(folder, **settings) as service:  # type: ignore[arg-type]
        yield service

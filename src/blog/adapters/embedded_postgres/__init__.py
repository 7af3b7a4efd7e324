"""A real PostgreSQL with no set-up: a private server out of the programs that a wheel or the system brings.

It listens on a Unix socket only, in a folder that only its own user may enter, so there is no password to keep.
One process owns the server; others that name the same data folder use it for as long as the owner lives. The lock
that tells them apart is held by the server and not by the owner, so it is free exactly when the data is.

Needs `flock` and a POSIX shell: Linux and macOS.
"""

import fcntl
import hashlib
import logging
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from blog.adapters.embedded_postgres.programs import (
    ELSEWHERE,
    PATIENCE,
    EmbeddedPostgresError,
    Programs,
    find_programs,
    program_folders,
    reason_in,
)
from blog.adapters.embedded_postgres.report import Report

__all__ = ["CONNECTIONS", "EmbeddedPostgresError", "embedded_postgres", "program_folders"]

CONNECTIONS = 90
"""How many a service may keep. The server has ten more: for commands beside it, and for PostgreSQL's own reserve."""

log = logging.getLogger(__name__)

_POLL = 0.02  # seconds
_ATTENTION = 0.2  # seconds between two looks at a server that runs
_LOG_LIMIT = 4 * 2**20  # bytes, looked at on each start
_SOCKET = ".s.PGSQL.5432"  # the number is only a name: nothing listens on the network
_SOCKET_LIMIT = 103  # bytes of its path on macOS; Linux allows 107

# The role is no superuser, so that an injected statement can't run programs, and so that a migration which needs more
# than a managed PostgreSQL would allow fails here first. CREATEDB is for restores and for tests.
_FIRST_STATEMENTS = "CREATE ROLE blog LOGIN CREATEDB\nCREATE DATABASE blog OWNER blog\n"

_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": str(CONNECTIONS + 10),
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_checkpoints": "off",
    # A refused statement is the client's to report. Here it would fill the disk, with people's addresses.
    "log_min_messages": "log",
}
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# Arguments: the lock file, the socket's folder, then the server's command. Standard input ends when the owner does,
# however it ends; it is kept as descriptor 1, which can't be the lock's. The lock file is empty until the server has
# been ready: dying before that is a failed start, dying later a reason to start again. The interrupt asks for a fast
# shutdown, and is repeated because a server that was started this very moment ignores it. SIGTERM and SIGHUP are left
# to the owner, because managers of services send them to every process at once. A folder that was made for the socket
# goes last, while the lock is still held; data that the socket lies in are no empty folder.
_SUPERVISOR = """
trap '' TERM HUP
lock=$1 sockets=$2 pause=0.2
shift 2
exec 1<&0
while :; do
    "$@" >&2 &
    server=$!
    { read -r line <&1; trap '' USR1; while kill -INT $server; do sleep 0.05; done; } 2>/dev/null &
    watch=$!
    wait $server
    status=$?
    kill -USR1 $watch 2>/dev/null
    wait $watch 2>/dev/null && break
    [ -s "$lock" ] || break
    echo "blog: the server ended with status $status" >&2
    sleep $pause
    pause=1
done
rmdir "$sockets" 2>/dev/null
"""


@contextmanager
def embedded_postgres(
    data_dir: Path,
    *,
    durable: bool = True,
    say: Callable[[str], None] = lambda _: None,
    lost: Callable[[EmbeddedPostgresError], None] | None = None,
) -> Iterator[str]:
    """Yield the URL of the database `blog`, in UTF-8 and UTC, whose data lies in `data_dir/postgresql-<major>/`.

    The first process to come owns the server, has it started again if it dies, and stops it on leaving the block.
    The server also stops when its owner is killed. The URL is the same on every start.

    `durable=False` trades the safety of the data for speed, for tests. `say` is told, a sentence each, of the steps
    that take a while. Every wait is bounded. Blocks, so call it before there is an event loop. Raises
    `EmbeddedPostgresError`.

    A service, which stays for long, gives `lost`. Then the log tells what becomes of the server, and where another
    process owned it and stops, this one takes it over, within a second or two. If it cannot, a thread calls `lost`.
    """
    data_dir = data_dir.expanduser().resolve()
    settings = {**_SETTINGS, **({} if durable else _CARELESS)}
    with _naming_folder(data_dir):
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(data_dir / "postgresql.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            server = None
            sockets = _sockets_of_owner(lock, data_dir)
            if sockets is None:
                server, sockets = _start(data_dir, lock, settings, say)
        finally:
            os.close(lock)
    attendant = _Attendant(data_dir, sockets, server, settings, lost) if lost else None
    try:
        yield f"postgresql+asyncpg://blog@/blog?host={quote(sockets)}&port=5432"
    finally:
        if attendant:
            server = attendant.leave()
        if server:
            _stop(server)


@contextmanager
def _naming_folder(data_dir: Path) -> Iterator[None]:
    """Turn what the operating system says of files into `EmbeddedPostgresError`."""
    try:
        yield
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}" if error.filename else error
        raise EmbeddedPostgresError(
            f"PostgreSQL cannot keep its data in {data_dir} ({reason}): make that a folder "
            f"with room that this user may write to, {ELSEWHERE}."
        ) from error


class _Attendant:
    """Looks after a server while a service uses it, in a thread: says what becomes of it, and takes it over.

    The lock says who owns the server. It is free once that has ended and so has its server, whichever ended first.
    """

    def __init__(
        self,
        data_dir: Path,
        sockets: str,
        server: subprocess.Popen[bytes] | None,
        settings: dict[str, str],
        lost: Callable[[EmbeddedPostgresError], None],
    ) -> None:
        self._data_dir, self._sockets, self._settings, self._lost = data_dir, sockets, settings, lost
        self._server = server
        self._lock: int | None = None
        self._report = Report(data_dir / "postgresql.log")
        self._leaving = threading.Event()
        # A worker that is forked while this process is about to own the lock must not keep it.
        os.register_at_fork(after_in_child=self._forget_lock)
        self._thread = threading.Thread(target=self._attend, name="postgresql", daemon=True)
        self._thread.start()

    def leave(self) -> subprocess.Popen[bytes] | None:
        """End the thread, and answer the server if this process owns it by now."""
        self._leaving.set()
        self._thread.join(2 * PATIENCE)
        return self._server

    def _attend(self) -> None:
        while not self._leaving.wait(_ATTENTION):
            if self._server is None:
                try:
                    with _naming_folder(self._data_dir):
                        self._take_over()
                except EmbeddedPostgresError as error:
                    log.error("PostgreSQL cannot be taken over, so the service stops: %s", error)
                    self._lost(error)
                    return
            else:
                self._report.tell()
                if self._server.poll() is not None:
                    log.error("The process that starts PostgreSQL again when it dies was killed. It is replaced.")
                    # What is left of it then stops the server, and lets go of the lock.
                    _stop(self._server)
                    self._server = None

    def _take_over(self) -> None:
        """Own the server if nobody does."""
        lock = self._lock = os.open(self._data_dir / "postgresql.lock", os.O_RDWR)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            log.warning(
                "The process that ran PostgreSQL on %s has stopped. This one starts it again.", self._data_dir
            )
            os.ftruncate(lock, 0)
            self._server, _ = _start(self._data_dir, lock, self._settings, log.info, Path(self._sockets))
            self._report = Report(self._data_dir / "postgresql.log")
            log.warning("PostgreSQL runs again, and stops with this process.")
        finally:
            self._lock = None
            os.close(lock)

    def _forget_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)


def _sockets_of_owner(lock: int, data_dir: Path) -> str | None:
    """The socket folder of the server that another process owns, or None once the lock is ours."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sockets = os.fsdecode(os.pread(lock, 4096, 0))
            if sockets and _answers(sockets):
                return sockets
            time.sleep(_POLL)
        else:
            os.ftruncate(lock, 0)
            return None
    raise EmbeddedPostgresError(
        f"The PostgreSQL of another process that uses {data_dir} has not answered for {PATIENCE:.0f} seconds: read "
        f"postgresql.log there, or stop the process that holds postgresql.lock."
    )


def _answers(sockets: str) -> bool:
    """Whether the server there lets a client in, which it does not while it starts, recovers or stops."""
    hello, goodbye = b"user\0blog\0database\0blog\0\0", b"X\0\0\0\4"
    with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
        client.settimeout(1)
        client.connect(f"{sockets}/{_SOCKET}")
        client.sendall(struct.pack("!II", 8 + len(hello), 3 << 16) + hello + goodbye)
        return client.recv(1) == b"R"
    return False


def _start(
    data_dir: Path, lock: int, settings: dict[str, str], say: Callable[[str], None], sockets: Path | None = None
) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server, on new data if there is none, and answer its supervisor and its socket folder.

    `sockets` is where clients look for the socket already.
    """
    programs = find_programs(data_dir, lock)
    if programs.user:
        say(
            f"PostgreSQL runs as the user {programs.user.pw_name} here, and whatever else runs as that user can "
            f"reach the blog's data: keep such programs away, or run the blog as a user of its own."
        )
    cluster = data_dir / f"postgresql-{programs.major}"
    _refuse_other_versions(cluster, programs.major)
    if not cluster.exists():
        say(f"Creating a database in {cluster} …")
        _create(cluster, programs, settings)
    programs.own(cluster)
    sockets = _socket_folder(cluster, programs, sockets)
    # The lock says that nobody serves this data. These files would name a process that is gone and whose number may
    # be another's by now, as it usually is in a container, and PostgreSQL would take that one for a running server.
    for left_over in (cluster / "postmaster.pid", sockets / f"{_SOCKET}.lock"):
        left_over.unlink(missing_ok=True)

    say(f"Starting PostgreSQL {programs.major} …")
    log_file = data_dir / "postgresql.log"
    log = _open_log(log_file)
    try:
        said_before = os.fstat(log).st_size
        settings = {**settings, "unix_socket_directories": f'"{sockets}"'}
        postgres = [str(programs.folder / "postgres"), "-D", str(cluster), *_options(settings)]
        server = programs.spawn(
            ["/bin/sh", "-c", _SUPERVISOR, "supervisor", data_dir / "postgresql.lock", sockets, *postgres],
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    finally:
        os.close(log)
    try:
        if server.stdin:
            # A forked worker that outlives this process must not keep the server alive.
            os.register_at_fork(after_in_child=server.stdin.close)
        deadline = time.monotonic() + PATIENCE
        while not _answers(str(sockets)):
            if server.poll() is not None or time.monotonic() > deadline:
                reason = reason_in(log_file.read_bytes()[said_before:])
                raise EmbeddedPostgresError(
                    f"PostgreSQL does not start on {cluster} ({reason}): see {log_file}, {ELSEWHERE}."
                )
            time.sleep(_POLL)
        os.pwrite(lock, os.fsencode(sockets), 0)
    except BaseException:
        _stop(server)
        raise
    return server, str(sockets)


def _open_log(file: Path) -> int:
    """Add to the server's log, or begin another when it has grown; the one before that is forgotten."""
    if file.exists() and file.stat().st_size > _LOG_LIMIT:
        file.replace(f"{file}.1")
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Shut down without waiting for clients; a server that does not manage to will recover on its next start."""
    if server.stdin:
        server.stdin.close()
    try:
        server.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(PATIENCE)


def _refuse_other_versions(cluster: Path, major: int) -> None:
    for data in [cluster] if cluster.exists() else cluster.parent.glob("postgresql-[0-9][0-9]"):
        stated = data / "PG_VERSION"
        version = stated.read_text().strip() if stated.exists() else "an unknown version"
        if version != str(major):
            raise EmbeddedPostgresError(
                f"The data in {data} are of PostgreSQL {version} and the programs here of PostgreSQL {major}: "
                f"install those of {version} too and run `blog backup`, then `blog restore` with another "
                f"BLOG_DATA_DIR; or {ELSEWHERE}."
            )


def _create(cluster: Path, programs: Programs, settings: dict[str, str]) -> None:
    """Make the data beside its place and then rename it, so that what bears the name is always whole."""
    new = cluster.with_name(f"{cluster.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    programs.own(new)
    # Before 17 PostgreSQL brought no collation of its own that knows more than ASCII.
    builtin = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    locale = ["--encoding=UTF8", *(builtin if programs.major >= 17 else ["--locale=C.UTF-8"])]
    access = ["--username=postgres", "--auth-local=trust", "--auth-host=reject"]
    haste = ["--no-sync"] if "fsync" in settings else []
    programs.run([programs.folder / "initdb", "-D", new, *locale, *access, *haste])
    single = ["--single", "-D", str(new), "-c", "exit_on_error=on", *_options(settings), "template1"]
    programs.run([programs.folder / "postgres", *single], stdin=_FIRST_STATEMENTS)
    new.rename(cluster)
    parent = os.open(cluster.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _socket_folder(cluster: Path, programs: Programs, wanted: Path | None = None) -> Path:
    """The cluster itself, which is private, or as private a folder elsewhere if no URL could name a socket in it."""

    def can_be_named(folder: Path) -> bool:
        return len(os.fsencode(folder / _SOCKET)) <= _SOCKET_LIMIT and not {",", '"'} & set(str(folder))

    if can_be_named(cluster) and wanted in (None, cluster):
        return cluster
    name = f"blog-{programs.uid}-{hashlib.sha256(os.fsencode(cluster)).hexdigest()[:16]}"
    folder = wanted or _made_elsewhere(name, can_be_named)
    if folder is None:
        raise EmbeddedPostgresError(
            f"The name of {cluster} is too long, or too odd, for PostgreSQL's socket, and there is no folder for "
            f"temporary files that can be written to: {ELSEWHERE}."
        )
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    ours = found.st_uid in (programs.uid, os.geteuid())
    if not (stat.S_ISDIR(found.st_mode) and ours and stat.S_IMODE(found.st_mode) == 0o700):
        raise EmbeddedPostgresError(
            f"The folder {folder} for PostgreSQL's socket is not private to this user: remove it, {ELSEWHERE}."
        )
    programs.own(folder)
    return folder


def _made_elsewhere(name: str, can_be_named: Callable[[Path], bool]) -> Path | None:
    """A folder of this name where temporary files are: where the disk can only be read, that is memory."""
    with suppress(FileNotFoundError):
        tempfile.gettempdir()
    for parent in (tempfile.tempdir, "/tmp", "/dev/shm"):  # noqa: S108 -- its owner is checked
        if parent and can_be_named(folder := Path(parent, name)):
            with suppress(OSError):
                folder.mkdir(mode=0o700, exist_ok=True)
                return folder
    return None


def _options(settings: dict[str, str]) -> list[str]:
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

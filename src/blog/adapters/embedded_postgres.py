"""A real PostgreSQL with no set-up: a private server out of the programs that a wheel or the system brings.

It listens on a Unix socket only, in a folder that only its own user may enter, so there is no password to keep.
One process owns the server; others that name the same data folder use it for as long as the owner lives. The lock
that tells them apart is held by the server and not by the owner, so it is free exactly when the data is.

Needs `flock` and `/bin/sh`: Linux and macOS.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

_PATIENCE = 60.0  # seconds for any one step: recovery after a crash is the longest
_POLL = 0.02  # seconds
_PORT = 5432  # names the socket; nothing listens on the network
_LOG_LIMIT = 4 * 2**20  # bytes, looked at on each start
_ELSEWHERE = "set BLOG_DATA_DIR to another folder or DATABASE_URL to a PostgreSQL of your own"

# The role is no superuser, so that an injected statement can't run programs, and so that a migration which needs more
# than a managed PostgreSQL would allow fails here first. CREATEDB is for restores and for tests.
_FIRST_STATEMENTS = "CREATE ROLE blog LOGIN CREATEDB\nCREATE DATABASE blog OWNER blog\n"

# Arguments: the lock file, then the server's command. Standard input ends when the owner does, however it ends.
# A server that dies before the lock file says where it listens is a failed start, and a later death is a reason to
# start it again. An interrupt (a fast shutdown) is repeated because a server that has only just been started still
# ignores it. SIGTERM is left to the owner: some managers of services send it to every process at once.
_SUPERVISE = """
trap '' TERM
lock=$1
shift
exec 3<&0
while :; do
    "$@" 3<&- &
    server=$!
    { read -r line <&3; trap '' USR1; while kill -INT $server; do sleep 0.05; done; } 2>/dev/null &
    watch=$!
    wait $server
    kill -USR1 $watch 2>/dev/null
    wait $watch && exit 0
    [ -s "$lock" ] || exit 1
    sleep 0.2
done
"""


class EmbeddedPostgresError(Exception):
    """PostgreSQL can't be had here. One sentence: the thing, the reason and the remedy."""


@contextmanager
def embedded_postgres(
    data_dir: Path, *, durable: bool = True, say: Callable[[str], None] = lambda _: None
) -> Iterator[str]:
    """Yield the URL of the database `blog`, in UTF-8 and UTC, whose data lies in `data_dir/postgresql-<major>/`.

    The first process to come owns the server, starts it again if it dies, and stops it on leaving the block. The
    server also stops when its owner is killed. The URL stays the same from one start to the next.

    `durable=False` trades the safety of the data for speed, for tests. `say` is told, in one sentence each, of the
    steps that take a while. Every wait is bounded; raises `EmbeddedPostgresError`. Blocks: call it before there is
    an event loop.
    """
    data_dir = data_dir.expanduser().resolve()
    server = None
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(data_dir / "postgresql.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            sockets = _sockets_of_owner(lock, data_dir)
            if sockets is None:
                server, sockets = _start(data_dir, lock, durable=durable, say=say)
        finally:
            os.close(lock)
    except OSError as error:
        where = error.filename or data_dir
        raise EmbeddedPostgresError(
            f"PostgreSQL cannot keep its data in {data_dir} ({error.strerror}: {where}): make it a folder that this "
            f"user may write to and that has room, {_ELSEWHERE}."
        ) from error
    try:
        yield f"postgresql+asyncpg://blog@/blog?host={quote(sockets)}&port={_PORT}"
    finally:
        if server:
            _stop(server)


def _sockets_of_owner(lock: int, data_dir: Path) -> str | None:
    """The socket folder of the server that another process owns, or None once the lock is ours."""
    deadline = time.monotonic() + _PATIENCE
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
        f"Another process holds {data_dir / 'postgresql.lock'}, but its PostgreSQL has not answered for "
        f"{_PATIENCE:.0f} seconds: stop that process, or read postgresql.log beside it."
    )


def _answers(sockets: str) -> bool:
    """Whether the server there lets a client in, which it does not while it starts, recovers or stops."""
    hello = b"user\0blog\0database\0blog\0\0"
    goodbye = b"X\0\0\0\4"
    with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
        client.settimeout(1)
        client.connect(f"{sockets}/.s.PGSQL.{_PORT}")
        client.sendall(struct.pack("!II", 8 + len(hello), 3 << 16) + hello + goodbye)
        return client.recv(1) == b"R"
    return False


def _start(
    data_dir: Path, lock: int, *, durable: bool, say: Callable[[str], None]
) -> tuple[subprocess.Popen[bytes], str]:
    """Start the server, on new data if there is none; answer its supervisor and its socket folder."""
    programs = _programs(data_dir, lock)
    cluster = data_dir / f"postgresql-{programs.major}"
    speed = [] if durable else ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
    _refuse_other_versions(cluster, programs.major)
    if not cluster.exists():
        say(f"Creating a database in {cluster} …")
        _create(cluster, programs, speed)
    programs.give(cluster)
    sockets = _socket_folder(cluster, programs)
    # The lock says that nobody serves this data. These files would name a process that is gone, and whose number may
    # belong to any other by now (in a container it usually does), which PostgreSQL takes for a running server.
    (cluster / "postmaster.pid").unlink(missing_ok=True)
    (sockets / f".s.PGSQL.{_PORT}.lock").unlink(missing_ok=True)
    quoted = str(sockets).replace('"', '""')
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{quoted}"',
        "unix_socket_permissions": "0700",
        "port": _PORT,
        "max_connections": 100,
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "off",
        "log_checkpoints": "off",
        # A refused statement is the client's to report. Here it would fill the disk, with addresses and names.
        "log_min_messages": "log",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    postgres = [programs.folder / "postgres", "-D", cluster, *options, *speed]
    log_file = data_dir / "postgresql.log"
    if log_file.exists() and log_file.stat().st_size > _LOG_LIMIT:
        log_file.replace(f"{log_file}.1")
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    said_before = os.fstat(log).st_size
    say(f"Starting PostgreSQL {programs.major} …")
    try:
        server = subprocess.Popen(
            programs.command("/bin/sh", "-c", _SUPERVISE, "sh", data_dir / "postgresql.lock", *postgres),
            stdin=subprocess.PIPE,
            stdout=lock,  # Nothing is written there. It is how the server comes to hold the lock.
            stderr=log,
            **programs.circumstances,
        )
    finally:
        os.close(log)
    if server.stdin:
        # A forked worker that outlives this process must not keep the server alive.
        os.register_at_fork(after_in_child=server.stdin.close)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _answers(str(sockets)):
            failed = server.poll() is not None
            if failed or time.monotonic() > deadline:
                reason = _reason(log_file.read_bytes()[said_before:]) if failed else "it is not ready in time"
                raise EmbeddedPostgresError(
                    f"PostgreSQL does not start on {cluster} ({reason}): see {log_file}, or {_ELSEWHERE}."
                )
            time.sleep(_POLL)
        os.pwrite(lock, os.fsencode(sockets), 0)
    except BaseException:
        _stop(server)
        raise
    return server, str(sockets)

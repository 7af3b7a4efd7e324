"""What the commands do. A failure is one sentence on standard error and an exit code."""

import logging
import multiprocessing
import os
import secrets
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from asyncpg import InterfaceError, PostgresError  # type: ignore[import-untyped]
from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.common import AbstractServer
from sqlalchemy.exc import DBAPIError

from blog.container import (
    CONNECTIONS,
    BackupError,
    Container,
    EmbeddedPostgresError,
    NoSuchRevision,
    SchemaBehind,
    SchemaState,
    check_encoding,
    check_version,
    current_database,
    room_for_connections,
    running_database,
    schema_faults,
    schema_state,
)
from blog.domain.errors import BlogError, Unavailable
from blog.entrypoints import articles, backups, connections, logs, users
from blog.entrypoints.listening import Address, CannotListen, answers
from blog.entrypoints.telling import tell
from blog.settings import LEAST_CONNECTIONS, Settings, SettingsError

# What helps, by the beginning of the SQLSTATE (PostgreSQL, appendix A) with which it refuses; the first that fits.
REMEDIES = {
    "08": "Start it, or correct DATABASE_URL.",
    "28": "Correct the user and the password in DATABASE_URL.",
    "3D": "Create it, or name another in DATABASE_URL.",
    "42501": "Have its user granted what is missing, or name another user in DATABASE_URL.",
    "42P01": "Run `blog db check`, which says what is missing, or name another database in DATABASE_URL.",
    "25006": "Name the server that may be written to in DATABASE_URL.",
    "53300": "Let it have more connections, or ask for fewer: --workers, DATABASE_POOL_SIZE.",
    "53": "Give it what it lacks.",
    "55P03": "Run this again when whoever holds the lock is done.",
    "57014": "Run this again when it has less to do, or set DATABASE_TIMEOUT_SECONDS to more.",
    "57": "Run this again when it is up.",
    "40": "Run this again.",
    "": "Look at what is in the database, or name another in DATABASE_URL.",
}


ANNOUNCE_SECONDS = 60.0
"""How long the service may take until it answers."""

log = logging.getLogger(__name__)


class Failure(Exception):
    """What a command could not do: the thing, the reason, the remedy."""


def run(command: str, **arguments: object) -> int:
    """Run a command and say what came of it; the answer is the exit code."""
    _leave_foreign_home()
    try:
        return COMMANDS[command](**arguments) or 0
    except SettingsError as error:
        lines = "\n  ".join(str(error).splitlines())
        tell(f"blog: the settings cannot be used:\n  {lines}", sys.stderr)
        return 2
    except (Failure, BackupError, CannotListen, EmbeddedPostgresError, users.UserCommandError) as error:
        reason = str(error)
    except NoSuchRevision as error:
        reason = f"{str(error).rstrip('.')}. What there is, and in which order, says: blog db history"
    except Unavailable as error:
        # Those that have a name of their own say what helps.
        reason = str(error) if type(error) is not Unavailable else _reason(error.__cause__ or error)
    except BlogError as error:
        reason = f"{str(error).rstrip('.')}."
    except (DBAPIError, PostgresError, InterfaceError) as error:
        reason = _reason(error)
    except BrokenPipeError:
        # Whoever reads has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    tell(f"blog: {' '.join(reason.split())}", sys.stderr)
    return 1


def _leave_foreign_home() -> None:
    """Forget a home that this user may not enter, as `setpriv` leaves it: the driver would fail on its files."""
    try:
        Path(os.environ.get("HOME", "/"), ".pgpass").stat()
    except PermissionError:
        del os.environ["HOME"]
    except OSError:
        pass  # What is not there is not looked at, either.


def _reason(error: BaseException) -> str:
    """Why PostgreSQL could not be had, and what helps."""
    said = error.orig.__cause__ or error.orig if isinstance(error, DBAPIError) and error.orig else error
    if code := getattr(said, "sqlstate", None):
        remedy = next(remedy for known, remedy in REMEDIES.items() if code.startswith(known))
        return f"PostgreSQL refuses ({said}). {remedy}"
    if isinstance(said, InterfaceError):
        return f"PostgreSQL cannot be used like this ({said}). Correct DATABASE_URL."
    if isinstance(error, socket.gaierror):
        return f"PostgreSQL's host cannot be found ({error.strerror}). Correct the host in DATABASE_URL."
    return f"PostgreSQL does not answer ({str(error) or 'it takes too long'}). Start it, or correct DATABASE_URL."


def say(sentence: str) -> None:
    """Tell whoever watches what is going on."""
    tell(sentence)


def serve(*, host: str, port: int, workers: int) -> None:
    """Serve until told to stop, on a database that is up to date."""
    # Loaded before there are workers, which are forks of this process: one that replaces another is there soon.
    from blog.entrypoints import stopping
    from blog.entrypoints.http import app

    hangup_stops = stopping.hold_hangups()

    address = Address.resolve(host, port)
    settings = Settings.load(serving=True, served_at=address.url)
    ip = address.bindable()
    its_own = settings.database_url is None
    if its_own:
        _check_connections(settings, workers)
    lost: SimpleQueue[EmbeddedPostgresError] = SimpleQueue()
    with current_database(settings, say=say, lost=lost.put) as settings:
        if not its_own:
            _compare_connections(settings, workers)
        settings = _with_key(settings)
        _tell_workers(settings)
        logs.configure(log_format=settings.log_format, debug=settings.debug)
        held = connections.hold()
        server = Granian(
            "blog.entrypoints.http.app:from_environment",
            factory=True,
            address=ip,
            port=port,
            workers=workers,
            interface=Interfaces.ASGI,
            loop=Loops.uvloop,
            websockets=False,
            # By default it would speak HTTP/2 as well, to whose headers and streams there is hardly a limit.
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(
                header_read_timeout=connections.HEADER_SECONDS * 1000, max_buffer_size=connections.MAX_BUFFER
            ),
            backlog=held,
            backpressure=held,
            log_level=LogLevels.warning,
            # Without handlers of its own, what it has to say goes the way of everything else.
            log_dictconfig={"handlers": {}, "loggers": {}},
            respawn_failed_workers=True,
        )
        # A worker that is forked has this process's handlers at first, and they do nothing there.
        os.register_at_fork(after_in_child=app.hold_signals)
        stopping.name_deaths(server)
        stopping.end_with(server, app.drain)
        signals = stopping.Stopping(server, app.drain, seconds=settings.drain_seconds, hangup_stops=hangup_stops)
        server.on_startup(signals.hear_signals)
        _kill_workers_after(app.STOP_SECONDS, lambda: bool(server.interrupt_signal))

        def announce() -> None:
            signals.serving = True
            say(
                f"{settings.app_name} serves on {address.url} "
                f"(its API, to read and to try: {settings.site_url}/docs). {address.remark}"
                f"It holds {held:,} connections{' in each worker' if workers > 1 else ''}. "
                f"{_warnings(address, settings)}Press Ctrl-C to stop."
            )

        _run(server, ready=lambda: answers(ip, port), announce=announce, lost=lost)
    say("Stopped.")


def _warnings(address: Address, settings: Settings) -> str:
    """What whoever starts the service should know of how open it stands, each as a sentence with a space behind."""
    sentences = []
    if settings.registration == "open" and address.beyond_loopback:
        sentences.append(
            "Anyone who reaches it may register and publish: set REGISTRATION=closed to prevent that, and make "
            "accounts with `blog user create`. "
        )
    if not settings.rate_limits:
        sentences.append(
            "Passwords may be tried without limit, because RATE_LIMITS is off: that is for tests alone. "
        )
    if not settings.password_blocklist:
        sentences.append("Any password may be chosen, because PASSWORD_BLOCKLIST is off: that is for tests alone. ")
    return "".join(sentences)


def _run(
    server: AbstractServer[Any],
    *,
    ready: Callable[[], bool],
    announce: Callable[[], None],
    lost: "SimpleQueue[EmbeddedPostgresError]",
    seconds: float = ANNOUNCE_SECONDS,
) -> None:
    """Serve until told to stop. Announce it once it is ready.

    Raises `Failure` if a worker cannot start or it is not ready within these seconds, and what `lost` holds once the
    database is gone for good.
    """
    from blog.entrypoints.http import app

    failures, app.start_failures = multiprocessing.Pipe(duplex=False)
    ended, late = threading.Event(), threading.Event()

    def watch() -> None:
        announced = False
        deadline = time.monotonic() + seconds
        while not (ended.is_set() or server.interrupt_signal):
            if failures.poll(0.2 if announced else 0.005) or not lost.empty():
                server.signal_handler_interrupt()  # type: ignore[no-untyped-call]
            elif not announced and ready():
                announced = True
                with suppress(BrokenPipeError):  # Nothing reads what is said any more; it serves all the same.
                    announce()
            elif not announced and time.monotonic() > deadline:
                late.set()
                server.signal_handler_interrupt()  # type: ignore[no-untyped-call]

    # Before there are workers, so that none inherits what this thread has in its hands.
    watcher = threading.Thread(target=watch, name="announcement", daemon=True)
    server.on_startup(watcher.start)
    try:
        server.serve()
    except RuntimeError as error:
        # Granian's word for an address that another program has taken meanwhile, with pages of where it happened.
        first, *_ = str(error).splitlines()
        if "os error" not in first:
            raise
        raise Failure(f"Cannot listen ({first}). Run this again, or choose another: --port.") from error
    finally:
        ended.set()
        if watcher.is_alive():
            watcher.join()
    if not lost.empty():
        raise lost.get()
    if failures.poll():
        raise Failure(
            f"The service cannot start ({failures.recv()}). Correct that, or set DEBUG=true to see where it happens."
        )
    if late.is_set():
        raise Failure(
            f"The service does not answer at its own address within {seconds:.0f} seconds. Choose another address "
            "(--host), or run this again when the machine has less to do."
        )


def _kill_workers_after(seconds: float, told_to_stop: Callable[[], bool]) -> None:
    """End workers that do not end by themselves in this time.

    Granian's own deadline, `workers_kill_timeout`, asks whether a worker is alive while another thread is burying it,
    and takes one that has ended for one that refuses to, on a busy machine.
    """

    def watch() -> None:
        while not told_to_stop():
            time.sleep(0.2)
        time.sleep(seconds)
        for worker in multiprocessing.active_children():
            log.warning("Killing a worker that has not stopped within %s seconds.", seconds)
            worker.kill()

    threading.Thread(target=watch, name="deadline", daemon=True).start()


def upgrade(*, revision: str) -> None:
    """Apply migrations."""
    with running_database(Settings.load(), say=say) as settings:
        container = Container(settings=settings)
        prepared = settings.database_prepared_statements
        container.schema().upgrade(settings.database_url, revision, prepared=prepared, say=say)
        say(f"The schema is {schema_state(container).value}.")


def downgrade(*, revision: str) -> None:
    """Take migrations back."""
    with running_database(Settings.load(), say=say) as settings:
        container = Container(settings=settings)
        prepared = settings.database_prepared_statements
        container.schema().downgrade(settings.database_url, revision, prepared=prepared, say=say)
        say(f"The schema is {schema_state(container).value}.")


def history() -> None:
    """List the migrations."""
    Container().schema().history()


def check() -> int:
    """Say whether the database is in UTF-8 and its schema current and whole; if it is not, that is a failure."""
    with running_database(Settings.load(), say=say) as settings:
        container = Container(settings=settings)
        check_encoding(container)
        state = schema_state(container)
        if state is SchemaState.BEHIND:
            check_version(container)
        faults = schema_faults(container) if state is SchemaState.CURRENT else []
    for fault in faults:
        say(fault)
    if faults:
        raise Failure(
            "All migrations are applied, but the database is not as they make it: what is listed above is missing, "
            "unexpected or wrong. A restore failed in part, or someone changed the database by hand: restore a "
            "backup, or put right what is listed."
        )
    say(SchemaBehind.sentence if state is SchemaState.BEHIND else f"The schema is {state.value}.")
    return int(state is SchemaState.BEHIND)


COMMANDS: dict[str, Callable[..., int | None]] = {
    "serve": serve,
    "upgrade": upgrade,
    "downgrade": downgrade,
    "history": history,
    "check": check,
    "backup": backups.backup,
    "restore": backups.restore,
    "shell": backups.shell,
    "list": articles.list_articles,
    "show": articles.show_article,
    "search": articles.search_articles,
    "create_user": users.create_user,
    "list_users": users.list_users,
    "change_password": users.change_password,
    "disable_user": users.disable_user,
    "enable_user": users.enable_user,
    "delete_user": users.delete_user,
}


def _check_connections(settings: Settings, workers: int) -> None:
    """Refuse workers that would one day find the blog's own PostgreSQL full."""
    if (wanted := workers * settings.connections) > CONNECTIONS:
        raise Failure(
            f"{workers} workers with {settings.connections} connections each want {wanted}, and the blog's "
            f"own PostgreSQL has {CONNECTIONS} for them. {_fewer(CONNECTIONS, workers)}, or set DATABASE_URL to a "
            f"PostgreSQL that has more."
        )


def _compare_connections(settings: Settings, workers: int) -> None:
    """Say what PostgreSQL will not have for all workers. They start all the same, and wait for what there is.

    A pooler shares out what there is. How many it has, PostgreSQL does not know.
    """
    if not settings.database_prepared_statements:
        return
    room = room_for_connections(Container(settings=settings))
    wanted = workers * settings.connections
    if wanted > room.connections - room.taken:
        say(
            f"Too many connections: {workers} workers with {settings.connections} each want {wanted}, and PostgreSQL "
            f"has {room.connections}, of which others use {room.taken} now. Requests will wait for one another. "
            f"{_fewer(room.connections - room.taken, workers)}, or raise max_connections of PostgreSQL."
        )


def _fewer(connections: int, workers: int) -> str:
    """What helps where there are no more connections than this."""
    if (each := connections // workers) >= LEAST_CONNECTIONS:
        return f"Set DATABASE_POOL_SIZE to {each} or less, ask for fewer --workers"
    return "Ask for fewer --workers"


def _with_key(settings: Settings) -> Settings:
    """The settings with a key: the one that is set, or the blog's own, made on the first start."""
    if settings.secret_key:
        return settings
    file = settings.data_folder / "secret_key"
    try:
        if not file.exists():
            _make_key(file)
        return replace(settings, secret_key=file.read_text().strip())
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise Failure(
            f"The key that signs tokens cannot be kept in {file} ({reason}). Make that a file which this user may "
            f"read, in a folder with room and on a disk with hard links, or set SECRET_KEY."
        ) from error
    except SettingsError as error:
        raise Failure(
            f"The key in {file} is empty or too short for {settings.algorithm}. Put it back, or remove it: then "
            f"another is made, and whoever is logged in has to log in again."
        ) from error


def _make_key(file: Path) -> None:
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix="secret_key.") as new:
        new.write(secrets.token_urlsafe(64))
        new.flush()
        os.fsync(new.fileno())
        # Whole or not at all; and of two that start at once, the first one's.
        with suppress(FileExistsError):
            os.link(new.name, file)
    say(f"Made a key that signs tokens, in {file}.")


def _tell_workers(settings: Settings) -> None:
    """Put all settings into the environment, what was found out included. Worker processes read them there alone.

    So a worker that replaces another, months later, has the settings of the others, whatever `.env` says by then.
    """
    if settings.database_url and settings.secret_key:
        found_out = {
            "DATABASE_URL": settings.database_url.render_as_string(hide_password=False),
            "SECRET_KEY": settings.secret_key,
            "SITE_URL": settings.site_url,
        }
        texts = Settings.find().texts | found_out
        os.environ.update(texts)
        for name in texts:
            # Both forms of one setting would contradict each other.
            os.environ.pop(f"{name}_FILE", None)

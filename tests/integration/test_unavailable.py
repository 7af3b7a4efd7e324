"""PostgreSQL slow, silent or gone in the middle of something.

Whatever happens, it comes out as `Unavailable`, no connection is lost to it, and the next call works.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg  # type: ignore[import-untyped]
import httpx
import pytest
from sqlalchemy import URL, text

from blog.adapters.database import Database, DatabaseTransaction
from blog.adapters.database.engine import translate_errors
from blog.container import Container, close
from blog.domain.errors import Unavailable
from blog.domain.users import Email, EmailTaken, Username
from blog.entrypoints.http.app import build
from blog.testing.keeping import revision_of
from tests.builders import Clock, a_user
from tests.integration.elsewhere import (
    CONNECTIONS,
    OURS,
    PATIENCE,
    Elsewhere,
    all_unavailable,
    backend_of,
    edit,
    keep_article,
    keep_user,
    nothing_is_lost,
    read,
    until,
    wait_in_a_read,
    wait_in_a_transaction,
)
from tests.support import quick

# A server that is slow.


async def test_a_statement_that_takes_too_long(database: Database) -> None:
    assert await all_unavailable(wait_in_a_read(database), wait_in_a_transaction(database)) < 2 * PATIENCE


async def test_a_lock_that_is_not_to_be_had(database: Database, elsewhere: Elsewhere) -> None:
    article = await keep_article(database)
    row = "SELECT 1 FROM articles WHERE id = :article FOR UPDATE"
    name = (
        "INSERT INTO users (email, email_key, username, username_key, password_hash, created_at, updated_at)"
        " VALUES ('', '', 'bob', 'bob', '', now(), now())"
    )
    async with elsewhere.holding(row, article=article.id), elsewhere.holding(name):
        assert await all_unavailable(edit(database, article), keep_user(database, name="bob")) < 2 * PATIENCE
    await edit(database, article)
    await keep_user(database, name="bob")


@pytest.fixture
async def impatient(migrated: URL) -> AsyncIterator[httpx.AsyncClient]:
    """The API of a blog that waits for a second."""
    address = migrated.render_as_string(hide_password=False)
    settings = {"DATABASE_URL": address, "DATABASE_TIMEOUT_SECONDS": "1"}
    container = quick(lambda settings: Container(settings=settings), Clock(), **settings)
    transport = httpx.ASGITransport(build(container))
    async with httpx.AsyncClient(transport=transport, base_url="http://blog.test") as client:
        yield client
    await close(container)


async def test_over_http_it_is_worth_another_try(impatient: httpx.AsyncClient, elsewhere: Elsewhere) -> None:
    account = {"email": "a@x.org", "username": "ada", "password": "correct horse"}
    async with elsewhere.holding("LOCK TABLE users, articles"):
        for answer in await asyncio.gather(impatient.get("/articles"), impatient.post("/users", json=account)):
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == str(Unavailable.retry_after)
            assert answer.json()["detail"] == Unavailable.sentence
    assert (await impatient.get("/articles")).status_code == 200
    assert (await impatient.post("/users", json=account)).status_code == 201


async def test_a_pool_without_a_free_connection(database: Database) -> None:
    async with database.connect() as one, database.connect() as other:
        assert await all_unavailable(read(database), keep_user(database)) < 2 * PATIENCE
        assert one.get_server_pid() != other.get_server_pid()


async def test_a_transaction_that_idles(database: Database, elsewhere: Elsewhere) -> None:
    async def idle(*, name: str, then_ask: bool) -> None:
        async with DatabaseTransaction(database) as tx:
            await tx.users.add(a_user(id=await tx.users.next_id(), email=Email(f"{name}@x"), username=Username(name)))
            await elsewhere.gone(await backend_of(tx))
            if then_ask:
                await tx.users.named(Username(name))

    await all_unavailable(idle(name="ada", then_ask=True), idle(name="bob", then_ask=False))
    assert not await elsewhere.ask("SELECT count(*) FROM users")


class Proxy:
    """A network between the blog and PostgreSQL, which can stop carrying anything without telling."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._carrying = asyncio.Event()
        self._carrying.set()
        self._carriers: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[URL]:
        async with await asyncio.start_server(self._connected, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            # A folder of a socket and its port are not to be asked for: the rest of the query is.
            yield self._url.difference_update_query(["host", "port"]).set(host=host, port=port)
            self._carrying.set()
        await asyncio.gather(*self._carriers)

    @asynccontextmanager
    async def silent(self) -> AsyncIterator[None]:
        self._carrying.clear()
        yield
        self._carrying.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        folder, port = self._url.query.get("host"), self._url.query.get("port", self._url.port or 5432)
        if folder:
            beyond = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{port}")
        else:
            beyond = await asyncio.open_connection(self._url.host, int(str(port)))
        for source, sink in ((reader, beyond[1]), (beyond[0], writer)):
            carrier = asyncio.create_task(self._carry(source, sink))
            self._carriers.add(carrier)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                await self._carrying.wait()
                sink.write(data)
                await sink.drain()
        sink.close()


async def test_a_server_that_falls_silent(migrated: URL, elsewhere: Elsewhere) -> None:
    proxy = Proxy(migrated)
    together = asyncio.Barrier(4)

    async with proxy.listening() as url:
        database = Database(url, pool_size=4, timeout=PATIENCE)

        async def write(name: str) -> None:
            async with DatabaseTransaction(database) as tx:
                await tx.users.add(
                    a_user(id=await tx.users.next_id(), email=Email(f"{name}@x"), username=Username(name))
                )
                await together.wait()  # for silence
                await together.wait()
                if name == "asks":
                    await tx.users.named(Username(name))
                elif name == "is-refused":
                    raise EmailTaken

        await read(database)
        writing = asyncio.gather(write("asks"), write("commits"), write("is-refused"), return_exceptions=True)
        await together.wait()
        begun = time.monotonic()
        async with proxy.silent():
            await together.wait()
            await all_unavailable(read(database))
            async with asyncio.timeout(30):
                asked, committed, refused = await writing
            # The driver waits a second longer than the server would, and two more for it to say goodbye.
            assert time.monotonic() - begun < 2 * (PATIENCE + 1 + 2)
        assert isinstance(asked, Unavailable)
        assert isinstance(committed, Unavailable)
        assert isinstance(refused, EmailTaken)
        await nothing_is_lost(database, elsewhere, connections=4)


# A server that goes away in the middle.


@pytest.mark.parametrize("work", [read, keep_user])
async def test_connections_that_ended_while_nobody_used_them(
    database: Database, elsewhere: Elsewhere, work: Callable[[Database], Awaitable[object]]
) -> None:
    async with DatabaseTransaction(database) as one, DatabaseTransaction(database) as other:
        gone = {await backend_of(one), await backend_of(other)}
        assert len(gone) == CONNECTIONS

    async def news_has_arrived() -> bool:
        return all(connection.is_closed() for connection in database.connections)

    await elsewhere.ask(f"SELECT count(pg_terminate_backend(pid)) {OURS}")
    await until(news_has_arrived)
    await work(database)
    async with DatabaseTransaction(database) as again:
        assert await backend_of(again) not in gone


async def test_a_connection_that_ends_between_statements(database: Database, elsewhere: Elsewhere) -> None:
    async def write(*, then_ask: bool) -> None:
        async with DatabaseTransaction(database) as tx:
            await tx.users.add(a_user(id=await tx.users.next_id()))
            await elsewhere.terminate(await backend_of(tx))
            if then_ask:
                await tx.users.named(Username("ada"))

    for then_ask in (True, False):
        await all_unavailable(write(then_ask=then_ask))
    assert not await elsewhere.ask("SELECT count(*) FROM users")


async def test_a_connection_that_ends_during_a_statement(database: Database, elsewhere: Elsewhere) -> None:
    for work in (wait_in_a_read, wait_in_a_transaction):
        working = asyncio.create_task(work(database))
        await elsewhere.terminate(await elsewhere.waiting_in("SELECT pg_sleep"))
        await all_unavailable(working)


async def test_what_was_refused_stays_so_on_a_connection_that_ended(database: Database, elsewhere: Elsewhere) -> None:
    with pytest.raises(EmailTaken):
        async with DatabaseTransaction(database) as tx:
            await elsewhere.terminate(await backend_of(tx))
            raise EmailTaken


async def test_a_commit_that_takes_too_long(database: Database, elsewhere: Elsewhere, slow_commits: str) -> None:
    async with elsewhere.holding(slow_commits):
        assert await all_unavailable(keep_user(database)) < 2 * PATIENCE
    assert not await elsewhere.has_kept("ada")


async def test_a_connection_that_ends_during_a_commit(
    database: Database, elsewhere: Elsewhere, slow_commits: str
) -> None:
    async with elsewhere.holding(slow_commits):
        keeping = asyncio.create_task(keep_user(database))
        await elsewhere.terminate(await elsewhere.waiting_in("COMMIT"))
        await all_unavailable(keeping)
    assert not await elsewhere.has_kept("ada")


@pytest.mark.parametrize(
    ("sentence", "unavailable"),
    [
        ("connection is closed", True),
        ("the underlying connection is closed", True),
        ("cannot perform operation: the connection is closing", True),
        ("cannot call Connection.fetch(): connection has been released back to the pool", True),
        ("cannot perform operation: another operation is in progress", False),
        ("the server expects 1 argument for this query, 2 were passed", False),
    ],
)
def test_of_what_the_driver_refuses_a_closed_connection_may_be_tried_again(sentence: str, unavailable: bool) -> None:
    with pytest.raises(Unavailable if unavailable else asyncpg.InterfaceError), translate_errors():
        raise asyncpg.InterfaceError(sentence)


# Faults that trying again would not mend.


async def test_another_fault_stays_itself(database: Database) -> None:
    article = await keep_article(database)

    async def add_it_again() -> None:
        async with DatabaseTransaction(database) as tx:
            await tx.articles.add(article, revision_of(article))

    async def ask_nonsense() -> None:
        async with DatabaseTransaction(database) as tx:
            await tx.execute(text("NONSENSE"))

    for fault, work in (
        (asyncpg.PostgresSyntaxError, database.read(text("NONSENSE"), {})),
        (asyncpg.DivisionByZeroError, database.read(text("SELECT 1 / 0"), {})),
        (asyncpg.PostgresSyntaxError, ask_nonsense()),
        (asyncpg.UniqueViolationError, add_it_again()),
    ):
        with pytest.raises(fault):
            await work
    await edit(database, article)

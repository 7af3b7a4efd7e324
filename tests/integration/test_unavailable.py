"""PostgreSQL away, full, slow or gone in the middle of something, and callers who do not wait for the end.

Whatever happens, it comes out as `Unavailable`, no connection is lost to it, and the next call works.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from sqlalchemy import URL, event, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from blog.adapters.database import Database, DatabaseArticleQueries, DatabaseTransaction
from blog.container import Container, close
from blog.domain.articles import Article
from blog.domain.errors import Unavailable
from blog.domain.users import Email, EmailTaken, User, Username
from blog.entrypoints.http.app import build
from tests.builders import Clock, a_user, an_article
from tests.integration.conftest import execute
from tests.support import quick

PATIENCE = 1.0
CONNECTIONS = 2

# The connections of the blog, to this database.
OURS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'blog'"
A_LONG_TIME = select(func.pg_sleep(60))


class Elsewhere:
    """Somebody else on the same server, who sees and does what the blog does not."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def ask(self, statement: str, **parameters: object) -> Any:
        async with self._engine.connect() as connection:
            return (await connection.execute(text(statement), parameters)).scalar()

    async def tell(self, *statements: str) -> None:
        async with self._engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))

    @asynccontextmanager
    async def holding(self, statement: str, **parameters: object) -> AsyncIterator[None]:
        """A transaction that stays open once it has done this."""
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="READ COMMITTED")
            await connection.execute(text(statement), parameters)
            yield

    async def gone(self, backend: int) -> None:
        """Wait until a connection has ended."""
        await until(lambda: self.ask(f"SELECT count(*) = 0 {OURS} AND pid = :backend", backend=backend))

    async def terminate(self, backend: int) -> None:
        """End a connection from the server's side."""
        await self.ask("SELECT pg_terminate_backend(:backend)", backend=backend)
        await self.gone(backend)

    async def waiting_in(self, statement: str) -> int:
        """Wait for a connection of the blog that waits in the middle of a statement which starts like this."""
        waits = f"SELECT max(pid) {OURS} AND wait_event IN ('PgSleep', 'advisory') AND starts_with(query, :start)"
        await until(lambda: self.ask(waits, start=statement))
        return int(await self.ask(waits, start=statement))

    async def has_kept(self, name: str) -> bool:
        """Whether there is a user of this name."""
        return bool(await self.ask("SELECT count(*) FROM users WHERE username = :name", name=name))


async def until(check: Callable[[], Awaitable[Any]]) -> None:
    """Wait for something that happens soon."""
    async with asyncio.timeout(15):
        while not await check():  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.01)


@pytest.fixture
async def elsewhere(migrated: URL) -> AsyncIterator[Elsewhere]:
    engine = create_async_engine(migrated, isolation_level="AUTOCOMMIT")
    elsewhere = Elsewhere(engine)
    await elsewhere.tell("TRUNCATE users CASCADE")
    yield elsewhere
    await engine.dispose()


@pytest.fixture
async def database(migrated: URL, elsewhere: Elsewhere) -> AsyncIterator[Database]:
    """A pool with little patience, which has all its connections back in the end, and works."""
    database = Database(migrated, pool_size=CONNECTIONS, timeout=PATIENCE)
    yield database
    await nothing_is_lost(database, elsewhere)


async def nothing_is_lost(database: Database, elsewhere: Elsewhere, *, connections: int = CONNECTIONS) -> None:
    """Every connection comes back and works, and there are no others on the server."""
    pool: Any = database.engine.pool

    async def all_back() -> bool:
        return bool(pool.checkedout() == 0)

    await until(all_back)
    await asyncio.gather(*(keep_user(database, name=f"last{number}") for number in range(connections)))
    at_rest = f"SELECT count(*) = :connections AND bool_and(state = 'idle') {OURS}"
    await until(lambda: elsewhere.ask(at_rest, connections=connections))
    await database.close()
    await until(lambda: elsewhere.ask(f"SELECT count(*) = 0 {OURS}"))


async def keep_user(database: Database, *, name: str = "ada") -> User:
    async with DatabaseTransaction(database) as tx:
        user = a_user(id=await tx.users.next_id(), email=Email(f"{name}@example.org"), username=Username(name))
        await tx.users.add(user)
    return user


async def keep_article(database: Database) -> Article:
    user = await keep_user(database)
    async with DatabaseTransaction(database) as tx:
        article = an_article(id=await tx.articles.next_id(), author_id=user.id)
        await tx.articles.add(article)
    return article


async def edit(database: Database, article: Article) -> None:
    async with DatabaseTransaction(database) as tx:
        await tx.articles.save(await tx.articles.get(article.id, actor=article.author_id))


async def read(database: Database) -> None:
    await DatabaseArticleQueries(database).page(viewer=None, skip=0, limit=1)


async def wait_in_a_read(database: Database) -> None:
    await database.read(A_LONG_TIME, {})


async def wait_in_a_transaction(database: Database) -> None:
    async with DatabaseTransaction(database) as tx:
        await tx.execute(A_LONG_TIME)


async def backend_of(tx: DatabaseTransaction) -> int:
    return int((await tx.execute(select(func.pg_backend_pid()))).scalar_one())


async def all_unavailable(*work: Awaitable[object]) -> float:
    """Each of these comes out as `Unavailable`. Answers how long that took, in seconds."""
    begun = time.monotonic()
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    took = time.monotonic() - begun
    for outcome in outcomes:
        if not isinstance(outcome, Unavailable):
            pytest.fail(f"Not Unavailable: {outcome!r}")
    return took


# Servers that cannot be had.


def address(port: int, host: str = "127.0.0.1") -> URL:
    return URL.create("postgresql+asyncpg", "ada", "secret", host, port, "blog")


@asynccontextmanager
async def nobody_listens() -> AsyncIterator[URL]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield address(port)


@asynccontextmanager
async def no_such_socket() -> AsyncIterator[URL]:
    yield URL.create("postgresql+asyncpg", "ada", database="blog", query={"host": "/no/such/folder"})


@asynccontextmanager
async def no_such_host() -> AsyncIterator[URL]:
    yield address(5432, host="nowhere.invalid")


@asynccontextmanager
async def silence() -> AsyncIterator[URL]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield address(listener.getsockname()[1])


@asynccontextmanager
async def hanging_up() -> AsyncIterator[URL]:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        yield address(server.sockets[0].getsockname()[1])


def refusing(code: str) -> Callable[[], AbstractAsyncContextManager[URL]]:
    """A server that lets nobody in, and says why by this SQLSTATE."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def message() -> bytes:
            return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)

        # The first message may ask for encryption, which there is none of.
        if await message() == (80877103).to_bytes(4, "big"):
            writer.write(b"N")
            await message()
        fields = f"SFATAL\0VFATAL\0C{code}\0MNot now.\0\0".encode()
        writer.write(b"E" + (4 + len(fields)).to_bytes(4, "big") + fields)
        await writer.drain()
        writer.close()

    @asynccontextmanager
    async def listening() -> AsyncIterator[URL]:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            yield address(server.sockets[0].getsockname()[1])

    return listening


AWAY: dict[str, Callable[[], AbstractAsyncContextManager[URL]]] = {
    "nobody listens": nobody_listens,
    "no such socket": no_such_socket,
    "no such host": no_such_host,
    "silence": silence,
    "hanging up": hanging_up,
    "too many connections": refusing("53300"),
    "starting up": refusing("57P03"),
    "shutting down": refusing("57P01"),
}


@pytest.mark.parametrize("where", AWAY)
async def test_a_server_that_cannot_be_had(where: str) -> None:
    async with AWAY[where]() as url:
        database = Database(url, pool_size=1, timeout=PATIENCE)
        pool: Any = database.engine.pool
        for work in (read, keep_user):
            assert await all_unavailable(work(database)) < PATIENCE + 1
            assert pool.checkedout() == 0
        await database.close()


@pytest.mark.parametrize("code", ["3D000", "28P01"])
async def test_a_database_or_a_password_that_is_wrong_is_a_fault(code: str) -> None:
    async with refusing(code)() as url:
        database = Database(url, pool_size=1, timeout=PATIENCE)
        for work in (read, keep_user):
            with pytest.raises(DBAPIError, match="Not now"):
                await work(database)
        await database.close()


async def test_a_server_with_too_many_connections(
    server: URL, migrated: URL, database: Database, elsewhere: Elsewhere
) -> None:
    if await elsewhere.ask("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        pytest.skip("No limit keeps a superuser out.")
    execute(server, f"ALTER DATABASE {migrated.database} CONNECTION LIMIT 0")
    try:
        await all_unavailable(read(database), keep_user(database))
    finally:
        execute(server, f"ALTER DATABASE {migrated.database} CONNECTION LIMIT -1")


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


async def test_a_pool_without_a_free_connection(database: Database) -> None:
    async with DatabaseTransaction(database) as one, DatabaseTransaction(database) as other:
        assert await all_unavailable(read(database), keep_user(database)) < 2 * PATIENCE
        assert await backend_of(one) != await backend_of(other)


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
    connections: list[Any] = []
    event.listen(database.engine.sync_engine, "connect", lambda made, _: connections.append(made.driver_connection))
    async with DatabaseTransaction(database) as one, DatabaseTransaction(database) as other:
        assert await backend_of(one) != await backend_of(other)

    async def news_has_arrived() -> bool:
        return all(connection.is_closed() for connection in connections)

    await elsewhere.ask(f"SELECT count(pg_terminate_backend(pid)) {OURS}")
    await until(news_has_arrived)
    await work(database)
    assert len(connections) == CONNECTIONS + 1


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


# Callers who do not wait for the end.


async def test_a_commit_goes_on_without_its_caller(
    database: Database, elsewhere: Elsewhere, slow_commits: str
) -> None:
    async with elsewhere.holding(slow_commits):
        keeping = asyncio.create_task(keep_user(database))
        await elsewhere.waiting_in("COMMIT")
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
        assert not await elsewhere.has_kept("ada")
    await until(lambda: elsewhere.has_kept("ada"))


async def test_a_commit_without_its_caller_may_fail(
    database: Database, elsewhere: Elsewhere, slow_commits: str
) -> None:
    async with elsewhere.holding(slow_commits):
        keeping = asyncio.create_task(keep_user(database))
        backend = await elsewhere.waiting_in("COMMIT")
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
        await elsewhere.terminate(backend)
    assert not await elsewhere.has_kept("ada")


@pytest.mark.parametrize("work", [wait_in_a_read, wait_in_a_transaction])
async def test_cancelled_during_a_statement(database: Database, work: Callable[[Database], Awaitable[None]]) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(PATIENCE / 4):
            await work(database)


async def test_cancelled_between_statements(database: Database, elsewhere: Elsewhere) -> None:
    written = asyncio.Event()

    async def write() -> None:
        async with DatabaseTransaction(database) as tx:
            await tx.users.add(a_user(id=await tx.users.next_id(), username=Username("ada")))
            written.set()
            await asyncio.Event().wait()

    for ends in (False, True):
        written.clear()
        writing = asyncio.create_task(write())
        await written.wait()
        if ends:
            await elsewhere.ask(f"SELECT pg_terminate_backend(pid) {OURS} AND state = 'idle in transaction'")
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert not await elsewhere.has_kept("ada")


async def test_cancelled_while_waiting_for_a_connection(database: Database) -> None:
    async with DatabaseTransaction(database) as one, DatabaseTransaction(database) as other:
        waiting = [asyncio.create_task(read(database)), asyncio.create_task(keep_user(database))]
        await asyncio.wait(waiting, timeout=PATIENCE / 4)
        for task in waiting:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await backend_of(one) != await backend_of(other)


async def test_cancelled_at_any_moment(database: Database, elsewhere: Elsewhere) -> None:
    for number in range(100):
        working = asyncio.gather(keep_user(database, name=f"user{number}"), read(database))
        await asyncio.sleep(number * 0.0002)
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
            assert await elsewhere.has_kept(f"user{number}")


# Faults that trying again would not mend.


async def test_another_fault_stays_itself(database: Database) -> None:
    article = await keep_article(database)

    async def add_it_again() -> None:
        async with DatabaseTransaction(database) as tx:
            await tx.articles.add(article)

    async def ask_nonsense() -> None:
        async with DatabaseTransaction(database) as tx:
            await tx.execute(text("NONSENSE"))

    for fault, work in (
        (ProgrammingError, database.read(text("NONSENSE"), {})),
        (DBAPIError, database.read(text("SELECT 1 / 0"), {})),
        (ProgrammingError, ask_nonsense()),
        (IntegrityError, add_it_again()),
    ):
        with pytest.raises(fault):
            await work
    await edit(database, article)

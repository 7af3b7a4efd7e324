"""A database without patience, what may be done with it, and somebody else on the same server."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from blog.adapters.database import Database, DatabaseArticleQueries, DatabaseTransaction
from blog.domain.articles import Article
from blog.domain.errors import Unavailable
from blog.domain.users import Email, User, Username
from blog.testing.keeping import revision_of
from tests.builders import NOON, Clock, a_user, an_article

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


def lent(database: Database) -> int:
    """How many connections somebody has."""
    return len(database.connections) - len(database._free)


async def nothing_is_lost(database: Database, elsewhere: Elsewhere, *, connections: int = CONNECTIONS) -> None:
    """Every connection comes back and works, and there are no others on the server."""

    async def all_back() -> bool:
        return lent(database) == 0

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
        await tx.articles.add(article, revision_of(article))
    return article


async def edit(database: Database, article: Article) -> None:
    async with DatabaseTransaction(database) as tx:
        before = await tx.articles.get(article.id, actor=article.author_id, at=NOON)
        after = replace(before, version=before.version + 1)
        await tx.articles.save(after, revision_of(after))


async def read(database: Database) -> None:
    await DatabaseArticleQueries(database, Clock()).page(viewer=None, skip=0, limit=1)


async def wait_in_a_read(database: Database) -> None:
    await database.read(A_LONG_TIME, {})


async def wait_in_a_transaction(database: Database) -> None:
    async with DatabaseTransaction(database) as tx:
        await tx.execute(A_LONG_TIME)


async def backend_of(tx: DatabaseTransaction) -> int:
    return int((await tx.execute(select(func.pg_backend_pid())))[0][0])


async def all_unavailable(*work: Awaitable[object]) -> float:
    """Each of these comes out as `Unavailable`. Answers how long that took, in seconds."""
    begun = time.monotonic()
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    took = time.monotonic() - begun
    for outcome in outcomes:
        if not isinstance(outcome, Unavailable):
            pytest.fail(f"Not Unavailable: {outcome!r}")
    return took

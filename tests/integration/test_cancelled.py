"""Callers who do not wait for the end.

Whatever they were in the middle of, nothing is kept by half and no connection is lost.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from blog.adapters.database import Database, DatabaseArticleQueries, DatabaseTransaction
from blog.application.queries import ArticleView
from blog.domain.errors import Unavailable
from blog.domain.users import Username
from tests.builders import Clock, a_user
from tests.integration.elsewhere import (
    A_LONG_TIME,
    OURS,
    PATIENCE,
    Elsewhere,
    backend_of,
    keep_article,
    keep_user,
    read,
    until,
    wait_in_a_read,
    wait_in_a_transaction,
)


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


async def test_who_asks_together_with_others_leaves_them_theirs(
    database: Database, elsewhere: Elsewhere, caplog: pytest.LogCaptureFixture
) -> None:
    article = await keep_article(database)
    reading = DatabaseArticleQueries(database, Clock())

    async def told(*, fails: bool, leaving: int) -> list[object]:
        """What three are told who ask at once, of whom some leave in the middle of it."""
        async with elsewhere.holding("LOCK TABLE articles"):
            asking = [asyncio.create_task(reading.get(article.id, viewer=None)) for _ in range(3)]
            waits = f"SELECT max(pid) {OURS} AND wait_event_type = 'Lock'"
            await until(lambda: elsewhere.ask(waits))
            for one in asking[:leaving]:
                one.cancel()
            if fails:
                await elsewhere.terminate(await elsewhere.ask(waits))
        return [type(outcome) for outcome in await asyncio.gather(*asking, return_exceptions=True)]

    for leaving in (1, 2, 3):
        left, others = [asyncio.CancelledError] * leaving, 3 - leaving
        assert await told(fails=False, leaving=leaving) == [*left, *[ArticleView] * others]
        assert await told(fails=True, leaving=leaving) == [*left, *[Unavailable] * others]
    await database.close()
    # Nor is it news that something went wrong for which nobody was waiting any more.
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def test_who_asks_once_everything_was_cancelled_is_answered(database: Database) -> None:
    article = await keep_article(database)
    reading = DatabaseArticleQueries(database, Clock())

    def ask() -> asyncio.Task[ArticleView]:
        return asyncio.create_task(reading.get(article.id, viewer=None))

    async def cancel() -> None:
        """All that run when two have asked, but for one of them, and before a statement has begun."""
        for task in asyncio.all_tasks() - before - {asyncio.current_task(), spared, at_once}:
            task.cancel()

    before = asyncio.all_tasks()
    asking, spared, cancelling, at_once = ask(), ask(), asyncio.create_task(cancel()), ask()
    await cancelling
    with pytest.raises(asyncio.CancelledError):
        await asking
    with pytest.raises(Unavailable):
        await spared
    assert [found.id for found in await asyncio.gather(at_once, ask())] == [article.id] * 2


async def test_a_statement_without_its_caller_ends_its_transaction(database: Database, elsewhere: Elsewhere) -> None:
    """Whoever goes on in the block keeps nothing, and is told so in the blog's words."""
    with pytest.raises(RuntimeError, match="nothing is kept"):
        async with DatabaseTransaction(database) as tx:
            await tx.users.add(a_user(id=await tx.users.next_id(), username=Username("ada")))
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE / 4):
                    await tx.execute(A_LONG_TIME)
    assert not await elsewhere.has_kept("ada")


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

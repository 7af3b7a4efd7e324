"""Reads of one kind do not hold all connections."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from blog.adapters.database import DatabaseArticleQueries
from blog.adapters.database.shares import ConnectionShare
from blog.application.queries import ArticleFilter
from blog.domain.articles import ArticleNotFound
from blog.domain.errors import Unavailable
from blog.domain.searches import SearchWords
from tests.builders import NOON

Reading = Callable[[DatabaseArticleQueries], Coroutine[Any, Any, Any]]

WORDS = ArticleFilter(words=SearchWords("engine"))
PAGES: dict[str, Reading] = {
    "search": lambda queries: queries.page(viewer=None, limit=9, filter=WORDS),
    "page": lambda queries: queries.page(viewer=None, limit=9),
    "tags": lambda queries: queries.tags(viewer=None, skip=0, limit=9),
    "parts": lambda queries: queries.parts(size=9),
    "addresses": lambda queries: queries.addresses(part=0, size=9),
}


class SlowDatabase:
    """Some connections, each of which is busy until it is let go of; and whoever asks next is answered at once."""

    def __init__(self, size: int) -> None:
        self.size, self.busy, self.slow = size, 0, asyncio.Event()

    async def read(self, *_: object) -> list[Any]:
        self.busy += 1
        await self.slow.wait()
        self.busy -= 1
        return []


@pytest.mark.parametrize(
    ("size", "searches", "pages", "both"), [(1, 1, 1, 1), (3, 1, 1, 2), (4, 1, 2, 3), (10, 2, 5, 7)]
)
async def test_pages_leave_connections_to_single_articles(size: int, searches: int, pages: int, both: int) -> None:
    for names, expected in (({"search"}, searches), (PAGES.keys() - {"search"}, pages), (PAGES.keys(), both)):
        database: Any = SlowDatabase(size)
        queries = DatabaseArticleQueries(database, lambda: NOON)
        waiting = [asyncio.create_task(PAGES[name](queries)) for name in names for _ in range(12)]
        for _ in range(200):
            await asyncio.sleep(0)
        assert database.busy == expected
        database.slow.set()
        await asyncio.gather(*waiting, return_exceptions=True)
        with pytest.raises(ArticleNotFound):
            await queries.get(1, viewer=None)


async def test_who_waits_too_long_is_told_to_come_again() -> None:
    share = ConnectionShare(1, patience=0.01)
    async with share:
        with pytest.raises(Unavailable):
            async with share:
                pass
    async with share:
        pass


async def test_ten_seconds_are_too_long(elapse: Callable[[float], Awaitable[None]]) -> None:
    database: Any = SlowDatabase(4)
    queries = DatabaseArticleQueries(database, lambda: NOON)
    asking = [asyncio.create_task(PAGES["search"](queries)) for _ in range(3)]
    await elapse(9.9)
    assert not any(task.done() for task in asking)
    await elapse(0.2)
    assert [type(task.exception()) for task in asking if task.done()] == [Unavailable] * 2
    database.slow.set()
    await asyncio.gather(*asking, return_exceptions=True)

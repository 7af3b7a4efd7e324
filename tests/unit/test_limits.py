"""Pages are made a few at a time, and each kind for itself."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import fields
from threading import Event
from typing import Any

import httpx
import msgspec
import pytest

from blog.application.queries import ArticleView
from blog.container import Container
from blog.domain.errors import Unavailable
from blog.entrypoints.http import representation
from blog.entrypoints.http.app import build
from blog.entrypoints.http.limits import LARGE_PAGE, PageLimiter, PageLimits, encode_page
from blog.entrypoints.http.representation import LARGE, Compressor
from tests.builders import NOON, an_article
from tests.contracts.asking import problem, sign_in, write
from tests.support import replaced


async def test_no_more_than_a_few_are_made_at_once() -> None:
    limiter, at_work, most = PageLimiter(at_once=2), 0, 0

    async def work() -> None:
        nonlocal at_work, most
        async with limiter:
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0)
            at_work -= 1

    await asyncio.gather(*(work() for _ in range(9)))
    assert (at_work, most) == (0, 2)


async def test_who_waits_too_long_is_told_what_for_and_to_come_again() -> None:
    limiter = PageLimiter("feeds", at_once=1, patience=0.01)
    async with limiter:
        with pytest.raises(Unavailable, match="Too many feeds are being made"):
            async with limiter:
                pass
    async with limiter:
        pass


KINDS = {
    "lists": ["/articles", "/articles?author=ada", "/articles?cursor="],
    "searches": ["/articles?q=engine"],
    "feeds": ["/feed.atom", "/tags/a/feed.json"],
    "sitemaps": ["/sitemap.xml"],
    "tags": ["/tags"],
}


AT_A_TIME = {"lists": 2, "searches": 2, "feeds": 1, "sitemaps": 1, "tags": 1}
"""Decision 22."""


class Endless:
    """Reads pages of some kinds without an end, and others at once."""

    def __init__(self, reading: Any, kind: str) -> None:
        self._reading, self._kind = reading, kind
        self.begun, self.reading = asyncio.Event(), 0

    def __getattr__(self, name: str) -> Any:
        async def read(*given: Any, **wanted: Any) -> Any:
            kind = {"tags": "tags", "parts": "sitemaps", "addresses": "sitemaps"}.get(name)
            if name == "page":
                words = getattr(wanted.get("filter"), "words", None)
                kind = "searches" if words else "feeds" if wanted["limit"] == 20 else "lists"
            if kind == self._kind:
                self.begun.set()
                self.reading += 1
                await asyncio.Event().wait()
            return await getattr(self._reading, name)(*given, **wanted)

        return read


@pytest.mark.parametrize("kind", KINDS)
async def test_one_kind_of_page_does_not_keep_the_others_waiting(container: Container, kind: str) -> None:
    endless = Endless(container.article_queries(), kind)
    with replaced(container, article_queries=endless):
        transport = httpx.ASGITransport(build(container))
        async with httpx.AsyncClient(transport=transport, base_url="http://blog.test") as client:
            waiting = [asyncio.ensure_future(client.get(path)) for path in KINDS[kind] for _ in range(9)]
            try:
                async with asyncio.timeout(5):
                    await endless.begun.wait()
                    for _ in range(100):  # So that as many have begun as may.
                        await asyncio.sleep(0)
                    others: Iterable[str] = (
                        path for other, paths in KINDS.items() if other != kind for path in paths
                    )
                    for path in (*others, "/articles/1", "/articles/on-engines", "/health/ready", "/users/ada"):
                        answer = await client.get(path)
                        assert answer.status_code in (200, 404), path
                assert not any(task.done() for task in waiting)
            finally:
                for task in waiting:
                    task.cancel()
                await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_few_of_a_kind_are_made_and_the_others_are_refused_after_ten_seconds(
    container: Container, elapse: Callable[[float], Awaitable[None]], kind: str
) -> None:
    endless, at_a_time = Endless(container.article_queries(), kind), AT_A_TIME[kind]
    with replaced(container, article_queries=endless):
        transport = httpx.ASGITransport(build(container))
        async with httpx.AsyncClient(transport=transport, base_url="http://blog.test") as client:
            asking = [asyncio.ensure_future(client.get(path)) for path in KINDS[kind] for _ in range(9)]
            try:
                await elapse(9.9)
                assert endless.reading == at_a_time
                assert not any(task.done() for task in asking)
                await elapse(0.2)
                refused = [task.result() for task in asking if task.done()]
                assert len(refused) == len(asking) - at_a_time
                for answer in refused:
                    assert problem(answer, 503)["detail"].startswith("Too many")
                    assert answer.headers["retry-after"] == "2"
            finally:
                for task in asking:
                    task.cancel()
                await asyncio.gather(*asking, return_exceptions=True)


async def test_one_large_page_is_encoded_at_a_time(
    container: Container, elapse: Callable[[float], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = PageLimits()
    monkeypatch.setattr("blog.entrypoints.http.app.PageLimits", lambda: limits)
    transport = httpx.ASGITransport(build(container))
    async with httpx.AsyncClient(transport=transport, base_url="http://blog.test") as client:
        ada = await sign_in(client, "Ada")
        for _ in range(3):
            await write(client, ada, content="x" * (LARGE_PAGE // 3 + 1))
        async with limits.large:
            for path in ("/articles", "/articles?q=engines"):
                large = asyncio.ensure_future(client.get(path))
                await elapse(9.9)
                assert not large.done()
                assert (await client.get(f"{path}{'&' if '?' in path else '?'}limit=2")).status_code == 200
                await elapse(0.2)
                assert problem(large.result(), 503)
        assert (await client.get("/articles")).status_code == 200


def test_what_takes_long_leaves_some_of_the_connections() -> None:
    limits = PageLimits()
    held = sum(getattr(limits, each.name)._free._value for each in fields(limits) if each.name != "large")
    assert held <= 7


async def test_others_have_their_turn_while_a_large_page_is_encoded() -> None:
    view = ArticleView.of(an_article(), viewer=None, at=NOON, content_html="x" * (LARGE_PAGE // 10))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    for count in (0, 1, 9, 20):
        turns, page = 0, [view] * count
        assert await encode_page(page, count * LARGE_PAGE // 10, PageLimiter()) == msgspec.json.encode(page)
        assert (turns >= count) if count > 9 else (turns == 0)
    beside.cancel()


async def test_no_more_than_a_few_replies_are_compressed_or_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at a time, and one waits: decision 22."""
    free = Event()
    monkeypatch.setattr(representation, "_compress", lambda *_: free.wait(30) and b"")
    compressor, large = Compressor(), b" " * LARGE
    begun = []
    for taken in (True, True, True, False):
        assert compressor.takes(large) is taken
        if taken:
            begun.append(asyncio.ensure_future(compressor.compress("gzip", large)))
            await asyncio.sleep(0)
    assert compressor.takes(b"small")
    free.set()
    assert await asyncio.gather(*begun) == [b""] * 3
    assert compressor.takes(large)

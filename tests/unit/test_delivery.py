"""Large replies: in pieces, read fast enough or cut off, and within a budget."""

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from blog.container import Container
from blog.domain.errors import Unavailable
from blog.entrypoints.http import delivery as module
from blog.entrypoints.http.app import build
from blog.entrypoints.http.delivery import LARGE, PIECE, Budget, Delivery, Message, Send, TooMuchInFlight
from blog.entrypoints.http.limits import PageLimits
from blog.entrypoints.http.replies import Answer
from tests.contracts.asking import problem, sign_in, write

BODY = bytes(range(256)) * 1024


class Reader:
    """A client that takes so many messages, and then no more."""

    def __init__(self, takes: float = float("inf"), seconds: float = 0) -> None:
        self.takes, self.seconds = takes, seconds
        self.sent: list[Message] = []
        self.ended = 0

    async def send(self, message: Message) -> None:
        if len(self.sent) >= self.takes:
            await asyncio.Event().wait()
        if self.seconds:
            await asyncio.sleep(self.seconds)
        self.sent.append(message)

    def end(self) -> None:
        self.ended += 1

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent)


def body(content: bytes = BODY, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def test_a_large_body_goes_in_pieces() -> None:
    reader = Reader()
    await Delivery(reader.send, end=reader.end)(body())
    assert reader.body == BODY
    assert max(len(message["body"]) for message in reader.sent) == PIECE
    assert [message["more_body"] for message in reader.sent] == [True] * 3 + [False]
    assert not reader.ended


async def test_a_body_that_comes_in_parts_goes_in_parts() -> None:
    reader = Reader()
    send = Delivery(reader.send, end=reader.end)
    for part in (body(BODY[:1], more=True), body(b"", more=True), body(BODY[1:], more=True), body(b"")):
        await send(part)
    assert reader.body == BODY
    assert [message["more_body"] for message in reader.sent][-2:] == [True, False]
    assert [message["more_body"] for message in reader.sent].count(False) == 1


async def test_a_client_that_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALL_SECONDS", 0.01)
    reader = Reader(takes=2)
    send = Delivery(reader.send, end=reader.end)
    await send(body(more=True))
    # What comes now is for nobody.
    await send(body())
    assert (len(reader.sent), reader.ended) == (2, 1)


async def test_a_client_that_reads_too_slowly_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.01)
    monkeypatch.setattr(module, "RATE", PIECE * 100)
    slow, fast = Reader(seconds=0.03), Reader(seconds=0.001)
    for reader in (slow, fast):
        await Delivery(reader.send, end=reader.end)(body(BODY * 4))
    assert (slow.ended, fast.ended) == (1, 0)
    assert len(slow.sent) < 5


async def test_the_time_that_the_service_takes_is_not_the_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.05)
    reader = Reader()
    send = Delivery(reader.send, end=reader.end)
    for _ in range(3):
        await send(body(b"x", more=True))
        await asyncio.sleep(0.04)
    await send(body(b"x"))
    assert (len(reader.sent), reader.ended) == (4, 0)


async def reply(budget: Budget, size: int, send: Send) -> None:
    """Send a reply of this size, which needs the budget."""
    request: Any = SimpleNamespace(app=SimpleNamespace(state={"budget": budget}))
    answer = Answer(b"x" * size, media_type="text/plain").to_asgi_response(None, request)
    await answer({"type": "http"}, None, send)


async def test_large_replies_share_a_budget() -> None:
    budget, read = Budget(3 * LARGE), asyncio.Event()

    async def unread(message: Message) -> None:
        if message["type"] == "http.response.body":
            await read.wait()

    reading = [asyncio.create_task(reply(budget, LARGE + LARGE // 4, unread)) for _ in range(2)]
    await asyncio.sleep(0)
    refused = Reader()
    with pytest.raises(TooMuchInFlight):
        await reply(budget, LARGE + LARGE // 4, refused.send)
    assert refused.sent == []
    # Small ones are not of it.
    small = Reader()
    await reply(budget, LARGE, small.send)
    assert len(small.sent) == 2

    read.set()
    await asyncio.gather(*reading)
    assert budget.taken == 0
    await reply(budget, LARGE + LARGE // 4, Reader().send)


async def test_what_a_client_that_has_gone_was_sent_is_given_back() -> None:
    budget = Budget(3 * LARGE)

    async def gone(message: Message) -> None:
        if message["type"] == "http.response.body":
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await reply(budget, 2 * LARGE, gone)
    assert budget.taken == 0


async def test_a_reply_that_is_larger_than_the_budget_goes_alone() -> None:
    budget = Budget(LARGE)
    await reply(budget, 5 * LARGE, Reader().send)
    taken = budget.take(5 * LARGE)
    with pytest.raises(Unavailable):
        budget.check(2 * LARGE)
    budget.give_back(taken)
    budget.check(2 * LARGE)


async def test_all_large_replies_of_an_application_share_one_budget(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget, read = Budget(2 * LARGE), asyncio.Event()
    limits = PageLimits()
    monkeypatch.setattr("blog.entrypoints.http.app.PageLimits", lambda: limits)
    # There is no second one.
    monkeypatch.setattr("blog.entrypoints.http.app.Budget", iter([budget]).__next__)
    app = build(container)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://blog.test") as client:
        ada = await sign_in(client, "Ada")
        for _ in range(6):
            await write(client, ada, content="x" * 199_000)

        async def unread(message: Message) -> None:
            if message["type"] == "http.response.body":
                await read.wait()

        headers = [(b"host", b"blog.test")]
        scope = {"type": "http", "method": "GET", "path": "/articles", "query_string": b"", "headers": headers}
        reading = asyncio.ensure_future(app(scope | {"raw_path": b"/articles", "client": None}, None, unread))
        async with asyncio.timeout(10):
            while not budget.taken:  # noqa: ASYNC110 - nobody tells when
                await asyncio.sleep(0.001)
        taken = budget.taken
        # Which is known before they are encoded.
        async with limits.large, asyncio.timeout(5):
            for path in ("/articles", "/articles?q=engines"):
                assert problem(await client.get(path), 503)["detail"].startswith("Too many large replies")
        assert (await client.get("/articles?limit=1")).status_code == 200
        assert budget.taken == taken
        read.set()
        await reading
        assert (await client.get("/articles")).status_code == 200
    assert budget.taken == 0

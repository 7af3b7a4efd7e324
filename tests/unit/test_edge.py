"""What holds for every exchange, told to it in ASGI messages."""

import asyncio
from typing import Any

import pytest

from blog.entrypoints.http import edge as module
from blog.entrypoints.http.edge import Message, Receive, Send, edge

Headers = list[tuple[bytes, bytes]]
CHUNK = {"type": "http.request", "body": b"x" * 1000, "more_body": True}
LAST = CHUNK | {"more_body": False}


async def refuse(_: dict[str, Any], __: Receive, send: Send) -> None:
    """An application that answers without reading."""
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"no", "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def exchange(incoming: list[Message], headers: Headers, method: str = "POST") -> tuple[list[Message], int]:
    """What was sent, and how many messages had been read by the time the reply began."""
    waiting = iter(incoming)
    sent: list[Message] = []
    read = read_before = 0

    async def receive() -> Message:
        nonlocal read
        for message in waiting:
            read += 1
            return message
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def send(message: Message) -> None:
        nonlocal read_before
        if message["type"] == "http.response.start":
            read_before = read
        sent.append(message)

    await edge(refuse)({"type": "http", "method": method, "path": "/", "headers": headers}, receive, send)
    return sent, read_before


async def test_a_reply_waits_until_the_body_has_gone_by() -> None:
    for headers in ([(b"content-length", b"3000")], [(b"transfer-encoding", b"chunked")]):
        sent, read = await exchange([CHUNK, CHUNK, LAST], headers)
        assert read == 3
        assert [message.get("status") for message in sent] == [413, None, None]


async def test_a_client_that_goes_away_is_not_waited_for() -> None:
    _, read = await exchange([CHUNK, {"type": "http.disconnect"}], [(b"content-length", b"3000")])
    assert read == 2


async def test_without_a_body_nothing_is_waited_for() -> None:
    for headers in ([], [(b"content-length", b"0")]):
        assert (await exchange([], headers))[1] == 0


async def test_a_client_that_asked_first_is_answered_before_it_sends() -> None:
    headers = [(b"content-length", b"3000"), (b"expect", b"100-continue")]
    assert (await exchange([], headers))[1] == 0


async def test_a_body_without_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRAIN_BYTES", 5000)
    sent, read = await exchange([CHUNK] * 100, [(b"transfer-encoding", b"chunked")])
    assert read == 5
    assert sent[0]["status"] == 413


async def test_a_body_that_stalls_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRAIN_SECONDS", 0.01)
    sent, _ = await exchange([CHUNK], [(b"content-length", b"3000")])
    assert sent[0]["status"] == 413


async def test_head_has_the_headers_and_no_body() -> None:
    sent, _ = await exchange([], [], method="HEAD")
    assert (b"content-length", b"2") in sent[0]["headers"]
    assert sent[1:] == [{"type": "http.response.body", "body": b"", "more_body": False}]

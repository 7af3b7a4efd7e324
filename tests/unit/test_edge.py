"""What holds for every exchange, told to it in ASGI messages."""

import asyncio
import json
import logging
from typing import Any

import pytest

from blog.entrypoints.http import edge as module
from blog.entrypoints.http.delivery import Budget, TooMuchArriving
from blog.entrypoints.http.edge import Message, Receive, Send, edge

Headers = list[tuple[bytes, bytes]]
CHUNK = {"type": "http.request", "body": b"x" * 1000, "more_body": True}
LAST = CHUNK | {"more_body": False}
HOST = (b"host", b"blog.example.org")


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

    scope = {"type": "http", "method": method, "path": "/", "headers": [HOST, *headers]}
    await edge(refuse)(scope, receive, send)
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
    async with asyncio.timeout(5):
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


async def asked(headers: Headers, **scope: Any) -> tuple[int | None, Headers, str]:
    """The status of a refusal if there is one, the headers that the application sees, and why it was refused."""
    seen: Headers = []
    sent: list[Message] = []

    async def app(scope: dict[str, Any], _: Receive, send: Send) -> None:
        seen.extend(scope["headers"])
        await refuse(scope, _, send)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    request = {"type": "http", "method": "GET", "path": "/", "http_version": "1.1", "headers": headers}
    await edge(app)(request | scope, receive, send)
    if seen:
        return None, seen, ""
    problem = json.loads(sent[1]["body"])
    assert (b"content-type", b"application/problem+json") in sent[0]["headers"]
    assert (b"connection", b"close") in sent[0]["headers"]
    assert b"x-request-id" in dict(sent[0]["headers"])
    assert problem["status"] == sent[0]["status"]
    return problem["status"], seen, problem["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"")],
        [HOST, HOST],
        [HOST, (b"host", b"other.example.org")],
        *(
            [(b"host", host)]
            for host in (b"a b", b"a/b", b"a@b", b"a:b", b"a:1:2", b"[::1", b"::1", b"a, b", b"\xff")
        ),
    ],
)
async def test_a_request_without_one_host_is_refused(headers: Headers) -> None:
    status, _, detail = await asked(headers)
    assert (status, "Host" in detail) == (400, True)


@pytest.mark.parametrize("host", [b"blog.example.org:8080", b"127.0.0.1:80", b"[::1]:8000", b"my_host", b"a:"])
async def test_what_is_a_host_is_taken(host: bytes) -> None:
    assert (await asked([(b"host", host)]))[0] is None


async def test_a_request_of_http_1_0_needs_no_host() -> None:
    for version in ("1", "1.0"):
        assert (await asked([(b"accept", b"*/*")], http_version=version))[0] is None
        assert (await asked([HOST, HOST], http_version=version))[0] == 400


@pytest.mark.parametrize(
    "name",
    [
        "Access-Control-Request-Method",
        "Authorization",
        "Content-Length",
        "Content-Type",
        "Idempotency-Key",
        "If-Modified-Since",
        "Origin",
    ],
)
async def test_what_may_stand_once_is_refused_twice(name: str) -> None:
    given = (name.lower().encode(), b"0")
    assert (await asked([HOST, given, (b"accept", b"*/*"), given]))[::2] == (400, f"{name} must be sent once.")
    assert (await asked([HOST, given]))[0] is None


async def test_what_is_a_list_may_be_sent_in_parts() -> None:
    names = (b"if-match", b"if-none-match", b"accept-encoding", b"x-forwarded-for")
    parts = [(name, value) for value in (b"one", b"two") for name in names]
    cookies = [(b"cookie", b"a=b"), (b"cookie", b"c=d")]
    _, seen, _ = await asked([HOST, *parts, *cookies])
    assert seen == [HOST, *((name, b"one, two") for name in names), (b"cookie", b"a=b; c=d")]


async def test_a_body_has_one_way_to_end() -> None:
    framing = [(b"transfer-encoding", b"chunked"), (b"content-length", b"0")]
    assert (await asked([HOST, *framing]))[0] == 400


async def test_an_address_and_a_header_have_an_end() -> None:
    assert (await asked([HOST], raw_path=b"/" * 8192))[0] is None
    assert (await asked([HOST], raw_path=b"/" * 8193))[0] == 414
    assert (await asked([HOST], raw_path=b"/" * 4000, query_string=b"q" * 4193))[0] == 414
    assert (await asked([HOST, (b"x", b"x" * 32_000)]))[0] is None
    assert (await asked([HOST, *((b"x-%d" % number, b"x" * 990) for number in range(34))]))[0] == 431


async def test_the_access_log_cuts_what_is_long(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "blog.access"):
        await asked([HOST], raw_path=b"/" + b"a" * 60_000, method="M" * 60_000)
    (record,) = caplog.records
    method, path = record.getMessage().split(" ")
    assert path == "/" + "a" * 1_999 + "…"
    assert len(method) == 2_001


async def test_bodies_that_are_arriving_share_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Budget", lambda: Budget(90_000))
    done = asyncio.Event()
    refused: list[type] = []

    async def read(_: dict[str, Any], receive: Receive, send: Send) -> None:
        try:
            for _number in range(50):
                await receive()
        except TooMuchArriving as error:
            refused.append(type(error))
        else:
            await done.wait()
        await refuse(_, receive, send)

    wrapped = edge(read)

    async def post() -> list[Message]:
        sent: list[Message] = []
        messages = iter([CHUNK] * 60 + [LAST])

        async def receive() -> Message:
            return next(messages)

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [HOST, (b"content-length", b"61000")]
        await wrapped({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive, send)
        return sent

    first = asyncio.create_task(post())
    await asyncio.sleep(0)
    # The rest of a body that is refused goes by, and is not kept.
    async with asyncio.timeout(10):
        assert (await post())[0]["status"] == 413
    assert len(refused) == 1
    done.set()
    await first
    await post()
    assert len(refused) == 1

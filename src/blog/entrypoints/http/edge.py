"""What holds for every exchange, whatever the route."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]

DRAIN_BYTES = 64 * 1024 * 1024
DRAIN_SECONDS = 10.0


def edge(app: ASGIApp) -> ASGIApp:
    """Wrap the application.

    - HEAD is GET without the body (RFC 9110, section 9.3.2).
    - A reply that comes before the whole body was read waits until the rest has gone by, or the client, still busy
      sending, would see its connection reset and never the reply. Within bounds: a body without an end is cut off.
    - No reply is to be guessed into another type (`X-Content-Type-Options`).
    """

    async def wrapped(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"
        if is_head:
            scope["method"] = "GET"
        headers = dict(scope["headers"])
        # A client that asked first (Expect: 100-continue) sends nothing until it is told to.
        unread = b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
        asked = b"expect" in headers

        async def receiving() -> Message:
            nonlocal unread, asked
            asked = False
            message = await receive()
            unread = message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def drain() -> None:
            drained = 0
            try:
                async with asyncio.timeout(DRAIN_SECONDS):
                    while unread and drained < DRAIN_BYTES:
                        drained += len((await receiving()).get("body", b""))
            except TimeoutError:
                return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                if unread and not asked:
                    await drain()
                message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            elif is_head:
                if message.get("more_body"):
                    return
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await app(scope, receiving, sending)

    return wrapped

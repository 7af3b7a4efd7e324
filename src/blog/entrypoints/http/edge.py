"""What holds for every exchange, whatever the route."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from blog.entrypoints.http.cors import CrossOrigin
from blog.entrypoints.http.forwarded import Forwarded, Network
from blog.entrypoints.logs import REQUEST_ID, access_log

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]

DRAIN_BYTES = 64 * 1024 * 1024
DRAIN_SECONDS = 10.0


def edge(app: ASGIApp, *, proxies: Collection[Network] = (), origins: Collection[str] = ()) -> ASGIApp:
    """Wrap the application.

    - Every request has an id, which its reply (`X-Request-ID`) and its log lines carry. A proxy may say it, and the
      client's address, if it is one of `proxies`; nobody else is believed.
    - HEAD is GET without the body (RFC 9110, section 9.3.2).
    - A reply that comes before the whole body was read waits until the rest has gone by, or the client, still busy
      sending, would see its connection reset and never the reply. Within bounds: a body without an end is cut off.
    - Pages of `origins` may read replies.
    - No reply is to be guessed into another type (`X-Content-Type-Options`).
    """
    forwarded, cross_origin = Forwarded(proxies), CrossOrigin(origins)
    # Of names, which are no secrets: the operating system need not be asked for each.
    names = random.Random()  # noqa: S311

    async def wrapped(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = dict(scope["headers"])
        method, is_head, status = scope["method"], scope["method"] == "HEAD", 500
        if is_head:
            scope["method"] = "GET"
        request_id = forwarded.apply(scope, headers) or f"{names.getrandbits(128):032x}"
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
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if unread and not asked:
                    await drain()
                message["headers"] = [
                    *message["headers"],
                    *cross_origin.headers(method, headers),
                    (b"x-content-type-options", b"nosniff"),
                    (b"x-request-id", request_id.encode()),
                ]
            elif is_head:
                if message.get("more_body"):
                    return
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        known_as = REQUEST_ID.set(request_id)
        try:
            await app(scope, receiving, sending)
        finally:
            # As it came over the wire: what a client put into a path stays encoded.
            path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
            access_log(
                method,
                path,
                status=status,
                milliseconds=round((time.perf_counter() - began) * 1000, 1),
                client=scope["client"][0] if scope.get("client") else None,
            )
            REQUEST_ID.reset(known_as)

    return wrapped

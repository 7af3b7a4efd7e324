"""What holds for every exchange, whatever the route."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from litestar.exceptions import ClientException

from blog.entrypoints import connections
from blog.entrypoints.http.cors import CrossOrigin
from blog.entrypoints.http.delivery import PIECE, Budget, Delivery
from blog.entrypoints.http.forwarded import Forwarded, Network
from blog.entrypoints.http.problems import SENTENCES, encoded
from blog.entrypoints.logs import REQUEST_ID, access_log

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]

DRAIN_BYTES = 64 * 1024 * 1024
DRAIN_SECONDS = 10.0

BROKEN_BODY = "The body ends too early, or its chunks are malformed."

MAX_TARGET = 8 * 1024
"""Bytes of a path and its query. RFC 9110, section 4.1, recommends that 8,000 be taken."""

MAX_HEADERS = 32 * 1024
"""Bytes of what all header fields say together."""

SINGLE_HEADERS = frozenset(
    {
        b"access-control-request-method",
        b"authorization",
        b"content-length",
        b"content-type",
        b"host",
        b"idempotency-key",
        b"if-modified-since",
        b"if-unmodified-since",
        b"origin",
        b"range",
    }
)
"""Header fields that are no lists (RFC 9110, section 5.3): two of them say two things."""

HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
"""A host name or an address, and a port (RFC 9110, section 7.2)."""


def edge(app: ASGIApp, *, proxies: Collection[Network] = (), origins: Collection[str] = ()) -> ASGIApp:
    """Wrap the application.

    - A request that two programs could read in two ways is refused (400): one without a host or with two (RFC 9112,
      section 3.2), and one with two headers of a name that may stand once. Other headers of one name are one list.
    - A body that breaks off, or whose chunks are malformed (RFC 9112, section 7.1), is the client's fault (400).
    - Bodies that are arriving share a budget, above which the next is refused (503).
    - A large reply goes in pieces, and a client that reads them too slowly is cut off.
    - Every request has an id, which its reply (`X-Request-ID`) and its log lines carry. A proxy may say it, and the
      client's address, if it is one of `proxies`; nobody else is believed.
    - HEAD is GET without the body (RFC 9110, section 9.3.2).
    - A reply that comes before the whole body was read waits until the rest has gone by, or the client, still busy
      sending, would see its connection reset and never the reply. Within bounds: a body without an end is cut off.
    - Pages of `origins` may read replies.
    - No reply is to be guessed into another type (`X-Content-Type-Options`).
    """
    forwarded, cross_origin, bodies = Forwarded(proxies), CrossOrigin(origins), Budget()
    # Of names, which are no secrets: the operating system need not be asked for each.
    names = random.Random()  # noqa: S311

    async def wrapped(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = dict(scope["headers"])
        refusal = _refusal(scope, headers)
        if len(headers) < len(scope["headers"]):
            headers = _merged(scope["headers"])
            scope["headers"] = list(headers.items())
        method, is_head, status = scope["method"], scope["method"] == "HEAD", 500
        if is_head:
            scope["method"] = "GET"
        peer = scope.get("client")
        delivery: Delivery | None = None
        started, arrived, held = False, 0, 0
        request_id = forwarded.apply(scope, headers) or f"{names.getrandbits(128):032x}"
        # A client that asked first (Expect: 100-continue) sends nothing until it is told to.
        unread = b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
        asked = b"expect" in headers

        async def receiving() -> Message:
            nonlocal unread, asked, arrived, held
            asked = False
            message = await receive()
            was_unread, unread = unread, message["type"] == "http.request" and message.get("more_body", False)
            if was_unread and message["type"] == "http.disconnect":
                # The server does not say whether the client has gone or its chunks are malformed.
                raise ClientException(BROKEN_BODY, headers={"Connection": "close"})
            if not started and was_unread:
                arrived += len(message.get("body", b""))
                held = bodies.grow(held, arrived)
            return message

        async def drain() -> None:
            drained = 0
            try:
                async with asyncio.timeout(DRAIN_SECONDS):
                    while unread and drained < DRAIN_BYTES:
                        drained += len((await receiving()).get("body", b""))
            except (TimeoutError, ClientException):
                return

        async def sending(message: Message) -> None:
            nonlocal status, delivery, started
            if message["type"] == "http.response.start":
                # A number, where the application has a name for it: the log shows it as it is.
                status, started = int(message["status"]), True
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
            elif delivery or message.get("more_body") or len(message.get("body", b"")) > PIECE:
                delivery = delivery or Delivery(send, end=lambda: peer and connections.end(peer, scope["server"]))
                await delivery(message)
                return
            await send(message)

        known_as = REQUEST_ID.set(request_id)
        try:
            if refusal:
                await _refuse(*refusal, sending)
            else:
                await app(scope, receiving, sending)
        finally:
            # As it came over the wire: what a client put into a path stays encoded.
            path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
            bodies.give_back(held)
            access_log(
                method,
                path,
                status=status,
                milliseconds=round((time.perf_counter() - began) * 1000, 1),
                client=scope["client"][0] if scope.get("client") else None,
            )
            REQUEST_ID.reset(known_as)

    return wrapped


def _refusal(scope: dict[str, Any], headers: dict[bytes, bytes]) -> tuple[HTTPStatus, str] | None:
    """Why a request is refused before anything looks at it; None where it is not."""
    given: Sequence[tuple[bytes, bytes]] = scope["headers"]
    if len(headers) < len(given):
        names = [name for name, _ in given]
        for name in names:
            if name in SINGLE_HEADERS and names.count(name) > 1:
                return HTTPStatus.BAD_REQUEST, f"{name.decode().title()} must be sent once."
    host = headers.get(b"host")
    # The server says that the host is empty where there is none.
    if not host:
        if scope.get("http_version", "1.1") not in ("1", "1.0"):
            return HTTPStatus.BAD_REQUEST, "The header Host is missing."
    elif not _is_host(host):
        return HTTPStatus.BAD_REQUEST, "The header Host is not a host name or an address, and a port."
    if b"transfer-encoding" in headers and b"content-length" in headers:
        # RFC 9112, section 6.1: this may be an attempt to smuggle a request past a proxy.
        return HTTPStatus.BAD_REQUEST, "Send Transfer-Encoding or Content-Length, and not both."
    if len(scope.get("raw_path") or scope["path"]) + len(scope.get("query_string", b"")) > MAX_TARGET:
        return HTTPStatus.REQUEST_URI_TOO_LONG, SENTENCES[HTTPStatus.REQUEST_URI_TOO_LONG]
    if sum(map(len, headers.values())) > MAX_HEADERS:
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        return status, SENTENCES[status]
    return None


@lru_cache(1024)
def _is_host(text: bytes) -> bool:
    return HOST.fullmatch(text) is not None


async def _refuse(status: HTTPStatus, detail: str, send: Send) -> None:
    """Send a problem. What the client sends next may be anything, so that the connection ends."""
    body, media_type = encoded(status, detail)
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _merged(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers of one name as the list that they are (RFC 9110, section 5.2)."""
    merged: dict[bytes, bytes] = {}
    for name, value in headers:
        merged[name] = merged[name] + (b"; " if name == b"cookie" else b", ") + value if name in merged else value
    return merged

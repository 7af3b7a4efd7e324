"""What of a representation is sent: nothing where the client has it already, and else in a coding that it takes.

HTTP Semantics (RFC 9110): conditional requests in section 13, content codings in 8.4 and 12.5.3; caching in RFC 9111.
"""

import asyncio
import gzip
import re
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import xxhash

from blog.entrypoints.http.conditions import ENTITY_TAG, MAX_TAGS, http_date
from blog.entrypoints.http.edge import ASGIApp, Message, Receive, Send

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSIBLE = re.compile(rb"(application/([a-z.-]+\+)?(json|xml)|image/svg\+xml|text/)", re.IGNORECASE)
SMALL = 1000
"""Bytes that are not worth compressing."""
LARGE = 512 * 1024
"""Bytes that are compressed off the event loop."""
MAX_ACCEPTED = 1024
"""Bytes of a list of codings; browsers send thirty. A longer one is not looked at, and what is sent has no coding."""
CODINGS = ("zstd", "gzip")
"""In the order of preference: zstd makes less of it in a third of the time."""
CODED = re.compile(rb'-(?:zstd|gzip)"$')

# What a 304 says (RFC 9110, section 15.4.5), and what holds for every reply alike.
NOT_OF_CONTENT = re.compile(rb"(?!content-|last-modified).*")


class Compressor:
    """Compresses large bodies in `threads` threads of its own; `waiting` more may wait for one."""

    def __init__(self, *, threads: int = 2, waiting: int = 1) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="compressing")
        self._most, self._taken = threads + waiting, 0

    def takes(self, body: bytes) -> bool:
        """Whether this one would be compressed soon."""
        return len(body) < LARGE or self._taken < self._most

    async def compress(self, coding: str, body: bytes) -> bytes:
        """The body in a coding."""
        if len(body) < LARGE:
            return _compress(coding, body)
        self._taken += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, _compress, coding, body)
        finally:
            self._taken -= 1


def _compress(coding: str, body: bytes) -> bytes:
    if coding == "gzip":
        return gzip.compress(body, 4, mtime=0)
    return zstd.compress(body, 3)


def represent(app: ASGIApp) -> ASGIApp:
    """Wrap the application, whose replies to GET it looks at before they go.

    - A reply has a strong entity tag: that which the handler gave it, or one of its bytes. Another coding is another
      representation, and its tag ends in the name of the coding.
    - What the client has already is not sent again (304).
    - Whoever shows who they are gets a reply for themselves, and a 304 by its entity tag alone. Nobody goes by a
      stored reply without asking, because what is public may be hidden the next moment.
    - What is told in confidence (`no-store`) is neither: lengths tell of it.
    """
    compressor = Compressor()

    async def wrapped(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await app(scope, receive, send)
            return
        start: Message | None = None

        async def sending(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            begun, start = start, None
            if begun:
                if not message.get("more_body"):
                    body = await _finish(dict(scope["headers"]), begun, message.get("body", b""), compressor)
                    message = {"type": "http.response.body", "body": body, "more_body": False}
                await send(begun)
            await send(message)

        await app(scope, receive, sending)

    return wrapped


async def _finish(request: Mapping[bytes, bytes], start: Message, body: bytes, compressor: Compressor) -> bytes:
    """Give the reply its headers, and answer the body that it has then."""
    headers = dict(start["headers"])
    known = b"authorization" in request
    headers.setdefault(b"cache-control", b"private, no-cache" if known else b"public, no-cache")
    if start["status"] == 200 and b"no-store" not in headers[b"cache-control"]:
        etag = headers.setdefault(b"etag", f'"{xxhash.xxh3_128_hexdigest(body)}"'.encode())
        # What somebody known sees may change without a date: an author learns whether there is a working copy.
        last_modified = b"" if known else headers.get(b"last-modified", b"")
        if known_as := _known_as(request, etag, last_modified):
            start["status"], body = 304, b""
            headers[b"etag"] = known_as
            headers = {name: value for name, value in headers.items() if NOT_OF_CONTENT.fullmatch(name)}
        # Without a coding a reply is larger, but there. To wait for one would keep the whole reply in memory.
        elif (coding := _coding(request, headers, body)) and compressor.takes(body):
            body = await compressor.compress(coding, body)
            headers[b"content-encoding"] = coding.encode()
            headers[b"content-length"] = str(len(body)).encode()
            headers[b"etag"] = etag[:-1] + f'-{coding}"'.encode()
    start["headers"] = [*headers.items(), (b"vary", b"Authorization, Accept-Encoding")]
    return body


def _known_as(request: Mapping[bytes, bytes], etag: bytes, last_modified: bytes) -> bytes | None:
    """The entity tag of this representation, in whatever coding, that the client has already."""
    given = request.get(b"if-none-match")
    if given is not None:
        # To send again what a client has is never wrong.
        if len(given) > MAX_TAGS:
            return None
        # Weak comparison (section 13.1.2), by which a coding makes no difference either.
        tags = [tag.encode("latin-1").removeprefix(b"W/") for tag in re.findall(ENTITY_TAG, given.decode("latin-1"))]
        plain = {CODED.sub(b'"', tag): tag for tag in tags}
        return etag if given.strip() == b"*" else plain.get(etag)
    if b"if-modified-since" not in request:
        return None
    since, changed = (http_date(date.decode("latin-1")) for date in (request[b"if-modified-since"], last_modified))
    # Section 13.1.3: what is no date is ignored.
    return etag if since and changed and changed <= since else None


def _coding(request: Mapping[bytes, bytes], headers: Mapping[bytes, bytes], body: bytes) -> str | None:
    """The coding that the client likes best among those that are worth it."""
    accepted = request.get(b"accept-encoding")
    if (
        accepted is None
        or len(accepted) > MAX_ACCEPTED
        or len(body) < SMALL
        or b"content-encoding" in headers
        or not COMPRESSIBLE.match(headers.get(b"content-type", b""))
    ):
        return None
    weights: dict[str, float] = {}
    for part in accepted.decode("latin-1").lower().split(","):
        name, _, parameter = part.strip().partition(";")
        weight = re.fullmatch(r"\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*", parameter)
        weights[name.strip()] = float(weight[1]) if weight else 0.0 if parameter else 1.0
    other = weights.get("*", 0.0)
    best = max(CODINGS, key=lambda coding: weights.get(coding, other))
    weight_of_best = weights.get(best, other)
    return best if weight_of_best > 0 and weight_of_best >= weights.get("identity", 0.0) else None

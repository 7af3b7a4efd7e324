"""Replies that handlers make: encoded, under an entity tag, and given again to a request that comes again."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import xxhash

from blog.application.ports import Reply, RequestKey, TransactionFactory
from blog.application.remembering import Remembering
from blog.entrypoints.formats.feeds import Site
from blog.entrypoints.http.contract import JSON


class Answer:
    """Bytes on their way: an ASGI application, as which Litestar sends it without a look at each header."""

    __slots__ = ("_body", "_start")

    def __init__(
        self, body: bytes, *, media_type: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        own = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
        said = [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
        self._start = {"type": "http.response.start", "status": status, "headers": own + said}
        self._body = {"type": "http.response.body", "body": body, "more_body": False}

    async def __call__(self, _: Any, __: Any, send: Any) -> None:  # noqa: ANN401
        """Send it."""
        await send(self._start)
        await send(self._body)


Once = Callable[[Callable[[TransactionFactory], Awaitable[Reply]]], Awaitable[Answer]]
"""Answers by what some work replies, which is given the transaction to do it in."""


def reply(shown: object, *, edition: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Something as JSON, under a strong entity tag (RFC 9110, section 8.8.3).

    The tag's first part names the version; the second, after a dot, what of it is shown.
    """
    body = msgspec.json.encode(shown)
    digest = xxhash.xxh3_64_hexdigest(body)
    return Reply(status=status, headers={"ETag": f'"{edition}.{digest}"', **(headers or {})}, body=body)


def respond(answer: Reply, *, media_type: str = JSON) -> Answer:
    """The reply, on its way."""
    return Answer(answer.body, media_type=media_type, status=answer.status, headers=answer.headers)


def once(
    request_key: RequestKey | None,
    remembering: Remembering,
    site: Site,
) -> Any:  # noqa: ANN401 - an `Once`, which Litestar would want to validate
    """Does some work once for each `Idempotency-Key`, or each time where the request has none.

    What the work replies, and what is stored of it, has its `Location` without the path of the site, which is added
    when it is sent: so a stored reply is right also where `SITE_URL` has changed since.
    """

    async def do(work: Callable[[TransactionFactory], Awaitable[Reply]]) -> Answer:
        if request_key is None:
            return respond(_located(await work(remembering.transaction), site))
        return respond(_located(await remembering.once(request_key, work), site))

    return do


def _located(answer: Reply, site: Site) -> Reply:
    """The reply, with the path of the site in its `Location` if it has one."""
    if (location := answer.headers.get("Location")) is None:
        return answer
    return replace(answer, headers={**answer.headers, "Location": site.path + location})

"""Replies that handlers make: encoded, under an entity tag, and given again to a request that comes again."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from litestar import Response

from blog.application.ports import Reply, RequestKey, TransactionFactory
from blog.application.remembering import Remembering
from blog.entrypoints.http.contract import JSON

Once = Callable[[Callable[[TransactionFactory], Awaitable[Reply]]], Awaitable[Response[bytes]]]
"""Answers by what some work replies, which is given the transaction to do it in."""


def reply(shown: object, *, edition: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Something as JSON, under a strong entity tag (RFC 9110, section 8.8.3).

    The tag's first part names the version; the second, after a dot, what of it is shown.
    """
    body = msgspec.json.encode(shown)
    digest = hashlib.blake2b(body, digest_size=6).hexdigest()
    return Reply(status=status, headers={"ETag": f'"{edition}.{digest}"', **(headers or {})}, body=body)


def respond(answer: Reply) -> Response[bytes]:
    """The reply, on its way."""
    return Response(answer.body, status_code=answer.status, headers=answer.headers, media_type=JSON)


def once(
    request_key: RequestKey | None,
    remembering: Remembering,
) -> Any:  # noqa: ANN401 - an `Once`, which Litestar would want to validate
    """Does some work once for each `Idempotency-Key`, or each time where the request has none."""

    async def do(work: Callable[[TransactionFactory], Awaitable[Reply]]) -> Response[bytes]:
        if request_key is None:
            return respond(await work(remembering.transaction))
        return respond(await remembering.once(request_key, work))

    return do

"""Replies that handlers make: encoded, under an entity tag, and given again to a request that comes again."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import xxhash
from litestar import Litestar, Request, Response

from blog.application.ports import Reply, TransactionFactory
from blog.entrypoints.formats.feeds import Site
from blog.entrypoints.http.contract import JSON
from blog.entrypoints.http.delivery import Budget
from blog.entrypoints.http.requests import ApiRequest


class Answer(Response[bytes]):
    """A response whose body is encoded.

    It sends its headers as they are. Litestar would look at each, which takes as long as a tenth of a read. A large
    one needs a part of the budget of large replies: it is a 503 where others have taken that since it was checked.
    """

    def __init__(
        self, body: bytes, *, media_type: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(body, media_type=media_type, status_code=status, headers=headers)

    def to_asgi_response(
        self,
        app: Litestar | None,
        request: Request[Any, Any, Any],
        *,
        headers: dict[str, str] | None = None,
        **others: Any,  # noqa: ANN401 - those of Litestar
    ) -> Any:  # noqa: ANN401 - an ASGI application
        """What sends it: with the `headers` of the route as well, unless the response has others of their names."""
        if self.cookies or self.background or others.get("cookies") or others.get("background"):
            return super().to_asgi_response(app, request, headers=headers, **others)
        said = {**headers, **self.headers} if headers else self.headers
        start = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": [
                (b"content-type", str(self.media_type).encode()),
                (b"content-length", str(len(self.content)).encode()),
                *((name.lower().encode(), value.encode("latin-1")) for name, value in said.items()),
            ],
        }
        body = {"type": "http.response.body", "body": self.content, "more_body": False}
        budget: Budget = request.app.state["budget"]

        async def send_response(_: Any, __: Any, send: Any) -> None:  # noqa: ANN401
            # Of its size without a coding: what is compressed is held in both forms.
            held = budget.take(len(self.content))
            try:
                await send(start)
                await send(body)
            finally:
                budget.give_back(held)

        return send_response


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


async def once(request: ApiRequest[Any, Any], work: Callable[[TransactionFactory], Awaitable[Reply]]) -> Answer:
    """Do some work once for each `Idempotency-Key`, or each time where the request has none.

    The work is given the transaction to do it in. What it replies, and what is stored of it, has its `Location`
    without the path of the site, which is added when it is sent: so a stored reply is right also where `SITE_URL` has
    changed since.
    """
    remembering, key = request.blog.remembering, request.request_key
    done = await (work(remembering.transaction) if key is None else remembering.once(key, work))
    return respond(_located(done, request.site))


def _located(answer: Reply, site: Site) -> Reply:
    """The reply, with the path of the site in its `Location` if it has one."""
    if (location := answer.headers.get("Location")) is None:
        return answer
    return replace(answer, headers={**answer.headers, "Location": site.path + location})

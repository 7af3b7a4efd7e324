"""Services that do less than the product, for what it costs to do more: the same replies in the same server.

`litestar` is the product's framework over the driver and nothing else: one statement, its rows into the encoder.
`asgi` is the same without a framework, and `fixed` answers from memory, which is as much as the server can do.
None of them checks, limits or logs anything. What they send as headers is as long as what the product sends.

`BENCH_APP` names one for `from_environment`, and `BENCH_SAMPLE` a file that says what the product replies.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import jwt
import msgspec
from litestar import Litestar, Request, Response, get, patch, post
from litestar.params import FromPath, FromQuery

from blog.adapters.database.tables import articles

JSON = "application/json"
POOL = 10
"""Connections, as many as the product has."""

DERIVED = {
    "published": "true",
    "status": "'published'",
    "publish_at": "NULL::timestamptz",
    "unpublish_at": "NULL::timestamptz",
    "reading_minutes": "greatest(1, ceil(word_count / 220.0))::int",
    "excerpt": "coalesce(summary, excerpt)",
    "has_working_copy": "NULL::boolean",
}
"""What of a reply is no column as it stands, for a published article and a reader who is not its author."""

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]


class Sample(msgspec.Struct):
    """What the product replies: the fields in their order, the headers beside type and length, and the bytes."""

    database: str
    key: str
    fields: list[str]
    article_headers: dict[str, str]
    page_headers: dict[str, str]
    article: str
    page: str


def selected(fields: list[str]) -> str:
    """The fields of a reply as the list of a SELECT. Raises `KeyError` for one that is not known here."""
    return ", ".join(f"{DERIVED.get(name) or articles.c[name].name} AS {name}" for name in fields)


class Rows:
    """The statements, on a pool of the driver's."""

    def __init__(self, sample: Sample) -> None:
        self._sample, self._dsn = sample, sample.database.replace("+asyncpg", "")
        columns = selected(sample.fields)
        self._one = f"SELECT {columns} FROM articles WHERE id = $1"
        order = "coalesce(published_at, created_at) DESC, id DESC"
        self._page = f"SELECT {columns} FROM articles ORDER BY {order} LIMIT $1 OFFSET $2"
        self._pool: Any = None
        self._numbers = count(1)

    async def open(self) -> None:
        """Connect."""
        self._pool = await asyncpg.create_pool(self._dsn, min_size=POOL, max_size=POOL, reset=_nothing)
        names = await self._pool.fetch(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position",
            "articles",
        )
        new = {"id": "nextval('articles_id_seq')", "title": "$1", "content": "$2", "content_html": "$2"}
        new |= {"slug": "$3", "address": "$3", "author_id": "$4", "created_at": "$5", "updated_at": "$5"}
        columns = [row["column_name"] for row in names]
        made = ", ".join(new.get(name, name) for name in columns)
        kept = "article_id, version, by, at, changed, title, content, tags"
        revision = f"INSERT INTO revisions ({kept}) SELECT id, version, author_id, updated_at"
        shown = selected(self._sample.fields)
        # One statement each: what a durable write with its revision costs at least.
        self._add = (
            f"WITH new AS (INSERT INTO articles ({', '.join(columns)})"
            f" SELECT {made.replace('$5', '$5::timestamptz').replace('$4', '$4::bigint')}"
            f" FROM articles WHERE id = 1 RETURNING *),"
            f" kept AS ({revision}, '{{}}', title, content, tags FROM new),"
            f" taken AS (INSERT INTO slugs (slug, article_id) SELECT slug, id FROM new)"
            f" SELECT {shown} FROM new"
        )
        self._save = (
            f"WITH new AS (UPDATE articles SET content = $2, content_html = $2, version = version + 1,"
            f" updated_at = $3::timestamptz WHERE id = $1 RETURNING *),"
            f" kept AS ({revision}, '{{content}}', title, content, tags FROM new) SELECT {shown} FROM new"
        )

    async def close(self) -> None:
        """Disconnect."""
        await self._pool.close()

    async def one(self, number: int) -> bytes:
        """An article."""
        return msgspec.json.encode(dict(await self._pool.fetchrow(self._one, number)))

    async def page(self, limit: int, skip: int) -> bytes:
        """Some articles."""
        return msgspec.json.encode([dict(row) for row in await self._pool.fetch(self._page, limit, skip)])

    async def user(self, authorization: str) -> int:
        """Whose token it is, if that user is still there."""
        claims = jwt.decode(authorization.partition(" ")[2], self._sample.key, ["HS256"])
        return int(await self._pool.fetchval("SELECT id FROM users WHERE id = $1", int(claims["sub"])))

    async def add(self, author: int, body: dict[str, str]) -> bytes:
        """A new article."""
        now = datetime.now(UTC)
        slug = f"{now.timestamp():.6f}-{next(self._numbers)}".replace(".", "-")
        given = (body["title"], body["content"], slug, author, now)
        return msgspec.json.encode(dict(await self._pool.fetchrow(self._add, *given)))

    async def save(self, number: int, body: dict[str, str]) -> bytes:
        """An article with another content."""
        row = await self._pool.fetchrow(self._save, number, body["content"], datetime.now(UTC))
        return msgspec.json.encode(dict(row))


async def _nothing(_: object) -> None:
    """Leaves a connection as it is: what the pool would do by itself is one round trip more."""


def litestar(sample: Sample) -> ASGIApp:
    """The framework over the driver."""
    rows = Rows(sample)

    @get("/articles/{number:int}")
    async def show(number: FromPath[int], request: Request[Any, Any, Any]) -> Response[bytes]:
        if authorization := request.headers.get("authorization"):
            await rows.user(authorization)
        return Response(await rows.one(number), media_type=JSON, headers=sample.article_headers)

    @get("/articles")
    async def page(
        request: Request[Any, Any, Any], limit: FromQuery[int], skip: FromQuery[int] = 0
    ) -> Response[bytes]:
        if authorization := request.headers.get("authorization"):
            await rows.user(authorization)
        return Response(await rows.page(limit, skip), media_type=JSON, headers=sample.page_headers)

    @post("/articles")
    async def write(request: Request[Any, Any, Any]) -> Response[bytes]:
        author = await rows.user(request.headers["authorization"])
        body = await rows.add(author, msgspec.json.decode(await request.body()))
        return Response(body, status_code=201, media_type=JSON, headers=sample.article_headers)

    @patch("/articles/{number:int}")
    async def edit(number: FromPath[int], request: Request[Any, Any, Any]) -> Response[bytes]:
        await rows.user(request.headers["authorization"])
        body = await rows.save(number, msgspec.json.decode(await request.body()))
        return Response(body, media_type=JSON, headers=sample.article_headers)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await rows.open()
        yield
        await rows.close()

    return Litestar([show, page, write, edit], openapi_config=None, lifespan=[lifespan], logging_config=None)


def asgi(sample: Sample) -> ASGIApp:
    """No framework over the driver."""
    rows = Rows(sample)

    async def article(scope: dict[str, Any]) -> bytes:
        return await rows.one(int(scope["path"][10:]))

    async def page(scope: dict[str, Any]) -> bytes:
        asked = dict(pair.split("=") for pair in scope["query_string"].decode().split("&"))
        return await rows.page(int(asked["limit"]), int(asked.get("skip", "0")))

    return bare(sample, article, page, open_=rows.open, close=rows.close)


def fixed(sample: Sample) -> ASGIApp:
    """No database either."""
    bodies = sample.article.encode(), sample.page.encode()

    async def article(_: dict[str, Any]) -> bytes:
        return bodies[0]

    async def page(_: dict[str, Any]) -> bytes:
        return bodies[1]

    async def nothing() -> None: ...

    return bare(sample, article, page, open_=nothing, close=nothing)


Read = Callable[[dict[str, Any]], Awaitable[bytes]]


def bare(
    sample: Sample,
    article: Read,
    page: Read,
    *,
    open_: Callable[[], Awaitable[None]],
    close: Callable[[], Awaitable[None]],
) -> ASGIApp:
    """An application of two addresses."""
    article_headers, page_headers = _headers(sample.article_headers), _headers(sample.page_headers)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await open_()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["path"] == "/articles":
            body, headers = await page(scope), page_headers
        else:
            body, headers = await article(scope), article_headers
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length, *headers]})
        await send({"type": "http.response.body", "body": body})

    return app


def _headers(given: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", JSON.encode()), *((name.encode(), value.encode()) for name, value in given.items())]


APPS = {"litestar": litestar, "asgi": asgi, "fixed": fixed}


def from_environment() -> ASGIApp:
    """The application that the environment names."""
    sample = msgspec.json.decode(Path(os.environ["BENCH_SAMPLE"]).read_bytes(), type=Sample)
    return APPS[os.environ["BENCH_APP"]](sample)

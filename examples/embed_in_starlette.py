"""The blog inside a service of another framework, here Starlette; everything is kept in memory.

    SECRET_KEY=$(openssl rand -hex 32) uvicorn --factory embed_in_starlette:from_environment

Of the blog's are the use cases, which `Api` puts together, and the errors, which STATUSES turns into replies. The
paths, the JSON and whatever else HTTP is about are this service's own.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import blog
from blog.adapters.markdown import RustMarkdown
from blog.adapters.memory import MemoryArticleQueries, MemoryStore, MemoryTransaction, MemoryUserQueries
from blog.adapters.passwords import BcryptHasher
from blog.adapters.tokens import JwtAccessTokens

STATUSES = {
    blog.Invalid: 422,
    blog.Unauthenticated: 401,
    blog.Forbidden: 403,
    blog.NotFound: 404,
    blog.Moved: 308,
    blog.Conflict: 409,
    blog.Stale: 412,
    blog.TooManyRequests: 429,
    blog.Unavailable: 503,
}


class Api:
    """What this service answers. An error of the blog's is left to `refuse`."""

    def __init__(self, hasher: BcryptHasher, key: str) -> None:
        store = MemoryStore()
        tokens = JwtAccessTokens(key=key, algorithm="HS256", lifetime=timedelta(hours=1), now=now)
        self.accounts = blog.Accounts(transaction=lambda: MemoryTransaction(store), hasher=hasher, now=now)
        self.authenticating = blog.Authenticating(
            transaction=lambda: MemoryTransaction(store), users=MemoryUserQueries(store), hasher=hasher, tokens=tokens
        )
        self.publishing = blog.Publishing(
            transaction=lambda: MemoryTransaction(store), markdown=RustMarkdown(), now=now
        )
        self.articles = MemoryArticleQueries(store, now)

    async def register(self, request: Request) -> Response:
        values = await read(request, email=blog.Email, username=blog.Username, password=blog.NewPassword)
        return reply(201, asdict(await self.accounts.register(**values)))

    async def log_in(self, request: Request) -> Response:
        values = await read(request, username=str, password=blog.Password)
        return reply(200, asdict(await self.authenticating.log_in(**values)))

    async def write(self, request: Request) -> Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        actor = await self.authenticating.identify(token)
        values = await read(request, title=blog.Title, content=blog.Content)
        return reply(201, asdict(await self.publishing.write(actor=actor.id, published=True, **values)))

    async def show(self, request: Request) -> Response:
        slug = as_slug(request.path_params["slug"])
        return reply(200, asdict(await self.articles.get(slug, viewer=None)))

    async def newest(self, _: Request) -> Response:
        return reply(200, asdict(await self.articles.page(viewer=None, skip=0, limit=20)))


async def read(request: Request, **kinds: Callable[[str], Any]) -> dict[str, Any]:
    """The fields of a JSON body, as values that keep the blog's rules. Raises `Invalid`, which names the field."""
    try:
        body = await request.json()
    except ValueError:
        raise blog.Invalid("The body must be JSON.") from None
    values = {}
    for name, kind in kinds.items():
        text = body.get(name) if isinstance(body, dict) else None
        if not isinstance(text, str):
            raise blog.Invalid(f"{name}: Must be a string.")
        try:
            values[name] = kind(text)
        except blog.Invalid as error:
            raise blog.Invalid(f"{name}: {error}") from None
    return values


def as_slug(text: str) -> blog.Slug:
    """The slug in a path. Raises `NotFound` where it is none: no article has it."""
    try:
        return blog.Slug(text)
    except blog.Invalid:
        raise blog.NotFound("Article not found") from None


def reply(status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(content, default=datetime.isoformat), status, headers, "application/json")


async def refuse(_: Request, error: Exception) -> Response:
    status = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if isinstance(error, blog.Moved):
        headers["Location"] = f"/articles/{error.to}"
    return reply(status, {"error": str(error)}, headers)


def now() -> datetime:
    return datetime.now(UTC)


def build(api: Api) -> Starlette:
    return Starlette(
        routes=[
            Route("/register", api.register, methods=["POST"]),
            Route("/log-in", api.log_in, methods=["POST"]),
            Route("/articles", api.write, methods=["POST"]),
            Route("/articles", api.newest),
            Route("/articles/{slug}", api.show),
        ],
        exception_handlers={blog.BlogError: refuse},
    )


def from_environment() -> Starlette:
    return build(Api(BcryptHasher(), os.environ["SECRET_KEY"]))

"""Articles."""

import asyncio
import re
from typing import Annotated

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, SkipValidation

from blog.application.publishing import Publishing
from blog.application.queries import ArticleQueries, ArticleView
from blog.domain.articles import ArticleNotFound, Content, NotTheAuthor, Title
from blog.domain.errors import Unavailable
from blog.entrypoints.http.contract import JSON, Body, Contract, Path, Query


class LongContent(Content):
    """The content of an article in this contract: at least 10 characters."""

    __slots__ = ()
    MIN = 10


class NewArticle(Body):
    """An article to write."""

    title: Title
    content: LongContent
    published: bool = False


class ArticleChanges(Body):
    """What is to change; what is not sent stays as it is."""

    title: Title | msgspec.UnsetType = msgspec.UNSET
    content: LongContent | msgspec.UnsetType = msgspec.UNSET
    published: bool | msgspec.UnsetType = msgspec.UNSET


class Page(Query):
    """Which articles of the list."""

    skip: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000, description="How many to leave out.")] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=100, description="How many to show at most.")] = 100


class ArticlePath(Path):
    """Which article."""

    article_id: Annotated[int, msgspec.Meta(ge=1, le=10**18 - 1, description="The `id` of an article.")]


def article_number(article_id: FromPath[str]) -> int:
    """The number in the path; whatever is none names no article. An id fits in 64 bits."""
    if not re.fullmatch(r"[0-9]{1,18}", article_id):
        raise ArticleNotFound
    return int(article_id)


class Turns:
    """Takes turns at reading and encoding a page, which may take a hundred megabytes, so that memory has a bound."""

    def __init__(self, *, at_once: int = 2, patience: float = 10) -> None:
        self._turns, self._patience = asyncio.Semaphore(at_once), patience

    async def __aenter__(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._turns.acquire()
        except TimeoutError:
            raise Unavailable from None

    async def __aexit__(self, *_: object) -> None:
        self._turns.release()


ARTICLE = {"article": Provide(article_number, sync_to_thread=False)}


@get("/articles", tags=["articles"], contract=Contract(query=Page, reply=list[ArticleView], headers=("Link",)))
async def list_articles(
    parameters: NamedDependency[SkipValidation[Page]],
    viewer: NamedDependency[int | None],
    article_queries: NamedDependency[SkipValidation[ArticleQueries]],
    turns: NamedDependency[SkipValidation[Turns]],
) -> Response[bytes]:
    """The published articles and your own drafts, the newest first.

    `Link` leads to the pages before and after this one, where there are any.
    """
    async with turns:
        page = await article_queries.page(viewer=viewer, skip=parameters.skip, limit=parameters.limit)
        content = msgspec.json.encode(page.articles)
    return Response(content, media_type=JSON, headers=_links(parameters, more=page.more))


@get(
    "/articles/{article_id:str}",
    tags=["articles"],
    dependencies=ARTICLE,
    contract=Contract(path=ArticlePath, problems=(ArticleNotFound,)),
)
async def show_article(
    article: NamedDependency[int],
    viewer: NamedDependency[int | None],
    article_queries: NamedDependency[SkipValidation[ArticleQueries]],
) -> ArticleView:
    """One article.

    Nobody but its author finds a draft.
    """
    return await article_queries.get(article, viewer=viewer)


@post(
    "/articles",
    tags=["articles"],
    contract=Contract(body=NewArticle, signed_in=True, headers=("Location",)),
)
async def write_article(
    payload: NamedDependency[SkipValidation[NewArticle]],
    actor: NamedDependency[int],
    publishing: NamedDependency[SkipValidation[Publishing]],
) -> Response[ArticleView]:
    """Write an article, as a draft unless told otherwise."""
    article = await publishing.write(
        actor=actor, title=payload.title, content=payload.content, published=payload.published
    )
    return Response(article, headers={"Location": f"/articles/{article.id}"})


@patch(
    "/articles/{article_id:str}",
    tags=["articles"],
    dependencies=ARTICLE,
    contract=Contract(
        path=ArticlePath, body=ArticleChanges, signed_in=True, problems=(NotTheAuthor, ArticleNotFound)
    ),
)
async def edit_article(
    article: NamedDependency[int],
    payload: NamedDependency[SkipValidation[ArticleChanges]],
    actor: NamedDependency[int],
    publishing: NamedDependency[SkipValidation[Publishing]],
) -> ArticleView:
    """Change an article of yours.

    What is not sent stays as it is.
    """
    changes = {name: value for name, value in msgspec.structs.asdict(payload).items() if value is not msgspec.UNSET}
    return await publishing.edit(actor=actor, article=article, **changes)


@delete(
    "/articles/{article_id:str}",
    tags=["articles"],
    dependencies=ARTICLE,
    contract=Contract(path=ArticlePath, signed_in=True, problems=(NotTheAuthor, ArticleNotFound)),
)
async def delete_article(
    article: NamedDependency[int],
    actor: NamedDependency[int],
    publishing: NamedDependency[SkipValidation[Publishing]],
) -> None:
    """Delete an article of yours."""
    await publishing.delete(actor=actor, article=article)


def _links(page: Page, *, more: bool) -> dict[str, str]:
    """The pages before and after (RFC 8288), as absolute paths."""
    links = []
    if more:
        links.append(f'</articles?skip={page.skip + page.limit}&limit={page.limit}>; rel="next"')
    if page.skip:
        before = min(page.limit, page.skip)
        links.append(f'</articles?skip={page.skip - before}&limit={before}>; rel="prev"')
    return {"Link": ", ".join(links)} if links else {}

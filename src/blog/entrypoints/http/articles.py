"""Articles."""

import asyncio
import re
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol, Self
from urllib.parse import urlencode

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, SkipValidation

from blog.application.ports import Reply, TransactionFactory
from blog.application.publishing import Publishing
from blog.application.queries import ArticleQueries, ArticleView, RenderedArticleView
from blog.domain.articles import (
    PUBLICATION,
    AltText,
    ArticleNotFound,
    Content,
    Contradiction,
    EditedMeanwhile,
    Note,
    NotTheAuthor,
    Summary,
    Title,
    WebAddress,
    check_publication,
)
from blog.domain.errors import Invalid, Unavailable
from blog.domain.slugs import Slug
from blog.domain.tags import Tags
from blog.entrypoints.http.contract import JSON, Body, Contract, Path, Query
from blog.entrypoints.http.problems import FieldError, InvalidRequest
from blog.entrypoints.http.replies import Once, reply, respond

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class LongContent(Content):
    """The content of an article in this contract: at least 10 characters."""

    __slots__ = ()
    MIN = 10


class TextFields(Body):
    """What an article need not have."""

    summary: Summary | msgspec.UnsetType | None = msgspec.UNSET
    tags: Tags | msgspec.UnsetType = msgspec.UNSET
    cover_image_url: WebAddress | msgspec.UnsetType | None = msgspec.UNSET
    cover_image_alt: AltText | msgspec.UnsetType | None = msgspec.UNSET
    canonical_url: WebAddress | msgspec.UnsetType | None = msgspec.UNSET


class ArticleFields(TextFields):
    """What else can be said of it."""

    slug: Slug | msgspec.UnsetType = msgspec.UNSET
    featured: bool | msgspec.UnsetType = msgspec.UNSET
    published: bool | msgspec.UnsetType = msgspec.UNSET
    publish_at: Moment | msgspec.UnsetType | None = msgspec.UNSET
    unpublish_at: Moment | msgspec.UnsetType | None = msgspec.UNSET
    note: Note | msgspec.UnsetType = msgspec.UNSET


class NewArticle(ArticleFields, kw_only=True):
    """An article to write. It is a draft unless `published` or `publish_at` say otherwise."""

    title: Title
    content: LongContent


class ArticleChanges(ArticleFields):
    """What is to change; what is not sent stays as it is, and null clears."""

    title: Title | msgspec.UnsetType = msgspec.UNSET
    content: LongContent | msgspec.UnsetType = msgspec.UNSET


def check_times(body: ArticleFields) -> None:
    """Refuse what no article could be given, whatever it is now. Raises `InvalidRequest`."""
    try:
        check_publication(**{name: value for name, value in given(body).items() if name in PUBLICATION})
    except Contradiction as error:
        raise InvalidRequest([FieldError(pointer=f"#/{error.field}", detail=str(error))]) from None


def given(body: Body) -> Any:  # noqa: ANN401
    """The fields that were sent, as arguments of a use case."""
    return {name: value for name, value in msgspec.structs.asdict(body).items() if value is not msgspec.UNSET}


class TagList(Tags):
    """Tags, apart by commas: the articles that have all of them. Raises `Invalid`."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        return super().__new__(cls, text.split(","))


class Page(Query):
    """Which articles of the list."""

    skip: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000, description="How many to leave out.")] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=100, description="How many to show at most.")] = 100
    tags: TagList | msgspec.UnsetType = msgspec.UNSET


class Selection(Query):
    """What to show beside what always is."""

    include: Annotated[Literal["content_html"], msgspec.Meta(description="What to add.")] | msgspec.UnsetType = (
        msgspec.UNSET
    )


class ArticlePath(Path):
    """Which article."""

    article_id: Annotated[int, msgspec.Meta(ge=1, le=10**18 - 1, description="The `id` of an article.")]


class ArticleOrSlugPath(Path):
    """Which article, by its number or its address."""

    article_id: Annotated[str, msgspec.Meta(max_length=100, description="The `id` or the `slug` of an article.")]


def article_number(article_id: FromPath[str]) -> int:
    """The number in the path; whatever is none names no article. An id fits in 64 bits."""
    if not re.fullmatch(r"[0-9]{1,18}", article_id):
        raise ArticleNotFound
    return int(article_id)


def article_number_or_slug(article_id: FromPath[str]) -> int | Slug:
    """The number or the slug in the path; what is neither names no article."""
    if article_id.isdecimal():
        return article_number(article_id)
    try:
        return Slug(article_id)
    except Invalid:
        raise ArticleNotFound from None


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
    """The published articles and your own, whatever their status, the newest first.

    `tags` narrows them down to those that have all of these. `Link` leads to the pages before and after this one,
    where there are any.
    """
    tags = () if parameters.tags is msgspec.UNSET else parameters.tags
    async with turns:
        page = await article_queries.page(viewer=viewer, skip=parameters.skip, limit=parameters.limit, tags=tags)
        content = msgspec.json.encode(page.articles)
    return Response(content, media_type=JSON, headers=links("/articles", parameters, more=page.more))


@get(
    "/articles/{article_id:str}",
    tags=["articles"],
    dependencies={"which": Provide(article_number_or_slug, sync_to_thread=False)},
    contract=Contract(
        path=ArticleOrSlugPath,
        query=Selection,
        reply=(ArticleView, RenderedArticleView),
        headers=("ETag",),
        problems=(ArticleNotFound,),
        redirects=True,
    ),
)
async def show_article(
    which: NamedDependency[SkipValidation[int | Slug]],
    parameters: NamedDependency[SkipValidation[Selection]],
    viewer: NamedDependency[int | None],
    article_queries: NamedDependency[SkipValidation[ArticleQueries]],
) -> Response[bytes]:
    """One article, by its id or its slug.

    Nobody but its author finds one that is not published. A slug that the article had before leads to where it is.
    """
    html = parameters.include == "content_html"
    return respond(reply(await article_queries.get(which, viewer=viewer, html=html)))


@post(
    "/articles",
    tags=["articles"],
    contract=Contract(body=NewArticle, reply=ArticleView, signed_in=True, once=True, headers=("Location", "ETag")),
)
async def write_article(
    payload: NamedDependency[SkipValidation[NewArticle]],
    actor: NamedDependency[int],
    publishing: NamedDependency[SkipValidation[Publishing]],
    once: NamedDependency[SkipValidation[Once]],
) -> Response[bytes]:
    """Write an article, as a draft unless told otherwise.

    Published at once (`published`), or from some moment on (`publish_at`), which may be past: an article that was out
    elsewhere keeps its date.
    """
    check_times(payload)

    async def write(transaction: TransactionFactory) -> Reply:
        article = await replace(publishing, transaction=transaction).write(actor=actor, **given(payload))
        return reply(article, status=201, headers={"Location": f"/articles/{article.id}"})

    return await once(write)


@patch(
    "/articles/{article_id:str}",
    tags=["articles"],
    dependencies=ARTICLE,
    contract=Contract(
        path=ArticlePath,
        body=ArticleChanges,
        reply=ArticleView,
        signed_in=True,
        if_match=True,
        headers=("ETag",),
        problems=(NotTheAuthor, ArticleNotFound, EditedMeanwhile),
    ),
)
async def edit_article(
    article: NamedDependency[int],
    payload: NamedDependency[SkipValidation[ArticleChanges]],
    actor: NamedDependency[int],
    expected: NamedDependency[SkipValidation[frozenset[str] | None]],
    publishing: NamedDependency[SkipValidation[Publishing]],
) -> Response[bytes]:
    """Change an article of yours.

    What is not sent stays as it is. With `If-Match`, an article that was changed meanwhile is left alone. A `note`
    goes with the revision that comes of the change: alone it is refused, and what changes nothing makes no revision.
    """
    check_times(payload)
    return respond(reply(await publishing.edit(actor=actor, article=article, expected=expected, **given(payload))))


@delete(
    "/articles/{article_id:str}",
    tags=["articles"],
    dependencies=ARTICLE,
    contract=Contract(
        path=ArticlePath,
        signed_in=True,
        if_match=True,
        problems=(NotTheAuthor, ArticleNotFound, EditedMeanwhile),
    ),
)
async def delete_article(
    article: NamedDependency[int],
    actor: NamedDependency[int],
    expected: NamedDependency[SkipValidation[frozenset[str] | None]],
    publishing: NamedDependency[SkipValidation[Publishing]],
) -> None:
    """Delete an article of yours, and all its revisions.

    Nobody else is ever given its slug.
    """
    await publishing.delete(actor=actor, article=article, expected=expected)


@post(
    "/articles/{article_id:str}/archive",
    status_code=200,
    tags=["articles"],
    dependencies=ARTICLE,
    contract=Contract(
        path=ArticlePath,
        reply=ArticleView,
        signed_in=True,
        if_match=True,
        headers=("ETag",),
        problems=(NotTheAuthor, ArticleNotFound, EditedMeanwhile),
    ),
)
async def archive_article(
    article: NamedDependency[int],
    actor: NamedDependency[int],
    expected: NamedDependency[SkipValidation[frozenset[str] | None]],
    publishing: NamedDependency[SkipValidation[Publishing]],
) -> Response[bytes]:
    """Put an article of yours away.

    Nobody but you finds it from now on, until you publish it again.
    """
    return respond(reply(await publishing.archive(actor=actor, article=article, expected=expected)))


class Paged(Protocol):
    """Parameters of a page."""

    skip: int
    limit: int


def links(path: str, page: Paged, *, more: bool) -> dict[str, str]:
    """The pages before and after (RFC 8288), as absolute paths, with the other parameters as they are."""
    others = {
        name: ",".join(value) if isinstance(value, tuple) else str(value)
        for name, value in given(page).items()  # type: ignore[arg-type]
        if name not in ("skip", "limit")
    }

    def link(relation: str, skip: int, limit: int) -> str:
        return f'<{path}?{urlencode({"skip": skip, "limit": limit, **others})}>; rel="{relation}"'

    found = []
    if more:
        found.append(link("next", page.skip + page.limit, page.limit))
    if page.skip:
        before = min(page.limit, page.skip)
        found.append(link("prev", page.skip - before, before))
    return {"Link": ", ".join(found)} if found else {}

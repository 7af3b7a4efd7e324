"""Articles."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Annotated, Any

import msgspec
from litestar import delete, get, patch, post

from blog.application.ports import Reply, TransactionFactory
from blog.application.queries import ArticlePage, ArticleView
from blog.domain.articles import (
    PUBLICATION,
    AltText,
    ArticleNotFound,
    Content,
    Contradiction,
    Language,
    Note,
    NotTheAuthor,
    Summary,
    Title,
    check_publication,
)
from blog.domain.errors import Invalid
from blog.domain.preconditions import EditedMeanwhile, VersionExcluded
from blog.domain.slugs import Slug
from blog.domain.tags import Tags
from blog.domain.web_addresses import WebAddress
from blog.entrypoints.formats import atom
from blog.entrypoints.http.authentication import signed_in
from blog.entrypoints.http.conditions import as_http_date
from blog.entrypoints.http.contract import JSON, PARTIAL, Body, Contract, Path
from blog.entrypoints.http.delivery import LARGE
from blog.entrypoints.http.limits import encode_page
from blog.entrypoints.http.listing import (
    ArticleReply,
    Listing,
    Moment,
    PartialArticle,
    Selection,
    cursor_links,
    links,
)
from blog.entrypoints.http.problems import FieldError, InvalidRequest
from blog.entrypoints.http.replies import Answer, once, reply, respond
from blog.entrypoints.http.requests import ApiRequest, PathWord


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
    language: Language | msgspec.UnsetType | None = msgspec.UNSET
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


class ArticlePath(Path):
    """Which article."""

    article_id: Annotated[int, msgspec.Meta(ge=1, le=10**18 - 1, description="The `id` of an article.")]


class ArticleOrSlugPath(Path):
    """Which article, by its number or its address."""

    article_id: Annotated[str, msgspec.Meta(max_length=100, description="The `id` or the `slug` of an article.")]


def article_number(article_id: str) -> int:
    """The number in the path; whatever is none names no article. An id fits in 64 bits."""
    if not re.fullmatch(r"[0-9]{1,18}", article_id):
        raise ArticleNotFound
    return int(article_id)


def article_number_or_slug(article_id: str) -> int | Slug:
    """The number or the slug in the path; what is neither names no article."""
    if article_id.isdecimal():
        return article_number(article_id)
    try:
        return Slug(article_id)
    except Invalid:
        raise ArticleNotFound from None


def lengths(page: ArticlePage, selection: Selection, length: Callable[[str], int]) -> list[int]:
    """About how many bytes each article takes as JSON, if a text takes that `length`."""
    whole = selection.fields is msgspec.UNSET or "content" in selection.fields
    return [
        (length(article.content) if whole else 0) + length(article.content_html or "") + 1000
        for article in page.articles
    ]


def utf8_length(text: str) -> int:
    """How many bytes a text takes in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def shortened(page: ArticlePage, selection: Selection, *, backwards: bool) -> ArticlePage:
    """As much of a page as makes a reply that is not large, and one article at least."""
    step = -1 if backwards else 1
    totals = accumulate(lengths(page, selection, utf8_length)[::step])
    kept = max(1, sum(total <= LARGE for total in totals))
    if kept >= len(page.articles):
        return page
    return replace(page, articles=page.articles[::step][:kept][::step], more=True)


ALL = Selection()
SECOND = timedelta(seconds=1)


def article_reply(
    article: ArticleView, selection: Selection = ALL, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Reply:
    """What is shown of an article, under its entity tag."""
    return reply(selection.shown(article), edition=article.edition, status=status, headers=headers)


def last_modified(article: ArticleView, now: datetime) -> dict[str, str]:
    """Since when an article is what it is; none yet where another change within that second would look the same."""
    moment = max(article.updated_at, article.published_at or article.updated_at)
    return {"Last-Modified": as_http_date(moment)} if now - moment > SECOND else {}


@get(
    "/articles",
    tags=["articles"],
    contract=Contract(
        viewer=True,
        query=Listing,
        reply={JSON: list[ArticleReply], PARTIAL: list[PartialArticle]},
        headers=("Link", "X-Total-Count"),
    ),
)
async def list_articles(request: ApiRequest[None, Listing]) -> Answer:
    """The published articles and your own, whatever their status, those published last first.

    All that is given narrows them down. `Link` leads to the pages before and after this one, where there are any, and
    to the feed of the blog.
    Pages by `skip` shift when articles come and go. Pages by `cursor`, which begin with an empty one, do not, and the
    last is as cheap as the first. They may be shorter than `limit` where articles are long: follow `Link`.
    """
    parameters = request.parameters
    cursor = parameters.place
    async with request.limits.lists if parameters.q is msgspec.UNSET else request.limits.searches:
        page = await request.blog.article_queries.page(
            viewer=request.viewer,
            limit=parameters.limit,
            skip=parameters.skip,
            after=cursor.after if cursor else None,
            before=cursor.before if cursor else None,
            filter=parameters.filter,
            order=parameters.order,
            include=parameters.included,
            count=parameters.count,
        )
        if cursor is not None:
            page = shortened(page, parameters, backwards=cursor.before is not None)
        size = sum(lengths(page, parameters, len))
        request.budget.check(size)
        shown = [parameters.shown(article) for article in page.articles]
        content = await encode_page(shown, size, request.limits.large)
    if cursor is None:
        headers = links(request, request.site, skip=parameters.skip, limit=parameters.limit, more=page.more)
    else:
        headers = cursor_links(request, request.site, parameters, cursor, page)
    feed = f'<{request.site.url}/feed.atom>; rel="alternate"; type="{atom.MEDIA_TYPE}"'
    headers["Link"] = f"{headers['Link']}, {feed}" if headers else feed
    if page.total is not None:
        headers["X-Total-Count"] = str(page.total)
    return Answer(content, media_type=parameters.media_type, headers=headers)


@get(
    "/articles/{article_id:str}",
    tags=["articles"],
    contract=Contract(
        viewer=True,
        path=ArticleOrSlugPath,
        query=Selection,
        reply={JSON: ArticleReply, PARTIAL: PartialArticle},
        headers=("ETag",),
        problems=(ArticleNotFound,),
        redirects=True,
    ),
)
async def show_article(article_id: PathWord, request: ApiRequest[None, Selection]) -> Answer:
    """One article, by its id or its slug.

    Nobody but its author finds one that is not published: by its id, and by the slug that it is to have. A slug that
    the article had before leads to where it is.
    """
    parameters, blog = request.parameters, request.blog
    article = await blog.article_queries.get(
        article_number_or_slug(article_id), viewer=request.viewer, include=parameters.included
    )
    shown = article_reply(article, parameters, headers=last_modified(article, blog.now()))
    return respond(shown, media_type=parameters.media_type)


@post(
    "/articles",
    tags=["articles"],
    guards=[signed_in],
    contract=Contract(body=NewArticle, reply=ArticleReply, once=True, headers=("Location", "ETag")),
)
async def write_article(request: ApiRequest[NewArticle, None]) -> Answer:
    """Write an article, as a draft unless told otherwise.

    Published at once (`published`), or from some moment on (`publish_at`), which may be past: an article that was out
    elsewhere keeps its date.
    """
    payload = request.payload
    check_times(payload)

    async def write(transaction: TransactionFactory) -> Reply:
        article = await replace(request.blog.publishing, transaction=transaction).write(
            actor=request.actor, **given(payload)
        )
        return article_reply(article, status=201, headers={"Location": f"/articles/{article.id}"})

    return await once(request, write)


@patch(
    "/articles/{article_id:str}",
    tags=["articles"],
    guards=[signed_in],
    contract=Contract(
        path=ArticlePath,
        body=ArticleChanges,
        reply=ArticleReply,
        if_match=True,
        headers=("ETag",),
        problems=(NotTheAuthor, ArticleNotFound, EditedMeanwhile, VersionExcluded),
    ),
)
async def edit_article(article_id: PathWord, request: ApiRequest[ArticleChanges, None]) -> Answer:
    """Change an article of yours.

    What is not sent stays as it is. With `If-Match`, an article that was changed meanwhile is left alone. A `note`
    goes with the revision that comes of the change: alone it is refused, and what changes nothing makes no revision.
    """
    payload = request.payload
    check_times(payload)
    edited = await request.blog.publishing.edit(
        actor=request.actor, article=article_number(article_id), expected=request.precondition, **given(payload)
    )
    return respond(article_reply(edited))


@delete(
    "/articles/{article_id:str}",
    tags=["articles"],
    guards=[signed_in],
    contract=Contract(
        path=ArticlePath,
        if_match=True,
        problems=(NotTheAuthor, ArticleNotFound, EditedMeanwhile, VersionExcluded),
    ),
)
async def delete_article(article_id: PathWord, request: ApiRequest[None, None]) -> None:
    """Delete an article of yours, and all its revisions.

    Nobody else is ever given its slug.
    """
    await request.blog.publishing.delete(
        actor=request.actor, article=article_number(article_id), expected=request.precondition
    )


@post(
    "/articles/{article_id:str}/archive",
    status_code=200,
    tags=["articles"],
    guards=[signed_in],
    contract=Contract(
        path=ArticlePath,
        reply=ArticleReply,
        if_match=True,
        headers=("ETag",),
        problems=(NotTheAuthor, ArticleNotFound, EditedMeanwhile, VersionExcluded),
    ),
)
async def archive_article(article_id: PathWord, request: ApiRequest[None, None]) -> Answer:
    """Put an article of yours away.

    Nobody but you finds it from now on, until you publish it again.
    """
    return respond(
        article_reply(
            await request.blog.publishing.archive(
                actor=request.actor, article=article_number(article_id), expected=request.precondition
            )
        )
    )

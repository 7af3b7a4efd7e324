"""Feeds: the latest articles of the blog, of an author and of a tag, for programs that look in now and then."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode

import msgspec
from litestar import Request, get

from blog.application.queries import ArticleFilter, Include, Order, Sort
from blog.domain.errors import Invalid, NotFound
from blog.domain.tags import Tag, TagNotFound
from blog.domain.users import Username, UserNotFound
from blog.entrypoints.formats import atom, jsonfeed, rss
from blog.entrypoints.formats.feeds import Feed
from blog.entrypoints.http.contract import Contract, LinkQuery, Path
from blog.entrypoints.http.listing import Cursor, around
from blog.entrypoints.http.problems import SENTENCES, FieldError, InvalidRequest
from blog.entrypoints.http.replies import Answer
from blog.entrypoints.http.requests import ApiRequest, PathWord

ENTRIES = 20
"""How many are on a page."""

SORT = "-published_at"
LATEST = Order(by=Sort.PUBLISHED_AT)

FORMATS: dict[str, Callable[[Feed], bytes]] = {"atom": atom.write, "rss": rss.write, "json": jsonfeed.write}
MEDIA_TYPES = {
    "atom": f"{atom.MEDIA_TYPE}; charset=utf-8",
    "rss": f"{rss.MEDIA_TYPE}; charset=utf-8",
    "json": jsonfeed.MEDIA_TYPE,  # which has no such parameter: JSON is in UTF-8 (RFC 8259, section 11)
}


FILES = frozenset(f"feed.{kind}" for kind in FORMATS)


class NoSuchFormat(NotFound):
    """What the router says of another ending, for the document."""

    sentence = SENTENCES[HTTPStatus.NOT_FOUND]


class FeedPath(Path):
    """In which format."""

    format: Annotated[
        Literal["atom", "rss", "json"], msgspec.Meta(description="Atom (RFC 4287), RSS 2.0 or JSON Feed 1.1.")
    ]


class FeedOfAuthorPath(FeedPath):
    """Whose, and in which format."""

    username: Username


class FeedOfTagPath(FeedPath):
    """Of what, and in which format."""

    tag: Tag


class FeedPage(LinkQuery, frozen=True):
    """Which page of a feed, and how much of each article."""

    content: Annotated[
        Literal["full", "summary"], msgspec.Meta(description="The articles whole, or what they are about.")
    ] = "full"
    cursor: Cursor | msgspec.UnsetType = msgspec.UNSET

    @property
    def place(self) -> Cursor:
        """Where to go on. Raises `InvalidRequest` where that is in a list of another order."""
        cursor = Cursor("") if self.cursor is msgspec.UNSET else self.cursor
        if cursor.sort not in (None, SORT):
            raise InvalidRequest([FieldError(parameter="cursor", detail="Must be of a link of a feed.")])
        return cursor


async def feed_of(
    request: ApiRequest[None, FeedPage], wanted: ArticleFilter, *, title: str, path: str, home: str
) -> Answer:
    """The feed of some articles, as the request wants it.

    `path` is its address without the format, and `home` the address of what it is a feed of.
    """
    kind = request.scope["path"].rstrip("/").rpartition(".")[2]
    parameters, site = request.parameters, request.site
    place = parameters.place
    asked = dict(parse_qsl(request.scope["query_string"].decode(errors="replace")))

    def page(cursor: str | None) -> str:
        # What third parties add to a link is nothing of the feed's address.
        content = {"content": asked["content"]} if "content" in asked else {}
        query = urlencode(content | ({"cursor": cursor} if cursor else {}))
        return f"{site.url}{path}.{kind}" + (f"?{query}" if query else "")

    included = {Include.AUTHOR, *([Include.CONTENT_HTML] if parameters.content == "full" else [])}
    async with request.limits.feeds:
        # Whoever asks: a feed is for anybody, and its reader may keep it where others see it.
        found = await request.blog.article_queries.page(
            viewer=None,
            limit=ENTRIES,
            after=place.after,
            before=place.before,
            filter=wanted,
            order=LATEST,
            include=included,
        )
        request.budget.check(sum(len(article.content_html or "") for article in found.articles))
        cursors = around(SORT, place, found)
        feed = Feed(
            site=site,
            title=title,
            home=home,
            page=page(asked.get("cursor")),
            first=page(None),
            previous=page(cursors["prev"]) if "prev" in cursors else None,
            next=page(cursors["next"]) if "next" in cursors else None,
            articles=found.articles,
        )
        # No Last-Modified: an article that is taken back leaves the others as old as they are, and a reader that
        # goes by dates alone would keep it. The entity tag is of all that is shown.
        content = await asyncio.to_thread(FORMATS[kind], feed)
        return Answer(content, media_type=MEDIA_TYPES[kind])


def in_each_format(path: str) -> list[str]:
    """The places of a feed."""
    return [f"{path}.{kind}" for kind in FORMATS]


def tag_of(request: Request[Any, Any, Any]) -> Tag:
    """The tag in the path, in which %2F is a slash of its own. Raises `TagNotFound`."""
    sent = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
    # The encoding of other characters makes no difference (RFC 3986, section 6.2.2.2), and neither do empty segments.
    segments = [unquote_to_bytes(segment) for segment in sent.split(b"/") if segment]
    try:
        _, tag, feed = segments
        if feed.decode() not in FILES:
            raise TagNotFound
        return Tag(tag.decode())
    except (Invalid, ValueError):
        raise TagNotFound from None


SHOWN = {atom.MEDIA_TYPE: str, rss.MEDIA_TYPE: str, jsonfeed.MEDIA_TYPE: jsonfeed.JsonFeed}


@get(
    in_each_format("/feed"),
    tags=["feeds"],
    exclude_from_auth=True,
    contract=Contract(
        address="/feed.{format}",
        path=FeedPath,
        query=FeedPage,
        reply=SHOWN,
        problems=(NoSuchFormat,),
    ),
)
async def show_feed(request: ApiRequest[None, FeedPage]) -> Answer:
    """The latest articles as a feed.

    Twenty on a page; `next` and `previous` lead on (RFC 5005). The `id` of an entry stays what it is, whatever
    becomes of the article's title and address.
    """
    return await feed_of(
        request, ArticleFilter(), title=request.site.name, path="/feed", home=request.site.list_of_articles()
    )


@get(
    in_each_format("/users/{username:str}/feed"),
    tags=["feeds"],
    exclude_from_auth=True,
    contract=Contract(
        address="/users/{username}/feed.{format}",
        path=FeedOfAuthorPath,
        query=FeedPage,
        reply=SHOWN,
        problems=(UserNotFound,),
    ),
)
async def show_feed_of_author(username: PathWord, request: ApiRequest[None, FeedPage]) -> Answer:
    """The latest articles of an author as a feed."""
    try:
        name = Username(username)
    except Invalid:
        raise UserNotFound from None
    author = (await request.blog.user_queries.profile(name)).username
    return await feed_of(
        request,
        ArticleFilter(author=name),
        title=f"{author} · {request.site.name}",
        path=f"/users/{author}/feed",
        home=request.site.author(author),
    )


# The router has the path decoded, with any slash of the tag in it.
@get(
    "/tags/{rest:path}",
    tags=["feeds"],
    exclude_from_auth=True,
    contract=Contract(
        address="/tags/{tag}/feed.{format}",
        path=FeedOfTagPath,
        query=FeedPage,
        reply=SHOWN,
        problems=(TagNotFound,),
    ),
)
async def show_feed_of_tag(request: ApiRequest[None, FeedPage]) -> Answer:
    """The latest articles that have a tag as a feed.

    It is empty as long as none has, so that whoever waits for the first one finds it there.
    """
    tag = tag_of(request)
    return await feed_of(
        request,
        ArticleFilter(tags=(tag,)),
        title=f"{tag} · {request.site.name}",
        path=f"/tags/{quote(tag, safe='')}/feed",
        home=request.site.list_of_articles(tag=tag),
    )

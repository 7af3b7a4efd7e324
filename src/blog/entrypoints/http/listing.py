"""Which articles, in what order, which page of them, and what of each: the parameters of a list, and its links."""

import base64
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Request

from blog.application.queries import (
    RANKED,
    ArticleFilter,
    ArticlePage,
    ArticleView,
    AuthorView,
    Include,
    Order,
    Place,
    Sort,
)
from blog.domain.articles import Language, Status, utc_of
from blog.domain.errors import Invalid
from blog.domain.searches import SearchWords
from blog.domain.tags import Tags
from blog.domain.text import check_text
from blog.domain.users import Username
from blog.entrypoints.formats.feeds import Site
from blog.entrypoints.http.contract import JSON, PARTIAL, CommaSeparated, Query
from blog.entrypoints.http.problems import FieldError, InvalidRequest

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
SortName = Literal[
    "-date", "date", "-created_at", "created_at", "-published_at", "published_at", "-updated_at", "updated_at"
]
Direction = Literal["after", "before"]

FIELDS = tuple(this.name for this in msgspec.inspect.type_info(ArticleView).fields if this.required)  # type: ignore[attr-defined]
"""What is always shown of an article, unless fewer fields are asked for."""

_ALWAYS = attrgetter(*FIELDS)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class ArticleReply(msgspec.Struct):
    """An article. Times are UTC, to the microsecond."""

    id: int
    title: str
    content: Annotated[str, msgspec.Meta(description="Markdown.")]
    published: bool
    author_id: int
    created_at: datetime
    updated_at: datetime
    slug: str
    summary: Annotated[str | None, msgspec.Meta(description="The author's own.")]
    excerpt: Annotated[str, msgspec.Meta(description="The summary; without one, how the text begins.")]
    tags: Sequence[str]
    status: Status
    published_at: Annotated[datetime | None, msgspec.Meta(description="When it was first there for everybody.")]
    publish_at: Annotated[datetime | None, msgspec.Meta(description="For its author alone, as the next one.")]
    unpublish_at: datetime | None
    version: int
    edition: Annotated[str, msgspec.Meta(description="Names the version; in quotes, it is good for If-Match.")]
    reading_minutes: int
    word_count: int
    cover_image_url: str | None
    cover_image_alt: str | None
    canonical_url: str | None
    featured: bool
    language: str | None
    has_working_copy: Annotated[bool | None, msgspec.Meta(description="For its author alone.")]
    author: AuthorView | msgspec.UnsetType = msgspec.UNSET
    content_html: Annotated[str, msgspec.Meta(description="Safe to show.")] | msgspec.UnsetType = msgspec.UNSET
    highlight: Annotated[str, msgspec.Meta(description="What a search found, as HTML.")] | msgspec.UnsetType = (
        msgspec.UNSET
    )


if TYPE_CHECKING:
    PartialArticle = ArticleReply
else:
    PartialArticle = msgspec.defstruct(
        "PartialArticle",
        [(this.name, this.type | msgspec.UnsetType, msgspec.UNSET) for this in msgspec.structs.fields(ArticleReply)],
        namespace={"__doc__": "Those fields of an article that were asked for."},
        kw_only=True,
    )


class Names(CommaSeparated, tuple[str, ...]):
    """Names of an allow-list, separated by commas, each once. Raises `Invalid`."""

    __slots__ = ()
    ALLOWED: ClassVar[tuple[str, ...]]

    def __new__(cls, text: str) -> Self:
        # One more than there can be, or the last two are the same.
        names = text.split(",", len(cls.ALLOWED))
        for name in names:
            if name not in cls.ALLOWED:
                raise Invalid(f"Must be some of {', '.join(cls.ALLOWED)}, separated by commas.")
            if names.count(name) > 1:
                raise Invalid(f"Must name each once; {name} comes twice.")
        return super().__new__(cls, names)


class FieldList(Names):
    """The fields to show instead of all of them: repeated or comma-separated. Raises `Invalid`."""

    __slots__ = ()
    ALLOWED = FIELDS


class IncludeList(Names):
    """What to show besides: repeated or comma-separated. Raises `Invalid`."""

    __slots__ = ()
    ALLOWED = tuple(Include)


class TagList(CommaSeparated, Tags):
    """Tags, repeated or comma-separated: the articles that have all of them. Raises `Invalid`."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        return super().__new__(cls, text.split(",", cls.MAX))


class LanguageRange(Language):
    """A language range, without case: `en` finds `en-GB`, too (RFC 4647, section 3.3.1). Raises `Invalid`."""

    __slots__ = ()


class Timestamp:
    """A moment with its zone (RFC 3339). Raises `Invalid`."""

    MIN: ClassVar[int] = 20
    MAX: ClassVar[int] = 40

    def __init__(self, text: str) -> None:
        check_text(text, at_least=self.MIN, at_most=self.MAX)
        try:
            # Of a parameter, msgspec by itself would take a number, too.
            self.moment = utc_of("", msgspec.convert(text, Moment))
        except msgspec.ValidationError:
            raise Invalid("Must be a moment with its zone, such as 2026-03-04T12:00:00Z.") from None


class Cursor:
    """Where to go on, as a link of the page before says; empty to begin. Raises `Invalid`."""

    MIN: ClassVar[int] = 0
    MAX: ClassVar[int] = 200

    def __init__(self, text: str) -> None:
        self.sort: str | None = None
        self.after: Place | None = None
        self.before: Place | None = None
        if not text:
            return
        try:
            if not re.fullmatch(rf"[A-Za-z0-9_-]{{1,{self.MAX}}}", text):
                raise ValueError
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            self.sort, direction, moment, number = msgspec.json.decode(raw, type=tuple[SortName, Direction, int, int])
            place = Place(moment=EPOCH + moment * MICROSECOND, id=number)
            if abs(number) >= 2**63:
                raise OverflowError
        except (ValueError, OverflowError):
            raise Invalid("Must be a cursor of a link that was given here.") from None
        if direction == "after":
            self.after = place
        else:
            self.before = place

    @classmethod
    def at(cls, sort: str, direction: Direction, article: ArticleView) -> str:
        """The cursor to what comes after or before an article in this order."""
        moment = (getattr(article, sort.removeprefix("-")) - EPOCH) // MICROSECOND
        raw = msgspec.json.encode((sort, direction, moment, article.id))
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Selection(Query, frozen=True):
    """What to show of an article."""

    fields: FieldList | msgspec.UnsetType = msgspec.UNSET
    include: IncludeList | msgspec.UnsetType = msgspec.UNSET

    @property
    def included(self) -> frozenset[Include]:
        """What is asked for beside what is always there."""
        return frozenset() if self.include is msgspec.UNSET else frozenset(map(Include, self.include))

    @property
    def media_type(self) -> str:
        """The media type of what is shown."""
        return JSON if self.fields is msgspec.UNSET else PARTIAL

    def shown(self, article: ArticleView) -> "ArticleReply | PartialArticle":
        """The article as it is asked for."""
        included: dict[str, Any] = {name: getattr(article, name) for name in self.included}
        if article.highlight is not None:
            included["highlight"] = article.highlight
        if self.fields is msgspec.UNSET:
            return ArticleReply(*_ALWAYS(article), **included)
        return PartialArticle(**{name: getattr(article, name) for name in self.fields}, **included)


class Listing(Selection, frozen=True):
    """Which articles of the list."""

    skip: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000, description="How many to leave out.")] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=100, description="How many to show at most.")] = 100
    cursor: Cursor | msgspec.UnsetType = msgspec.UNSET
    count: Annotated[bool, msgspec.Meta(description="Whether to say how many there are (X-Total-Count).")] = False
    q: SearchWords | msgspec.UnsetType = msgspec.UNSET
    sort: (
        Annotated[
            SortName,
            msgspec.Meta(
                description="The order, with a minus the latest first. `date` is when an article was published, or "
                "is to be, and else when it was created. By default `-date`; of a search, relevance: among the "
                f"{RANKED} articles that were written last, then among the {RANKED} before them."
            ),
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    language: LanguageRange | msgspec.UnsetType = msgspec.UNSET
    author: Username | msgspec.UnsetType = msgspec.UNSET
    tags: TagList | msgspec.UnsetType = msgspec.UNSET
    status: (
        Annotated[Status, msgspec.Meta(description="Of others there are none but published ones.")]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    featured: bool | msgspec.UnsetType = msgspec.UNSET
    has_working_copy: (
        Annotated[
            bool, msgspec.Meta(description="Your own articles that have a working copy, or those that have none.")
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    published_after: Timestamp | msgspec.UnsetType = msgspec.UNSET
    published_before: Timestamp | msgspec.UnsetType = msgspec.UNSET

    @property
    def order(self) -> Order:
        """The order that `sort` names."""
        if self.sort is msgspec.UNSET and self.q is not msgspec.UNSET:
            return Order(by=Sort.RELEVANCE)
        return Order(by=Sort(self.sort_name.removeprefix("-")), ascending=not self.sort_name.startswith("-"))

    @property
    def sort_name(self) -> SortName:
        """How a cursor names the order."""
        return "-date" if self.sort is msgspec.UNSET else self.sort

    @property
    def filter(self) -> ArticleFilter:
        """Which articles are wanted."""
        given = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not msgspec.UNSET}
        for name in given.keys() & {"published_after", "published_before"}:
            given[name] = given[name].moment
        given["words"] = given.pop("q", None)
        return ArticleFilter(**{name: given[name] for name in ArticleFilter.__slots__ if name in given})

    @property
    def place(self) -> Cursor | None:
        """Where to go on, on a page by cursor. Raises `InvalidRequest` where that does not go with the others."""
        if self.cursor is msgspec.UNSET:
            return None
        if self.skip:
            raise InvalidRequest([FieldError(parameter="skip", detail="Must not be sent along with cursor.")])
        if self.order.by is Sort.RELEVANCE:
            raise InvalidRequest([FieldError(parameter="cursor", detail="Needs a sort other than relevance.")])
        if self.cursor.sort not in (None, self.sort_name):
            detail = f"Must be of the same sort: this one is of {self.cursor.sort}, and the list of {self.sort_name}."
            raise InvalidRequest([FieldError(parameter="cursor", detail=detail)])
        return self.cursor


def links(request: Request[Any, Any, Any], site: Site, *, skip: int, limit: int, more: bool) -> dict[str, str]:
    """The header that leads to the pages before and after (RFC 8288), by how many come before them."""
    found = []
    if more:
        found.append(_link(request, site, "next", skip=skip + limit, limit=limit))
    if skip:
        before = min(limit, skip)
        found.append(_link(request, site, "prev", skip=skip - before, limit=before))
    return {"Link": ", ".join(found)} if found else {}


def cursor_links(
    request: Request[Any, Any, Any], site: Site, page: Listing, cursor: Cursor, found: ArticlePage
) -> dict[str, str]:
    """The same by the places of the first and the last article of this page."""
    places = around(page.sort_name, cursor, found)
    links = [_link(request, site, relation, cursor=there) for relation, there in places.items()]
    return {"Link": ", ".join(links)} if links else {}


def around(sort: str, cursor: Cursor, found: ArticlePage) -> dict[str, str]:
    """The cursors to the pages behind and before this one, by their relations (RFC 8288), where there are any."""
    cursors: dict[str, str] = {}
    if found.articles and (found.more or cursor.before):
        cursors["next"] = Cursor.at(sort, "after", found.articles[-1])
    if found.articles and (cursor.after or (cursor.before and found.more)):
        cursors["prev"] = Cursor.at(sort, "before", found.articles[0])
    return cursors


def _link(request: Request[Any, Any, Any], site: Site, relation: str, **different: object) -> str:
    """Another page of the same, as an absolute path, with the other parameters as they came."""
    path = site.path + request.scope["path"].rstrip("/")
    return f'<{path}?{_changed(request.scope["query_string"], tuple(different.items()))}>; rel="{relation}"'


@lru_cache(1024)
def _changed(query: bytes, different: tuple[tuple[str, object], ...]) -> str:
    """A query with some parameters changed. Lists are asked for by the same queries again and again."""
    others = [(name, value) for name, value in parse_qsl(query.decode()) if name not in dict(different)]
    return urlencode([*different, *others])

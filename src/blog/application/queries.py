"""Reads: views that are ready to show, each with a fixed number of statements, whatever their size.

`viewer` is the id of the user who reads, or None: what it may not see is not there. What is visible depends on the
moment, which the adapters know.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, Self

from blog.domain.articles import Article, Language, Manuscript, Status, reading_minutes
from blog.domain.searches import SearchWords
from blog.domain.slugs import Slug
from blog.domain.tags import Tag
from blog.domain.users import User, Username
from blog.domain.working_copies import WorkingCopy


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorView:
    """Whose an article is."""

    id: int
    username: str


@dataclass(slots=True)
class ArticleView:
    """An article. Times are UTC, to the microsecond.

    It is not frozen, because making one that is takes ten times as long, and a page has a hundred of them.
    """

    id: int
    title: str
    content: str
    published: bool
    author_id: int
    created_at: datetime
    updated_at: datetime
    slug: str
    summary: str | None
    """The author's own."""
    excerpt: str
    """The summary, or how the text begins where there is none."""
    tags: Sequence[str]
    status: Status
    published_at: datetime | None
    publish_at: datetime | None
    unpublish_at: datetime | None
    version: int
    edition: str
    reading_minutes: int
    word_count: int
    cover_image_url: str | None
    cover_image_alt: str | None
    canonical_url: str | None
    featured: bool
    language: str | None
    has_working_copy: bool | None
    """For its author alone; None for everybody else."""
    author: AuthorView | None = None
    """Where it was asked for, as the next one."""
    content_html: str | None = None
    highlight: str | None = None
    """Where what was searched for stands in it, as HTML with `mark` around that. A search alone has it."""

    @property
    def date(self) -> datetime:
        """By what lists are in order (`Article.date`): its author alone is shown what is scheduled."""
        if self.published_at is None and self.status is Status.SCHEDULED:
            return self.publish_at or self.created_at
        return self.published_at or self.created_at

    @classmethod
    def of(cls, article: Article, *, viewer: int | None, at: datetime, **included: Any) -> Self:  # noqa: ANN401
        kept = columns(article)
        copied = article.has_working_copy
        return cls.seen([kept[name] for name in SEEN], viewer=viewer, at=at, has_working_copy=copied, **included)

    @classmethod
    def seen(
        cls,
        kept: Iterable[Any],
        *,
        viewer: int | None,
        at: datetime,
        has_working_copy: bool | None = None,
        author: AuthorView | None = None,
        content_html: str | None = None,
        highlight: str | None = None,
    ) -> Self:
        """What somebody sees at some moment of an article of which `kept` are the parts that `SEEN` names.

        Whether it is visible at all was decided before. When it will be hidden again, and whether there is a working
        copy, is for its author alone. `slug` is that under which it is out, if it is.
        """
        # By their places: a page has a hundred of them, and their names would take longer than everything else.
        # fmt: off
        (
            number, title, content, author_id, created_at, updated_at, slug, summary, excerpt, tags,
            publish_at, unpublish_at, published_at, version, edition, word_count,
            cover_image_url, cover_image_alt, canonical_url, featured, language,
        ) = kept
        status = Status.at(at, publish_at=publish_at, unpublish_at=unpublish_at)
        own = viewer == author_id
        return cls(
            number, title, content, status is Status.PUBLISHED, author_id, created_at, updated_at, slug,
            summary, excerpt if summary is None else summary, tags, status,
            published_at if published_at is not None and published_at <= at else None,
            publish_at if own else None, unpublish_at if own else None,
            version, edition, reading_minutes(word_count), word_count,
            cover_image_url, cover_image_alt, canonical_url, featured, language,
            has_working_copy if own else None, author, content_html, highlight,
        )
        # fmt: on


SEEN = (
    *("id", "title", "content", "author_id", "created_at", "updated_at", "slug", "summary", "excerpt", "tags"),
    *("publish_at", "unpublish_at", "published_at", "version", "edition", "word_count"),
    *("cover_image_url", "cover_image_alt", "canonical_url", "featured", "language"),
)
"""Of what is kept of an article (`columns`), what a view of it is made of, in this order."""


def plain(manuscript: Manuscript) -> dict[str, Any]:
    """A manuscript as strings, and its tags as a list of them."""
    parts = {this.name: getattr(manuscript, this.name) for this in fields(manuscript)}
    texts = {name: value if value is None else str(value) for name, value in parts.items()}
    return texts | {"tags": [str(tag) for tag in manuscript.tags]}


def columns(article: Article) -> dict[str, Any]:
    """An article as its plain parts, which an adapter keeps: strings, numbers, moments and a list of tags."""
    return plain(article.manuscript) | {
        "id": article.id,
        "author_id": article.author_id,
        "slug": str(article.slug),
        "address": None if article.address is None else str(article.address),
        "featured": article.featured,
        "language": None if article.language is None else str(article.language),
        "publish_at": article.publish_at,
        "unpublish_at": article.unpublish_at,
        "published_at": article.published_at,
        "version": article.version,
        "edition": article.edition,
        "excerpt": article.rendition.excerpt,
        "word_count": article.rendition.word_count,
        "created_at": article.created_at,
        "updated_at": article.updated_at,
    }


class Include(StrEnum):
    """What a view of an article may hold beside what it always does."""

    AUTHOR = "author"
    CONTENT_HTML = "content_html"


class Sort(StrEnum):
    """What articles can be put in order by; within one microsecond, by `id`."""

    DATE = "date"
    """When an article was first published, or will be; else when it was created."""
    CREATED_AT = "created_at"
    PUBLISHED_AT = "published_at"
    UPDATED_AT = "updated_at"
    RELEVANCE = "relevance"
    """To what is searched for, among `RANKED` articles at a time. Places in this order are not kept."""


RANKED = 500
"""Articles that are compared with each other by relevance: of those that match, the ones with the highest ids, which
were written last, stand first; then come as many more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The order of a list. By `published_at` it holds those articles alone that have been out."""

    by: Sort = Sort.DATE
    ascending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in an order an article stands, whether or not it is still there."""

    moment: datetime
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleFilter:
    """Which articles: those for which all holds that is given."""

    author: Username | None = None
    tags: Collection[Tag] = ()
    """All of them, in whatever spelling."""
    status: Status | None = None
    """Of others there are none but published ones."""
    featured: bool | None = None
    published_after: datetime | None = None
    published_before: datetime | None = None
    language: Language | None = None
    """A language range, which matches longer tags too: see `Language.matches`."""
    has_working_copy: bool | None = None
    """The viewer's own articles that have a working copy, or those that have none."""
    words: SearchWords | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticlePage:
    """Some articles, whether there are more behind them, and of how many they are, where that was asked for."""

    articles: Sequence[ArticleView]
    more: bool
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TagView:
    """A tag, and how many articles that the viewer may read have it."""

    tag: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressView:
    """Where an article is, and since when it has been what it is there."""

    id: int
    slug: str
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingCopyView:
    """The text of an article as it is going to be, and the version of the article that it began from."""

    article_id: int
    based_on: int
    title: str
    content: str
    content_html: str
    summary: str | None
    excerpt: str
    """The summary, or how the text begins where there is none."""
    tags: Sequence[str]
    cover_image_url: str | None
    cover_image_alt: str | None
    canonical_url: str | None
    word_count: int
    reading_minutes: int
    version: int
    edition: str
    updated_at: datetime

    @classmethod
    def of(cls, copy: WorkingCopy) -> Self:
        text = plain(copy.manuscript)
        return cls(
            **text,
            excerpt=copy.rendition.excerpt if text["summary"] is None else text["summary"],
            article_id=copy.article_id,
            based_on=copy.based_on,
            content_html=copy.rendition.html,
            word_count=copy.rendition.word_count,
            reading_minutes=reading_minutes(copy.rendition.word_count),
            version=copy.version,
            edition=copy.edition,
            updated_at=copy.updated_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """A user as itself sees it."""

    id: int
    email: str
    username: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(
            id=user.id,
            email=str(user.email),
            username=str(user.username),
            created_at=user.created_at,
            updated_at=user.updated_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileView:
    """A user as anybody sees it."""

    id: int
    username: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UserView:
    """A user as those who run the blog see it."""

    id: int
    username: str
    email: str
    created_at: datetime
    disabled_at: datetime | None
    articles: int
    """How many it wrote, whether or not they are out."""

    @classmethod
    def of(cls, user: User, *, articles: int) -> Self:
        return cls(
            id=user.id,
            username=str(user.username),
            email=str(user.email),
            created_at=user.created_at,
            disabled_at=user.disabled_at,
            articles=articles,
        )


ANY = ArticleFilter()
NEWEST_FIRST = Order()


class ArticleQueries(Protocol):
    """Reading articles."""

    async def get(self, which: int | Slug, *, viewer: int | None, include: Collection[Include] = ()) -> ArticleView:
        """The article with this id, or with this slug.

        Where nobody has the slug, or only an article that is hidden from the viewer, it is the viewer's own that is
        to have it: of several, the one with the highest id. Raises `ArticleMoved` where the slug was public and the
        article has another now, `ArticleNotFound` also where it is hidden from the viewer.
        """

    async def page(
        self,
        *,
        viewer: int | None,
        limit: int,
        skip: int = 0,
        after: Place | None = None,
        before: Place | None = None,
        filter: ArticleFilter = ANY,  # noqa: A002
        order: Order = NEWEST_FIRST,
        include: Collection[Include] = (),
        count: bool = False,
        highlights: bool = True,
    ) -> ArticlePage:
        """At most `limit` (1 or more) of the articles that the viewer may read, in order.

        They are the first after `skip` (0 or more), or the first that come after a place, or the last that come
        before one; there are `more` in that direction. With `count`, the page says how many there are in all.

        What a search finds has its `highlight`, unless there are to be no `highlights`: they take longer than all the
        rest. Of long articles on a long page, one may show the beginning and not where the words are.
        """

    async def tags(self, *, viewer: int | None, skip: int, limit: int) -> Sequence[TagView]:
        """The tags of the articles that the viewer may read, the most frequent first.

        Each in the spelling of the newest article that has it; of tags as frequent, the first by their keys.
        """

    async def parts(self, *, size: int) -> Sequence[int]:
        """The numbers of the parts that hold anything that anybody may read: ids divided by `size` (1 or more).

        An article never leaves its part, and there are at most `size` in each.
        """

    async def addresses(self, *, part: int, size: int) -> Sequence[AddressView]:
        """What anybody may read of a part (0 or more), by id, without reading any text."""

    async def previewed(self, preview_id: int) -> ArticleView:
        """The article or its working copy with its HTML, whether or not it is out, by a preview that has not expired.

        Raises `PreviewNotFound`, also once it was revoked or the working copy is gone.
        """


class UserQueries(Protocol):
    """Reading users."""

    async def account(self, user_id: int) -> AccountView:
        """The user, for itself. Raises `UserNotFound`, also where it is disabled."""

    async def profile(self, username: Username) -> ProfileView:
        """The user with this name, in whatever case, for anybody. Raises `UserNotFound`."""

    async def user(self, username: Username) -> UserView:
        """The user with this name, in whatever case, for those who run the blog. Raises `UserNotFound`."""

    async def page(self, *, skip: int, limit: int) -> Sequence[UserView]:
        """At most `limit` users after the first `skip`, by id, for those who run the blog."""

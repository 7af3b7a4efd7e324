"""Reads: views that are ready to show, each with a fixed number of statements, whatever their size.

`viewer` is the id of the user who reads, or None: what it may not see is not there. What is visible depends on the
moment, which the adapters know.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Protocol, Self

from blog.domain.articles import Article, Manuscript, Status, reading_minutes
from blog.domain.slugs import Slug
from blog.domain.tags import Tag
from blog.domain.users import User, Username
from blog.domain.working_copies import WorkingCopy


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleView:
    """An article. Times are UTC, to the microsecond."""

    id: int
    title: str
    content: str
    published: bool
    author_id: int
    created_at: datetime
    updated_at: datetime
    slug: str
    summary: str
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

    @classmethod
    def of(cls, article: Article, *, viewer: int | None, at: datetime) -> Self:
        return cls.seen(viewer=viewer, at=at, **columns(article))

    @classmethod
    def seen(cls, *, viewer: int | None, at: datetime, **kept: Any) -> Self:  # noqa: ANN401
        """What somebody sees at some moment of an article that is kept as `columns` says.

        Whether it is visible at all was decided before. When it will be hidden again is for its author alone. `slug`
        is that under which it is out, if it is.
        """
        author_id, published_at = kept["author_id"], kept["published_at"]
        publish_at, unpublish_at = kept.pop("publish_at"), kept.pop("unpublish_at")
        excerpt = kept.pop("excerpt")
        kept.pop("address")
        status = Status.at(at, publish_at=publish_at, unpublish_at=unpublish_at)
        was_out = published_at is not None and published_at <= at
        own = viewer == author_id
        if not was_out:
            kept["published_at"] = None
        if kept["summary"] is None:
            kept["summary"] = excerpt
        return cls(
            published=status is Status.PUBLISHED,
            status=status,
            publish_at=publish_at if own else None,
            unpublish_at=unpublish_at if own else None,
            reading_minutes=reading_minutes(kept["word_count"]),
            **kept,
        )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedArticleView(ArticleView):
    """An article, and its content as HTML that is safe to show."""

    content_html: str

    @classmethod
    def of(cls, article: Article, *, viewer: int | None, at: datetime) -> Self:
        return cls.seen(viewer=viewer, at=at, content_html=article.rendition.html, **columns(article))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticlePage:
    """Some articles, and whether there are more behind them."""

    articles: Sequence[ArticleView]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TagView:
    """A tag, and how many articles that the viewer may read have it."""

    tag: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingCopyView:
    """The text of an article as it is going to be, and the version of the article that it began from."""

    article_id: int
    based_on: int
    title: str
    content: str
    content_html: str
    summary: str
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
        text["summary"] = text["summary"] or copy.rendition.excerpt
        return cls(
            **text,
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


class ArticleQueries(Protocol):
    """Reading articles."""

    async def get(self, which: int | Slug, *, viewer: int | None, html: bool = False) -> ArticleView:
        """The article with this id, or with this slug; with `html`, that is a `RenderedArticleView`.

        Raises `ArticleMoved` where the slug was public and the article has another now, `ArticleNotFound` also where
        it is hidden from the viewer.
        """

    async def page(self, *, viewer: int | None, skip: int, limit: int, tags: Collection[Tag] = ()) -> ArticlePage:
        """At most `limit` (1 or more) articles after the first `skip` (0 or more), the newest first.

        Only those that have every one of `tags`, in whatever spelling. Newest is by `created_at` and, within one
        microsecond, by `id`.
        """

    async def tags(self, *, viewer: int | None, skip: int, limit: int) -> Sequence[TagView]:
        """The tags of the articles that the viewer may read, the most frequent first.

        Each in the spelling of the newest article that has it; of tags as frequent, the first by their keys.
        """

    async def previewed(self, preview_id: int) -> RenderedArticleView:
        """The article, or its working copy, whether or not it is out, by a preview that has not expired.

        Raises `PreviewNotFound`, also once it was revoked or the working copy is gone.
        """


class UserQueries(Protocol):
    """Reading users."""

    async def account(self, user_id: int) -> AccountView:
        """The user, for itself. Raises `UserNotFound`."""

    async def profile(self, username: Username) -> ProfileView:
        """The user with this name, in whatever case, for anybody. Raises `UserNotFound`."""

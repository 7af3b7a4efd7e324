"""Reads: views that are ready to show, each with a fixed number of statements, whatever their size.

`viewer` is the id of the user who reads, or None: what it may not see is not there.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self

from blog.domain.articles import Article
from blog.domain.users import User, Username


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

    @classmethod
    def of(cls, article: Article) -> Self:
        return cls(
            id=article.id,
            title=str(article.title),
            content=str(article.content),
            published=article.published,
            author_id=article.author_id,
            created_at=article.created_at,
            updated_at=article.updated_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticlePage:
    """Some articles, and whether there are more behind them."""

    articles: tuple[ArticleView, ...]
    more: bool


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

    async def get(self, article_id: int, *, viewer: int | None) -> ArticleView:
        """The article. Raises `ArticleNotFound`, also where it is somebody else's draft."""

    async def page(self, *, viewer: int | None, skip: int, limit: int) -> ArticlePage:
        """At most `limit` (1 or more) articles after the first `skip` (0 or more), the newest first.

        Newest is by `created_at` and, within one microsecond, by `id`.
        """


class UserQueries(Protocol):
    """Reading users."""

    async def account(self, user_id: int) -> AccountView:
        """The user, for itself. Raises `UserNotFound`."""

    async def profile(self, username: Username) -> ProfileView:
        """The user with this name, in whatever case, for anybody. Raises `UserNotFound`."""

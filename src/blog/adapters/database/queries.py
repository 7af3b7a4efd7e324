"""Reads: each one statement, straight from rows to views."""

from sqlalchemy import bindparam, select

from blog.adapters.database.engine import Database
from blog.adapters.database.tables import PUBLIC, VISIBLE, articles, users
from blog.application.queries import AccountView, ArticlePage, ArticleView, ProfileView
from blog.domain.articles import ArticleNotFound
from blog.domain.users import Username, UserNotFound

# What a view does not hold is not read: the columns are named after its fields.
ARTICLE = [articles.c[name] for name in ArticleView.__slots__]
ACCOUNT = [users.c[name] for name in AccountView.__slots__]
PROFILE = [users.c[name] for name in ProfileView.__slots__]

ONE = select(*ARTICLE).where(articles.c.id == bindparam("id"))
PAGE = (
    select(*ARTICLE)
    .order_by(articles.c.created_at.desc(), articles.c.id.desc())
    .offset(bindparam("skip"))
    .limit(bindparam("limit"))
)
PUBLIC_ONE, VISIBLE_ONE = ONE.where(PUBLIC), ONE.where(VISIBLE)
PUBLIC_PAGE, VISIBLE_PAGE = PAGE.where(PUBLIC), PAGE.where(VISIBLE)
ACCOUNT_BY_ID = select(*ACCOUNT).where(users.c.id == bindparam("id"))
PROFILE_BY_NAME = select(*PROFILE).where(users.c.username_key == bindparam("username_key"))


class DatabaseArticleQueries:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, article_id: int, *, viewer: int | None) -> ArticleView:
        statement = PUBLIC_ONE if viewer is None else VISIBLE_ONE
        for row in await self._database.read(statement, {"id": article_id, "viewer": viewer}):
            return ArticleView(**row._mapping)
        raise ArticleNotFound

    async def page(self, *, viewer: int | None, skip: int, limit: int) -> ArticlePage:
        statement = PUBLIC_PAGE if viewer is None else VISIBLE_PAGE
        # One row past the page tells whether there is another.
        rows = await self._database.read(statement, {"viewer": viewer, "skip": skip, "limit": limit + 1})
        return ArticlePage(
            articles=tuple(ArticleView(**row._mapping) for row in rows[:limit]), more=len(rows) > limit
        )


class DatabaseUserQueries:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def account(self, user_id: int) -> AccountView:
        for row in await self._database.read(ACCOUNT_BY_ID, {"id": user_id}):
            return AccountView(**row._mapping)
        raise UserNotFound

    async def profile(self, username: Username) -> ProfileView:
        for row in await self._database.read(PROFILE_BY_NAME, {"username_key": username.key}):
            return ProfileView(**row._mapping)
        raise UserNotFound

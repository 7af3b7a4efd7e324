"""Reads: each one statement, straight from rows to views."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Text, bindparam, case, collate, exists, func, literal_column, not_, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from blog.adapters.database.engine import Database
from blog.adapters.database.tables import (
    PUBLIC,
    SLUG,
    VISIBLE,
    articles,
    came_out,
    previews,
    slugs,
    users,
    working_copies,
)
from blog.application.ports import Clock
from blog.application.queries import (
    AccountView,
    ArticlePage,
    ArticleView,
    ProfileView,
    RenderedArticleView,
    TagView,
)
from blog.domain.articles import TEXT, ArticleMoved, ArticleNotFound
from blog.domain.previews import Previewed, PreviewNotFound
from blog.domain.slugs import Slug
from blog.domain.tags import Tag
from blog.domain.users import Username, UserNotFound

# What a view does not hold is not read.
HTML = articles.c.content_html
HIDDEN = ("content_html", "tag_keys", "text_version")
ARTICLE = [SLUG if column is articles.c.slug else column for column in articles.c if column.name not in HIDDEN]
ACCOUNT = [users.c[name] for name in AccountView.__slots__]
PROFILE = [users.c[name] for name in ProfileView.__slots__]

ONE = select(*ARTICLE).where(articles.c.id == bindparam("id"))
# Whose a slug is or was; or who came out with it, by itself, with its id for a number or without.
_ITS = slugs.c.slug == bindparam("slug")
_OTHER = articles.alias("other")
CAME_OUT = (
    select(_OTHER.c.id)
    .where(_OTHER.c.slug == bindparam("slug"), came_out(_OTHER))
    .order_by(_OTHER.c.publish_at, _OTHER.c.id)
    .limit(literal_column("1"))
)
_OWNED = exists().where(_ITS, slugs.c.article_id == articles.c.id).label("owned")
BY_SLUG = select(*ARTICLE, _OWNED).where(
    articles.c.id
    == func.coalesce(
        select(slugs.c.article_id).where(_ITS).scalar_subquery(), CAME_OUT.scalar_subquery(), bindparam("number")
    )
)
PAGE = (
    select(*ARTICLE)
    .order_by(articles.c.created_at.desc(), articles.c.id.desc())
    .offset(bindparam("skip"))
    .limit(bindparam("limit"))
)
TAGGED = articles.c.tag_keys.contains(bindparam("tags", type_=ARRAY(Text)))
ONES = {
    (by_slug, known, html): (statement.add_columns(HTML) if html else statement).where(VISIBLE if known else PUBLIC)
    for by_slug, statement in ((False, ONE), (True, BY_SLUG))
    for known in (False, True)
    for html in (False, True)
}
PUBLIC_PAGE, VISIBLE_PAGE = PAGE.where(PUBLIC), PAGE.where(VISIBLE)
TAGGED_PUBLIC_PAGE, TAGGED_VISIBLE_PAGE = PUBLIC_PAGE.where(TAGGED), VISIBLE_PAGE.where(TAGGED)

_TAG = func.unnest(articles.c.tags, articles.c.tag_keys).table_valued("tag", "key").render_derived()
_COUNT = func.count().label("count")
_NEWEST_FIRST = (articles.c.created_at.desc(), articles.c.id.desc())
TAGS = (
    select(func.array_agg(aggregate_order_by(_TAG.c.tag, *_NEWEST_FIRST))[1].label("tag"), _COUNT)
    .select_from(articles)
    .join(_TAG, true())
    .group_by(_TAG.c.key)
    .order_by(_COUNT.desc(), collate(_TAG.c.key, "C"))
    .offset(bindparam("skip"))
    .limit(bindparam("limit"))
)
PUBLIC_TAGS, VISIBLE_TAGS = TAGS.where(PUBLIC), TAGS.where(VISIBLE)

_OF_COPY = previews.c.of == Previewed.WORKING_COPY.value
PREVIEWED = (
    select(
        *(
            case((_OF_COPY, working_copies.c[column.name]), else_=column).label(column.name)
            if column.name in TEXT or column.name in ("content_html", "excerpt", "word_count")
            else column
            for column in (*ARTICLE, HTML)
        )
    )
    .join(previews, previews.c.article_id == articles.c.id)
    .outerjoin(working_copies, working_copies.c.article_id == articles.c.id)
    .where(previews.c.id == bindparam("id"), previews.c.expires_at > bindparam("at"))
    .where(or_(not_(_OF_COPY), working_copies.c.article_id.is_not(None)))
)

ACCOUNT_BY_ID = select(*ACCOUNT).where(users.c.id == bindparam("id"))
PROFILE_BY_NAME = select(*PROFILE).where(users.c.username_key == bindparam("username_key"))


class DatabaseArticleQueries:
    def __init__(self, database: Database, now: Clock) -> None:
        self._database, self._now = database, now

    async def get(self, which: int | Slug, *, viewer: int | None, html: bool = False) -> ArticleView:
        at, known = self._now(), viewer is not None
        if not isinstance(which, Slug):
            for row in await self._database.read(ONES[False, known, html], {"id": which, "viewer": viewer, "at": at}):
                return view_of(row, viewer, at)
            raise ArticleNotFound
        given = {"slug": which, "number": which.mark or 0, "viewer": viewer, "at": at}
        for row in await self._database.read(ONES[True, known, html], given):
            view = view_of(row, viewer, at)
            if view.slug == which:
                return view
            if row.owned:
                if view.published:
                    raise ArticleMoved(Slug(view.slug))
                return view
        raise ArticleNotFound

    async def page(self, *, viewer: int | None, skip: int, limit: int, tags: Collection[Tag] = ()) -> ArticlePage:
        at = self._now()
        given: dict[str, Any] = {"viewer": viewer, "at": at, "skip": skip, "limit": limit + 1}
        if tags:
            statement = TAGGED_PUBLIC_PAGE if viewer is None else TAGGED_VISIBLE_PAGE
            given["tags"] = [tag.key for tag in tags]
        else:
            statement = PUBLIC_PAGE if viewer is None else VISIBLE_PAGE
        # One row past the page tells whether there is another.
        rows = await self._database.read(statement, given)
        views = [view_of(row, viewer, at) for row in rows[:limit]]
        return ArticlePage(articles=views, more=len(rows) > limit)

    async def tags(self, *, viewer: int | None, skip: int, limit: int) -> Sequence[TagView]:
        statement = PUBLIC_TAGS if viewer is None else VISIBLE_TAGS
        given = {"viewer": viewer, "at": self._now(), "skip": skip, "limit": limit}
        return [TagView(**row._mapping) for row in await self._database.read(statement, given)]

    async def previewed(self, preview_id: int) -> RenderedArticleView:
        at = self._now()
        for row in await self._database.read(PREVIEWED, {"id": preview_id, "at": at}):
            view = view_of(row, None, at)
            assert isinstance(view, RenderedArticleView)  # noqa: S101 - as its columns are
            return view
        raise PreviewNotFound


def view_of(row: Row[Any], viewer: int | None, at: datetime) -> ArticleView:
    """A row as somebody sees it, with its HTML if that was read."""
    kept = {name: value for name, value in row._mapping.items() if name != "owned"}
    view = RenderedArticleView if "content_html" in kept else ArticleView
    return view.seen(viewer=viewer, at=at, **kept)


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

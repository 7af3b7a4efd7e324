"""Reads: each one statement, straight from rows to views."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    any_,
    bindparam,
    case,
    collate,
    exists,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by, array

from blog.adapters.database.engine import Database, Row
from blog.adapters.database.searching import NEARNESS, SIMILAR, SPARSE, by_date, by_relevance, with_highlights
from blog.adapters.database.shares import shares_of
from blog.adapters.database.tables import (
    DATE,
    HAS_WORKING_COPY,
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
from blog.adapters.database.together import Together
from blog.adapters.database.unchecked import unchecked
from blog.application.ports import Clock
from blog.application.queries import (
    ANY,
    NEWEST_FIRST,
    RANKED,
    SEEN,
    AccountView,
    AddressView,
    ArticleFilter,
    ArticlePage,
    ArticleView,
    AuthorView,
    Include,
    Order,
    Place,
    ProfileView,
    Sort,
    TagView,
    UserView,
)
from blog.domain.articles import TEXT, ArticleMoved, ArticleNotFound, Status
from blog.domain.previews import Previewed, PreviewNotFound
from blog.domain.slugs import Slug
from blog.domain.users import Username, UserNotFound

# What a view does not hold is not read.
ARTICLE = [SLUG if name == "slug" else articles.c[name] for name in SEEN]
INCLUDED = {
    Include.AUTHOR: users.c.username.label("author_name"),
    Include.CONTENT_HTML: articles.c.content_html,
}
# Nobody else is told, so that for nobody else it is looked up. It comes right behind the columns of the article.
OWN_COPY = case((articles.c.author_id == bindparam("viewer"), HAS_WORKING_COPY)).label("has_working_copy")
ACCOUNT = [users.c[name] for name in AccountView.__slots__]
PROFILE = [users.c[name] for name in ProfileView.__slots__]

_ARCHIVED = and_(articles.c.unpublish_at.is_not(None), articles.c.unpublish_at <= bindparam("at"))
_OWN = articles.c.author_id == bindparam("viewer")
STATUS = {
    Status.PUBLISHED: PUBLIC,
    Status.ARCHIVED: and_(_OWN, _ARCHIVED),
    Status.DRAFT: and_(_OWN, articles.c.publish_at.is_(None), not_(_ARCHIVED)),
    Status.SCHEDULED: and_(_OWN, articles.c.publish_at > bindparam("at"), not_(_ARCHIVED)),
}
_COPIED = exists().where(working_copies.c.article_id == articles.c.id)
_BEEN_OUT = articles.c.published_at <= bindparam("at")
FILTERS = {
    "author": articles.c.author_id
    == select(users.c.id).where(users.c.username_key == bindparam("author")).scalar_subquery(),
    "featured": articles.c.featured,
    "not featured": not_(articles.c.featured),
    "has_working_copy": and_(_OWN, _COPIED),
    "not has_working_copy": and_(_OWN, not_(_COPIED)),
    "published_after": and_(_BEEN_OUT, articles.c.published_at > bindparam("published_after")),
    "published_before": and_(_BEEN_OUT, articles.c.published_at < bindparam("published_before")),
}
"""By the names of the fields of `ArticleFilter`, beside those that are `SPARSE`.

What is true or false is in the statement: as a parameter, the one plan for both would use no index of what is true.
"""


KEYS: dict[Sort, ColumnElement[Any]] = {
    Sort.DATE: DATE,
    Sort.CREATED_AT: articles.c.created_at,
    Sort.PUBLISHED_AT: articles.c.published_at,
    Sort.UPDATED_AT: articles.c.updated_at,
    # Where no word is found.
    Sort.RELEVANCE: NEARNESS,
}
"""By what articles are in each order."""


# Whose a slug is or was; or who came out with it, by itself, with its id for a number or without.
_ITS = slugs.c.slug == bindparam("slug")
_OTHER = articles.alias("other")
CAME_OUT = (
    select(_OTHER.c.id)
    .where(_OTHER.c.slug == bindparam("slug"), came_out(_OTHER))
    .order_by(_OTHER.c.publish_at, _OTHER.c.id)
    .limit(literal_column("1"))
)
_BY_ID = articles.c.id == bindparam("id")
_OWNED = exists().where(_ITS, slugs.c.article_id == articles.c.id).label("owned")
_CLAIMED = func.coalesce(
    select(slugs.c.article_id).where(_ITS).scalar_subquery(),
    CAME_OUT.scalar_subquery(),
    bindparam("number", type_=BigInteger),
)
# Beside it, an article of the viewer's own that is to have this slug: of several, the one that was written last.
_UNCLAIMED = articles.alias("unclaimed")
OWN = (
    select(_UNCLAIMED.c.id)
    .where(_UNCLAIMED.c.author_id == bindparam("viewer"), _UNCLAIMED.c.slug == bindparam("slug"))
    .where(_UNCLAIMED.c.address.is_distinct_from(_UNCLAIMED.c.slug))
    .order_by(_UNCLAIMED.c.id.desc())
    .limit(literal_column("1"))
)
_BY_SLUG = articles.c.id == _CLAIMED
_BY_SLUG_OR_OWN = articles.c.id == any_(array([_CLAIMED, OWN.scalar_subquery()]))


@lru_cache(256)
def one(*, by_slug: bool, known: bool, include: frozenset[Include]) -> Select[Any]:
    """The statement that reads one article; by a slug, of two that may be meant."""
    statement = _columns(include, known=known).where(VISIBLE if known else PUBLIC)
    if not by_slug:
        return statement.where(_BY_ID)
    return statement.add_columns(_OWNED).where(_BY_SLUG_OR_OWN if known else _BY_SLUG)


@lru_cache(1024)
def several(
    *,
    known: bool,
    filters: frozenset[str],
    status: Status | None,
    order: Order,
    include: frozenset[Include],
    beyond: Literal["after", "before"] | None,
    limit: int,
    skips: bool = False,
    rounds: int = 1,
    similar: bool = False,
    highlights: bool = False,
) -> tuple[Select[Any], Select[Any]]:
    """The statement that reads a page, and the one that counts of how many it is.

    With `highlights`, all but the last row that the `limit` allows has one.
    """
    if highlights:
        page, counting = several(
            known=known,
            filters=filters,
            status=status,
            order=order,
            include=include,
            beyond=beyond,
            limit=limit,
            skips=skips,
            rounds=rounds,
            similar=similar,
        )
        shown = [column.name for column in page.selected_columns]
        page = page.add_columns(articles.c.content_html.label("highlight_of"))
        return with_highlights(page, shown, limit=limit - 1), counting
    conditions = [FILTERS[name] for name in sorted(filters & FILTERS.keys())]
    if status:
        # To nobody in particular, nothing is one's own.
        conditions.append(STATUS[status] if known or status is Status.PUBLISHED else false())
    been_out = [_BEEN_OUT] if order.by is Sort.PUBLISHED_AT else []
    names = sorted(filters & SPARSE.keys())
    rare = {name: SIMILAR if similar and name == "words" else SPARSE[name](articles.c) for name in names}
    # What is published has been out, and is counted by an index alone; what besides is one's own, by another.
    counting = select(func.count()).select_from(articles).where(PUBLIC, *conditions, *rare.values())
    if known:
        hidden = select(func.count()).select_from(articles)
        hidden = hidden.where(_OWN, not_(PUBLIC), *conditions, *rare.values(), *been_out)
        counting = select(counting.scalar_subquery() + hidden.scalar_subquery())
    statement, readable = _columns(include, known=known), VISIBLE if known else PUBLIC
    if order.by is Sort.RELEVANCE and not similar:
        del rare["words"]
        found = by_relevance(readable, *conditions, *rare.values(), rounds=rounds, limit=limit, skips=skips)
        page = statement.join(found, found.c.id == articles.c.id)
        return page.order_by(found.c.round, found.c.relevance.desc(), articles.c.id.desc()), counting
    by: ColumnElement[Any] = KEYS[order.by]
    if similar and order.by is not Sort.RELEVANCE:
        # Titles that are near in spelling are few, which PostgreSQL does not know: without this it may go through all
        # articles in this order until it has found some.
        by += literal_column("interval '0'")
    ascending = order.ascending != (beyond == "before")
    within = [readable, *conditions, *been_out]
    if beyond:
        place, bound = tuple_(by, articles.c.id), tuple_(bindparam("moment"), bindparam("id"))
        within.append(place > bound if ascending else place < bound)
    keys = [key.asc() if ascending else key.desc() for key in (by, articles.c.id)]
    if rare and not similar:
        ids = by_date(*within, names=names, by=by, ascending=ascending, limit=limit, skips=skips)
        return statement.join(ids, ids.c.id == articles.c.id).order_by(*keys), counting
    # How many is in the statement: not knowing that, PostgreSQL would plan it anew each time, which takes longer than
    # to run it.
    page = statement.where(*within, *rare.values()).order_by(*keys).limit(literal_column(str(limit)))
    return page.offset(bindparam("skip")) if skips else page, counting


def _columns(include: frozenset[Include], *, known: bool) -> Select[Any]:
    own = [OWN_COPY] if known else []
    statement = select(*ARTICLE, *own, *(INCLUDED[part] for part in sorted(include)))
    return statement.join(users, users.c.id == articles.c.author_id) if Include.AUTHOR in include else statement


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

_CHANGED_AT = func.greatest(articles.c.updated_at, articles.c.published_at)
ADDRESSES = (
    select(
        articles.c.id,
        SLUG,
        _CHANGED_AT.label("changed_at"),
    )
    .where(PUBLIC, articles.c.id.between(bindparam("first"), bindparam("last")))
    .order_by(articles.c.id)
)
# Each part is looked at for its first article, and not each article for its part.
_SIZE = bindparam("size", type_=BigInteger)
_FIRST, _LAST = (select(end(articles.c.id) // _SIZE).scalar_subquery() for end in (func.min, func.max))
_PART = func.generate_series(_FIRST, _LAST).table_valued("number").render_derived()
PARTS = (
    select(_PART.c.number)
    .where(
        exists().where(
            PUBLIC,
            articles.c.id >= _PART.c.number * _SIZE,
            articles.c.id < (_PART.c.number + literal_column("1")) * _SIZE,
        )
    )
    .order_by(_PART.c.number)
)

_OF_COPY = previews.c.of == Previewed.WORKING_COPY.value
PREVIEWED = (
    select(
        *(
            case((_OF_COPY, working_copies.c[column.name]), else_=column).label(column.name)
            if column.name in TEXT or column.name in ("content_html", "excerpt", "word_count")
            else column
            for column in (*ARTICLE, articles.c.content_html)
        )
    )
    .join(previews, previews.c.article_id == articles.c.id)
    .outerjoin(working_copies, working_copies.c.article_id == articles.c.id)
    .where(previews.c.id == bindparam("id"), previews.c.expires_at > bindparam("at"))
    .where(or_(not_(_OF_COPY), working_copies.c.article_id.is_not(None)))
)

ACCOUNT_BY_ID = select(*ACCOUNT).where(users.c.id == bindparam("id"), users.c.disabled_at.is_(None))
PROFILE_BY_NAME = select(*PROFILE).where(users.c.username_key == bindparam("username_key"))
USER = [
    *(users.c[name] for name in UserView.__slots__ if name in users.c),
    select(func.count()).where(articles.c.author_id == users.c.id).scalar_subquery().label("articles"),
]
USER_BY_NAME = select(*USER).where(users.c.username_key == bindparam("username_key"))
USERS = select(*USER).order_by(users.c.id).offset(bindparam("skip")).limit(bindparam("limit"))


class DatabaseArticleQueries:
    def __init__(self, database: Database, now: Clock) -> None:
        self._database, self._now = database, now
        self._look_up = Together(database.read)
        self._searches, self._pages = shares_of(database.size)

    async def get(self, which: int | Slug, *, viewer: int | None, include: Collection[Include] = ()) -> ArticleView:
        at, by_slug = self._now(), isinstance(which, Slug)
        statement = one(by_slug=by_slug, known=viewer is not None, include=frozenset(include))
        given = {"slug": which, "number": which.mark or 0} if isinstance(which, Slug) else {"id": which}
        rows = await self._look_up(statement, {"viewer": viewer, "at": at, **given})
        if not by_slug:
            for row in rows:
                return view_of(row, viewer, at, include)
            raise ArticleNotFound
        found = [(row.owned, view_of(row, viewer, at, include)) for row in rows]
        # What everybody finds there comes first, and then what is one's own.
        for owned, view in sorted(found, key=lambda each: (each[0], each[1].published, each[1].id), reverse=True):
            if view.slug == which:
                return view
            if owned:
                if view.published:
                    raise ArticleMoved(unchecked(Slug, view.slug))
                return view
        raise ArticleNotFound

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
        at, place = self._now(), after or before
        fields = ((name, getattr(filter, name)) for name in ArticleFilter.__slots__ if name != "status")
        wanted = {name: value for name, value in fields if value not in (None, ())}
        given: dict[str, Any] = {"viewer": viewer, "at": at, "language": None, **wanted}
        if filter.author:
            given["author"] = filter.author.key
        if filter.language:
            given["language"] = filter.language.key
        if filter.tags:
            given["tags"] = [tag.key for tag in filter.tags]
        if filter.words:
            given |= {"words": filter.words.normalized, "spelled": filter.words}
        if place:
            given |= {"moment": place.moment, "id": place.id}
        highlights = highlights and filter.words is not None
        # Of what is ranked, so many stand in rounds before that of the page, and so many before it in its own.
        into = skip % RANKED
        given |= {"skip": skip, "passed": skip - into, "into": into}
        rounds = 1 + (into + limit) // RANKED if order.by is Sort.RELEVANCE else 1
        rows: Sequence[Row] = ()
        async with self._searches if filter.words else self._pages:
            for similar in (False, True):
                statement, counting = several(
                    known=viewer is not None,
                    filters=frozenset(f"not {name}" if value is False else name for name, value in wanted.items()),
                    status=filter.status,
                    order=order,
                    include=frozenset(include),
                    beyond="after" if after else "before" if before else None,
                    # One row past the page tells whether there is another.
                    limit=limit + 1,
                    skips=skip > 0,
                    rounds=rounds,
                    similar=similar,
                    highlights=highlights,
                )
                rows = await self._database.read(statement, given)
                if rows or not filter.words:
                    break
                # Beyond the last that has the words there is none that is spelled nearly so.
                if (skip or place) and (await self._database.read(counting, given))[0][0]:
                    break
            total = (await self._database.read(counting, given))[0][0] if count else None
        included = (*include, *(["highlight"] if highlights else []))
        views = [view_of(row, viewer, at, included) for row in rows[:limit]]
        return ArticlePage(
            articles=views if after or not before else views[::-1], more=len(rows) > limit, total=total
        )

    async def tags(self, *, viewer: int | None, skip: int, limit: int) -> Sequence[TagView]:
        statement = PUBLIC_TAGS if viewer is None else VISIBLE_TAGS
        given = {"viewer": viewer, "at": self._now(), "skip": skip, "limit": limit}
        return [TagView(**row) for row in await self._read_many(statement, given)]

    async def parts(self, *, size: int) -> Sequence[int]:
        rows = await self._read_many(PARTS, {"at": self._now(), "size": size})
        return [row.number for row in rows]

    async def addresses(self, *, part: int, size: int) -> Sequence[AddressView]:
        given = {"at": self._now(), "first": part * size, "last": part * size + size - 1}
        return [AddressView(**row) for row in await self._read_many(ADDRESSES, given)]

    async def _read_many(self, statement: Select[Any], given: dict[str, Any]) -> Sequence[Row]:
        async with self._pages:
            return await self._database.read(statement, given)

    async def previewed(self, preview_id: int) -> ArticleView:
        at = self._now()
        for row in await self._database.read(PREVIEWED, {"id": preview_id, "at": at}):
            return view_of(row, None, at, [Include.CONTENT_HTML])
        raise PreviewNotFound


def view_of(row: Row, viewer: int | None, at: datetime, included: Collection[str] = ()) -> ArticleView:
    """A row as somebody sees it, with what was included."""
    kept = row[: len(SEEN)]
    copied = None if viewer is None else row[len(SEEN)]
    if not included:
        return ArticleView.seen(kept, viewer=viewer, at=at, has_working_copy=copied)
    parts: dict[str, Any] = {
        name: AuthorView(id=row["author_id"], username=row["author_name"]) if name == Include.AUTHOR else row[name]
        for name in included
    }
    return ArticleView.seen(kept, viewer=viewer, at=at, has_working_copy=copied, **parts)


class DatabaseUserQueries:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._look_up = Together(database.read)

    async def account(self, user_id: int) -> AccountView:
        for row in await self._look_up(ACCOUNT_BY_ID, {"id": user_id}):
            return AccountView(**{name: row[name] for name in AccountView.__slots__})
        raise UserNotFound

    async def profile(self, username: Username) -> ProfileView:
        for row in await self._database.read(PROFILE_BY_NAME, {"username_key": username.key}):
            return ProfileView(**row)
        raise UserNotFound

    async def user(self, username: Username) -> UserView:
        for row in await self._database.read(USER_BY_NAME, {"username_key": username.key}):
            return UserView(**row)
        raise UserNotFound

    async def page(self, *, skip: int, limit: int) -> Sequence[UserView]:
        return [UserView(**row) for row in await self._database.read(USERS, {"skip": skip, "limit": limit})]

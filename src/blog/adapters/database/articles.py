"""Articles and their revisions as rows."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields
from datetime import datetime
from itertools import chain
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import (
    BigInteger,
    Insert,
    Select,
    String,
    Update,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy import Sequence as DatabaseSequence
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.sql.dml import ReturningInsert

from blog.adapters.database.engine import Row, first
from blog.adapters.database.tables import HAS_WORKING_COPY, SLUG, VISIBLE, articles, came_out, revisions, slugs
from blog.adapters.database.unchecked import unchecked, unchecked_or_none, unchecked_tags
from blog.application.queries import columns
from blog.domain.articles import (
    SOON,
    AltText,
    Article,
    ArticleNotFound,
    Content,
    Language,
    Manuscript,
    Note,
    Rendition,
    Summary,
    Title,
)
from blog.domain.errors import Unavailable
from blog.domain.revisions import Change, Revision, RevisionNotFound
from blog.domain.slugs import Slug
from blog.domain.users import InvalidToken
from blog.domain.web_addresses import WebAddress

TRIES = 10
"""How many slugs with a number at random are tried, after those with a small one."""


NEXT_ID = select(DatabaseSequence("articles_id_seq").next_value())
KEPT = [column for column in articles.c if column is not articles.c.search]
BY_ID = select(*KEPT, HAS_WORKING_COPY.label("has_working_copy")).where(articles.c.id == bindparam("id"), VISIBLE)
BY_ID_LOCKED = BY_ID.with_for_update()
_CHANGED: dict[Any, Any] = {column: bindparam(column.name) for column in KEPT if column is not articles.c.id}


def with_its_revision(change: Insert | Update) -> Insert:
    """One statement, and so one round trip, for what is done to an article and for the revision of it."""
    revision: dict[Any, Any] = {column: bindparam(f"revision_{column.name}") for column in revisions.c}
    return insert(revisions).values(revision).add_cte(change.returning(articles.c.id).cte("article"))


ADD = with_its_revision(insert(articles).values({articles.c.id: bindparam("article_id"), **_CHANGED}))
SAVE = with_its_revision(update(articles).where(articles.c.id == bindparam("article_id")).values(_CHANGED))
REMOVE = delete(articles).where(articles.c.id == bindparam("id"))

REVISION = select(revisions).where(
    revisions.c.article_id == bindparam("id"), revisions.c.version == bindparam("version")
)
CHANGES = (
    select(*(revisions.c[this.name] for this in fields(Change)))
    .where(revisions.c.article_id == bindparam("id"))
    .order_by(revisions.c.version.desc())
    .offset(bindparam("skip"))
    .limit(bindparam("limit"))
)

TAKEN = select(slugs.c.slug).where(
    slugs.c.slug == func.any(bindparam("slugs")), slugs.c.article_id.is_distinct_from(bindparam("id"))
)
_OTHER = articles.alias("other")
_FREE = select(bindparam("slug", type_=String), bindparam("id", type_=BigInteger)).where(
    ~exists().where(_OTHER.c.slug == bindparam("slug"), came_out(_OTHER), _OTHER.c.id != bindparam("id"))
)
_TAKE = insert_or(slugs)


def taking(free: Select[str, int]) -> ReturningInsert[Any]:
    """Take a slug that is free, or one's own, and answer it."""
    own = slugs.c.article_id == _TAKE.excluded.article_id
    new = _TAKE.from_select([slugs.c.slug, slugs.c.article_id], free)
    # To set what it is already has it answered.
    kept = {"article_id": _TAKE.excluded.article_id}
    return new.on_conflict_do_update(index_elements=[slugs.c.slug], set_=kept, where=own).returning(slugs.c.slug)


TAKE = taking(_FREE)
# Who came out by itself has to itself what others that did so later cannot have.
TAKE_BY_ITSELF = taking(select(bindparam("slug", type_=String), bindparam("id", type_=BigInteger)))
SETTLE = (
    update(articles)
    .where(articles.c.id == bindparam("article_id"))
    .values(slug=bindparam("its"), address=bindparam("its"))
)
ITS_SLUG = select(SLUG).where(articles.c.id == bindparam("id"))


class DatabaseArticles:
    def __init__(self, execute: Callable[..., Awaitable[Sequence[Row]]]) -> None:
        self._execute = execute

    async def next_id(self) -> int:
        return int((await self._execute(NEXT_ID))[0][0])

    async def reserve(self, article: Article, *, at: datetime) -> Slug:
        wanted, given = article.slug, {"id": article.id, "at": at + SOON}
        if await self._take(TAKE, wanted, given):
            return wanted
        # Numbers in a row, and where those are many already, some that hardly anybody else has.
        numbers = chain(range(2, 10), (secrets.randbelow(10**6) + 10 for _ in range(TRIES)))
        slugs = [wanted.numbered(number) for number in numbers]
        taken = {row.slug for row in await self._execute(TAKEN, {"slugs": slugs, "id": article.id})}
        for slug in slugs:
            if slug not in taken and await self._take(TAKE, slug, given):
                return slug
        raise Unavailable from LookupError(f"no free slug that begins with {wanted} among {len(slugs)}")

    async def _take(self, statement: ReturningInsert[Any], slug: Slug, given: dict[str, Any]) -> bool:
        return bool(await self._execute(statement, {"slug": slug, **given}))

    async def _settle(self, article: Article, at: datetime) -> Article:
        """The article, with its address taken if it came out by itself."""
        at += SOON
        if not article.came_out(at):
            return article
        given = {"id": article.id, "at": at}
        slug = unchecked(Slug, (await self._execute(ITS_SLUG, given))[0][0])
        if not await self._take(TAKE_BY_ITSELF, slug, {"id": article.id}):
            slug = await self.reserve(article, at=at)
        await self._execute(SETTLE, {"article_id": article.id, "its": slug})
        return article.settle(slug)

    async def add(self, article: Article, revision: Revision) -> None:
        try:
            await self._write(ADD, article, revision)
        except asyncpg.ForeignKeyViolationError as error:
            if error.constraint_name == "fk_articles_author_id":
                raise InvalidToken from None
            raise

    async def get(self, article_id: int, *, actor: int, at: datetime) -> Article:
        found = await self._execute(BY_ID_LOCKED, {"id": article_id, "viewer": actor, "at": at})
        return await self._settle(article_of(first(found)), at)

    async def look(self, article_id: int, *, actor: int, at: datetime) -> Article:
        found = await self._execute(BY_ID, {"id": article_id, "viewer": actor, "at": at})
        return article_of(first(found))

    async def save(self, article: Article, revision: Revision) -> None:
        await self._write(SAVE, article, revision)

    async def _write(self, statement: Insert, article: Article, revision: Revision) -> None:
        row = row_of(article)
        kept = {f"revision_{name}": value for name, value in revision_row(revision).items()}
        await self._execute(statement, {"article_id": row.pop("id"), **row, **kept})

    async def remove(self, article_id: int) -> None:
        await self._execute(REMOVE, {"id": article_id})

    async def revision(self, article_id: int, version: int) -> Revision:
        row = first(await self._execute(REVISION, {"id": article_id, "version": version}))
        if row is None:
            raise RevisionNotFound
        return Revision(manuscript=manuscript_of(row), **change_of(row))

    async def changes(self, article_id: int, *, skip: int, limit: int) -> Sequence[Change]:
        rows = await self._execute(CHANGES, {"id": article_id, "skip": skip, "limit": limit})
        return [Change(**change_of(row)) for row in rows]


def row_of(article: Article) -> dict[str, Any]:
    return {
        **columns(article),
        "tag_keys": [tag.key for tag in article.manuscript.tags],
        "content_html": article.rendition.html,
        "text_version": article.text_version,
    }


def article_of(row: Row | None) -> Article:
    if row is None:
        raise ArticleNotFound
    return Article(
        id=row.id,
        author_id=row.author_id,
        manuscript=manuscript_of(row),
        rendition=rendition_of(row),
        slug=unchecked(Slug, row.slug),
        address=unchecked_or_none(Slug, row.address),
        featured=row.featured,
        publish_at=row.publish_at,
        unpublish_at=row.unpublish_at,
        published_at=row.published_at,
        version=row.version,
        edition=row.edition,
        text_version=row.text_version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        language=unchecked_or_none(Language, row.language),
        has_working_copy=row.has_working_copy,
    )


def manuscript_row(manuscript: Manuscript) -> dict[str, Any]:
    return {this.name: getattr(manuscript, this.name) for this in fields(manuscript)}


def manuscript_of(row: Row) -> Manuscript:
    return Manuscript(
        title=unchecked(Title, row.title),
        content=unchecked(Content, row.content),
        summary=unchecked_or_none(Summary, row.summary),
        tags=unchecked_tags(row.tags),
        cover_image_url=unchecked_or_none(WebAddress, row.cover_image_url),
        cover_image_alt=unchecked_or_none(AltText, row.cover_image_alt),
        canonical_url=unchecked_or_none(WebAddress, row.canonical_url),
    )


def rendition_row(rendition: Rendition) -> dict[str, Any]:
    return {"content_html": rendition.html, "excerpt": rendition.excerpt, "word_count": rendition.word_count}


def rendition_of(row: Row) -> Rendition:
    return Rendition(html=row.content_html, excerpt=row.excerpt, word_count=row.word_count)


def revision_row(revision: Revision) -> dict[str, Any]:
    change = {this.name: getattr(revision, this.name) for this in fields(Change)}
    return change | {"changed": list(revision.changed)} | manuscript_row(revision.manuscript)


def change_of(row: Row) -> dict[str, Any]:
    change = {this.name: getattr(row, this.name) for this in fields(Change)}
    return change | {"changed": tuple(row.changed), "note": unchecked_or_none(Note, row.note)}

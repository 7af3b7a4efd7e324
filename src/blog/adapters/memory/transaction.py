"""Changing what is kept, one transaction at a time."""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from types import TracebackType
from typing import Self

from blog.adapters.memory.store import Kept, MemoryStore, Tables
from blog.application.ports import Reply, RequestKey
from blog.application.remembering import KeyReused
from blog.domain.articles import SOON, Article, ArticleNotFound
from blog.domain.errors import Unavailable
from blog.domain.previews import Preview, PreviewNotFound
from blog.domain.revisions import Change, Revision, RevisionNotFound
from blog.domain.slugs import Slug
from blog.domain.users import EmailTaken, InvalidToken, User, Username, UsernameTaken, UserNotFound
from blog.domain.working_copies import WorkingCopy, WorkingCopyNotFound

PATIENCE = 10.0
"""Seconds that a transaction waits for its turn."""


class MemoryTransaction:
    """Works on copies, which leaving the block puts in the place of what was kept."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._store.writing.acquire()
        except TimeoutError:
            raise Unavailable from None
        self._tables = tables = self._store.tables.copy()
        self.users = MemoryUsers(self._store, tables)
        self.articles = MemoryArticles(self._store, tables)
        self.working_copies = MemoryWorkingCopies(tables)
        self.previews = MemoryPreviews(tables)
        self.replies = MemoryReplies(tables)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._store.tables = self._tables
        self._store.writing.release()


class MemoryUsers:
    def __init__(self, store: MemoryStore, tables: Tables) -> None:
        self._store, self._tables = store, tables

    async def next_id(self) -> int:
        return next(self._store.ids["user"])

    async def add(self, user: User) -> None:
        users = self._tables.users
        if any(other.email.key == user.email.key for other in users.values()):
            raise EmailTaken
        if any(other.username.key == user.username.key for other in users.values()):
            raise UsernameTaken
        users[user.id] = user

    async def get(self, user_id: int) -> User:
        try:
            return self._tables.users[user_id]
        except KeyError:
            raise UserNotFound from None

    async def named(self, username: Username) -> User:
        for user in self._tables.users.values():
            if user.username.key == username.key:
                return user
        raise UserNotFound

    async def remove(self, user_id: int, *, at: datetime) -> None:
        if self._tables.users.pop(user_id, None) is None:
            raise UserNotFound
        for article in [article for article in self._tables.articles.values() if article.author_id == user_id]:
            settle(self._tables, article, at)
            forget(self._tables, article.id)
        self._tables.replies = {key: kept for key, kept in self._tables.replies.items() if key[0] != user_id}


class MemoryArticles:
    def __init__(self, store: MemoryStore, tables: Tables) -> None:
        self._store, self._tables = store, tables

    async def next_id(self) -> int:
        return next(self._store.ids["article"])

    async def reserve(self, article: Article, *, at: datetime) -> Slug:
        slugs, tables = self._tables.slugs, self._tables
        slug = next(
            slug
            for slug in numbered(article.slug)
            if slugs.get(slug, article.id) == article.id
            and not any(other.id != article.id for other in tables.came_out(slug, at + SOON))
        )
        slugs[slug] = article.id
        return slug

    async def add(self, article: Article, revision: Revision) -> None:
        if article.author_id not in self._tables.users:
            raise InvalidToken
        await self.save(article, revision)

    async def get(self, article_id: int, *, actor: int, at: datetime) -> Article:
        return settle(self._tables, await self.look(article_id, actor=actor, at=at), at + SOON)

    async def look(self, article_id: int, *, actor: int, at: datetime) -> Article:
        article = self._tables.articles.get(article_id)
        if article is None or not article.visible_to(actor, at=at):
            raise ArticleNotFound
        return article

    async def save(self, article: Article, revision: Revision) -> None:
        self._tables.articles[article.id] = article
        self._tables.revisions[article.id, revision.version] = revision

    async def remove(self, article_id: int) -> None:
        forget(self._tables, article_id)

    async def revision(self, article_id: int, version: int) -> Revision:
        try:
            return self._tables.revisions[article_id, version]
        except KeyError:
            raise RevisionNotFound from None

    async def changes(self, article_id: int, *, skip: int, limit: int) -> Sequence[Change]:
        own = [revision for (article, _), revision in self._tables.revisions.items() if article == article_id]
        own.sort(key=lambda revision: revision.version, reverse=True)
        names = [this.name for this in fields(Change)]
        return [Change(**{name: getattr(revision, name) for name in names}) for revision in own[skip : skip + limit]]


def numbered(slug: Slug) -> Iterator[Slug]:
    """The slug, and the same with numbers behind it: 2, 3 and so on."""
    yield slug
    yield from (slug.numbered(number) for number in itertools.count(2))


def settle(tables: Tables, article: Article, at: datetime) -> Article:
    """The article, with its address taken if it came out by itself."""
    settled = tables.settled(article, at)
    if settled is not article and settled.address:
        tables.articles[article.id] = settled
        tables.slugs[settled.address] = article.id
    return settled


def forget(tables: Tables, article_id: int) -> None:
    """Remove an article with all that is its own, but for its slugs."""
    del tables.articles[article_id]
    tables.revisions = {key: revision for key, revision in tables.revisions.items() if key[0] != article_id}
    tables.working_copies.pop(article_id, None)
    tables.previews = {key: preview for key, preview in tables.previews.items() if preview.article_id != article_id}


class MemoryWorkingCopies:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, article_id: int) -> WorkingCopy:
        try:
            return self._tables.working_copies[article_id]
        except KeyError:
            raise WorkingCopyNotFound from None

    async def save(self, copy: WorkingCopy) -> None:
        self._tables.working_copies[copy.article_id] = copy

    async def remove(self, article_id: int) -> None:
        await self.get(article_id)
        del self._tables.working_copies[article_id]


class MemoryPreviews:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def add(self, preview: Preview) -> None:
        for other in list(self._tables.previews.values()):
            if other.article_id == preview.article_id and other.expires_at <= preview.created_at:
                del self._tables.previews[other.id]
        self._tables.previews[preview.id] = preview

    async def of(self, article_id: int, *, at: datetime) -> Sequence[Preview]:
        previews = self._tables.previews.values()
        own = [preview for preview in previews if preview.article_id == article_id and preview.expires_at > at]
        return sorted(own, key=lambda preview: (preview.created_at, preview.id), reverse=True)

    async def remove(self, article_id: int, preview_id: int) -> None:
        preview = self._tables.previews.get(preview_id)
        if preview is None or preview.article_id != article_id:
            raise PreviewNotFound
        del self._tables.previews[preview_id]


class MemoryReplies:
    """Transactions take turns here, so no other has a claim while one does."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def claim(self, request: RequestKey, *, since: datetime) -> Reply | None:
        kept = self._tables.replies.get((request.caller, request.route, request.key))
        if kept is None or kept.at < since:
            return None
        if kept.fingerprint != request.fingerprint:
            raise KeyReused
        return kept.reply

    async def keep(self, request: RequestKey, reply: Reply, *, at: datetime) -> None:
        key = (request.caller, request.route, request.key)
        self._tables.replies[key] = Kept(reply, request.fingerprint, at)

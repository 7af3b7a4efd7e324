"""Changing what is kept, one transaction at a time."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from types import TracebackType
from typing import Self

from blog.adapters.memory.store import Kept, MemoryStore, Tables
from blog.application.ports import Reply, RequestKey
from blog.application.remembering import KeyReused, StillRunning
from blog.domain.articles import SOON, Article, ArticleNotFound
from blog.domain.errors import Unavailable
from blog.domain.previews import Preview, PreviewNotFound
from blog.domain.revisions import Change, Revision, RevisionNotFound
from blog.domain.slugs import Slug
from blog.domain.users import EmailTaken, InvalidToken, User, Username, UsernameTaken, UserNotFound
from blog.domain.working_copies import WorkingCopy, WorkingCopyNotFound

PATIENCE = 10.0
"""Seconds that a transaction waits for its turn."""

Turn = Callable[[], Awaitable[Tables]]
"""Waits for the turn of a transaction, if it has not come yet, and answers the rows that it works on."""


class MemoryTransaction:
    """Works on copies, which leaving the block puts in the place of what was kept.

    Its turn comes with the first thing that it does, and not before: whoever claims what another transaction has
    claimed is refused without waiting for a turn.
    """

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._tables: Tables | None = None
        self.users = MemoryUsers(store, self._turn)
        self.articles = MemoryArticles(store, self._turn)
        self.working_copies = MemoryWorkingCopies(self._turn)
        self.previews = MemoryPreviews(self._turn)
        self.replies = MemoryReplies(store, self._turn)

    async def __aenter__(self) -> Self:
        return self

    async def _turn(self) -> Tables:
        """The rows to work on, which are this transaction's alone until it ends. Raises `Unavailable`."""
        if self._tables is None:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._store.writing.acquire()
            except TimeoutError:
                raise Unavailable from TimeoutError(f"another transaction has taken more than {PATIENCE} seconds")
            self._tables = self._store.tables.copy()
        return self._tables

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tables is not None:
            if kind is None:
                self._store.tables = self._tables
            self._store.writing.release()
        self.replies.end()


class MemoryUsers:
    def __init__(self, store: MemoryStore, turn: Turn) -> None:
        self._store, self._turn = store, turn

    async def next_id(self) -> int:
        return next(self._store.ids["user"])

    async def add(self, user: User) -> None:
        users = (await self._turn()).users
        if any(other.email.key == user.email.key for other in users.values()):
            raise EmailTaken
        if any(other.username.key == user.username.key for other in users.values()):
            raise UsernameTaken
        users[user.id] = user

    async def get(self, user_id: int) -> User:
        try:
            return (await self._turn()).users[user_id]
        except KeyError:
            raise UserNotFound from None

    async def named(self, username: Username) -> User:
        for user in (await self._turn()).users.values():
            if user.username.key == username.key:
                return user
        raise UserNotFound

    # Nobody else writes before the end.
    get_for_update = named

    async def save(self, user: User) -> None:
        (await self._turn()).users[user.id] = user

    async def remove(self, user_id: int, *, at: datetime) -> None:
        tables = await self._turn()
        if tables.users.pop(user_id, None) is None:
            raise UserNotFound
        for article in [article for article in tables.articles.values() if article.author_id == user_id]:
            settle(tables, article, at)
            forget(tables, article.id)
        tables.replies = {key: kept for key, kept in tables.replies.items() if key[0] != user_id}


class MemoryArticles:
    def __init__(self, store: MemoryStore, turn: Turn) -> None:
        self._store, self._turn = store, turn

    async def next_id(self) -> int:
        return next(self._store.ids["article"])

    async def reserve(self, article: Article, *, at: datetime) -> Slug:
        tables = await self._turn()
        slugs = tables.slugs
        slug = next(
            slug
            for slug in numbered(article.slug)
            if slugs.get(slug, article.id) == article.id
            and not any(other.id != article.id for other in tables.came_out(slug, at + SOON))
        )
        slugs[slug] = article.id
        return slug

    async def add(self, article: Article, revision: Revision) -> None:
        if article.author_id not in (await self._turn()).users:
            raise InvalidToken
        await self.save(article, revision)

    async def get(self, article_id: int, *, actor: int, at: datetime) -> Article:
        tables = await self._turn()
        return settle(tables, await self.look(article_id, actor=actor, at=at), at + SOON)

    async def look(self, article_id: int, *, actor: int, at: datetime) -> Article:
        article = (await self._turn()).articles.get(article_id)
        if article is None or not article.visible_to(actor, at=at):
            raise ArticleNotFound
        return article

    async def save(self, article: Article, revision: Revision) -> None:
        tables = await self._turn()
        tables.put(article)
        tables.revisions[article.id, revision.version] = revision

    async def remove(self, article_id: int) -> None:
        forget(await self._turn(), article_id)

    async def revision(self, article_id: int, version: int) -> Revision:
        try:
            return (await self._turn()).revisions[article_id, version]
        except KeyError:
            raise RevisionNotFound from None

    async def changes(self, article_id: int, *, skip: int, limit: int) -> Sequence[Change]:
        revisions = (await self._turn()).revisions
        own = [revision for (article, _), revision in revisions.items() if article == article_id]
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
    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    async def get(self, article_id: int) -> WorkingCopy:
        try:
            return (await self._turn()).working_copies[article_id]
        except KeyError:
            raise WorkingCopyNotFound from None

    async def save(self, copy: WorkingCopy) -> None:
        tables = await self._turn()
        tables.working_copies[copy.article_id] = copy
        tables.put(tables.articles[copy.article_id])

    async def remove(self, article_id: int) -> None:
        await self.get(article_id)
        tables = await self._turn()
        del tables.working_copies[article_id]
        tables.put(tables.articles[article_id])


class MemoryPreviews:
    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    async def add(self, preview: Preview) -> None:
        previews = (await self._turn()).previews
        for other in list(previews.values()):
            if other.article_id == preview.article_id and other.expires_at <= preview.created_at:
                del previews[other.id]
        previews[preview.id] = preview

    async def of(self, article_id: int, *, at: datetime) -> Sequence[Preview]:
        previews = (await self._turn()).previews.values()
        own = [preview for preview in previews if preview.article_id == article_id and preview.expires_at > at]
        return sorted(own, key=lambda preview: (preview.created_at, preview.id), reverse=True)

    async def remove(self, article_id: int, preview_id: int) -> None:
        previews = (await self._turn()).previews
        preview = previews.get(preview_id)
        if preview is None or preview.article_id != article_id:
            raise PreviewNotFound
        del previews[preview_id]


class MemoryReplies:
    def __init__(self, store: MemoryStore, turn: Turn) -> None:
        self._store, self._turn = store, turn
        self._claimed: set[tuple[int, str, str]] = set()

    async def claim(self, request: RequestKey, *, since: datetime) -> Reply | None:
        key = key_of(request)
        claimed = key not in self._store.claims
        if claimed:
            self._store.claims.add(key)
            self._claimed.add(key)
        # As they were committed: nothing is waited for until there is something to do.
        tables = self._store.tables
        if request.caller not in tables.users:
            raise InvalidToken
        kept = tables.replies.get(key)
        if kept is None or kept.at < since:
            if not claimed:
                raise StillRunning
            return None
        if kept.fingerprint != request.fingerprint:
            raise KeyReused
        return kept.reply

    async def keep(self, request: RequestKey, reply: Reply, *, at: datetime) -> None:
        tables = await self._turn()
        if request.caller not in tables.users:
            raise InvalidToken
        tables.replies[key_of(request)] = Kept(reply, request.fingerprint, at)

    def end(self) -> None:
        """Let go of what was claimed."""
        self._store.claims -= self._claimed


def key_of(request: RequestKey) -> tuple[int, str, str]:
    return request.caller, request.route, request.key

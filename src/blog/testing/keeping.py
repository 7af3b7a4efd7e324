"""A store under test, and what each noun's part of the contract keeps in it to begin with."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from blog.application.ports import TransactionFactory
from blog.application.queries import ArticleQueries, ArticleView, UserQueries
from blog.domain.articles import Article, Status
from blog.domain.revisions import Revision
from blog.domain.users import Email, User, Username
from blog.testing.builders import Clock, a_draft, a_revision, a_user, an_article

SOMEBODY_ELSE = 999

preview_ids = itertools.count(1001)
"""Ids of previews, which use cases choose at random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """A store under test: the three ports over the same, empty, store, and the clock that its queries look at."""

    transaction: TransactionFactory
    articles: ArticleQueries
    users: UserQueries
    clock: Clock


class Interrupted(Exception):
    """Something went wrong half-way."""


async def keep_user(storage: Storage, **different: object) -> User:
    """A user, as registering keeps one."""
    async with storage.transaction() as tx:
        user = a_user(**{"id": await tx.users.next_id()} | different)
        await tx.users.add(user)
    return user


async def keep_bob(storage: Storage) -> User:
    """Somebody beside Ada."""
    return await keep_user(storage, email=Email("b@example.org"), username=Username("bob"))


async def keep_article(storage: Storage, author: User, **different: Any) -> Article:
    """An article, as publishing keeps one: with its first revision, and at an address of its own if it is out."""
    async with storage.transaction() as tx:
        own = {"id": await tx.articles.next_id(), "author_id": author.id, "address": None}
        article = an_article(**own | different)
        at = storage.clock.moment
        if article.status(at) is Status.PUBLISHED:
            article = article.settle(await tx.articles.reserve(article, at=at))
        await tx.articles.add(article, revision_of(article))
    return article


async def keep_draft(storage: Storage, author: User, **different: Any) -> Article:
    """A draft."""
    async with storage.transaction() as tx:
        draft = a_draft(**{"id": await tx.articles.next_id(), "author_id": author.id} | different)
        await tx.articles.add(draft, revision_of(draft))
    return draft


async def save_article(storage: Storage, article: Article) -> Article:
    """Another version of an article, as publishing keeps it: at an address that it has asked for, if it is out."""
    async with storage.transaction() as tx:
        at = storage.clock.moment
        before = await tx.articles.get(article.id, actor=article.author_id, at=at)
        article = replace(article, version=before.version + 1)
        if article.address != article.slug and article.status(at) is Status.PUBLISHED:
            article = article.settle(await tx.articles.reserve(article, at=at))
        await tx.articles.save(article, revision_of(article))
    return article


async def get_article(storage: Storage, article: Article) -> Article:
    """What is kept of an article, as its author gets it."""
    async with storage.transaction() as tx:
        return await tx.articles.get(article.id, actor=article.author_id, at=storage.clock.moment)


async def remove_article(storage: Storage, article: Article) -> None:
    """Remove an article, as publishing does."""
    async with storage.transaction() as tx:
        await tx.articles.get(article.id, actor=article.author_id, at=storage.clock.moment)
        await tx.articles.remove(article.id)


async def page_of(storage: Storage, viewer: int | None) -> Sequence[ArticleView]:
    """All that somebody may read now."""
    return list((await storage.articles.page(viewer=viewer, skip=0, limit=100)).articles)


def revision_of(article: Article, **different: Any) -> Revision:
    """The revision that comes with this version of an article."""
    values = {"article_id": article.id, "version": article.version, "by": article.author_id}
    return a_revision(**values | {"manuscript": article.manuscript} | different)


def view_of(storage: Storage, article: Article, viewer: int | None = None, at: datetime | None = None) -> ArticleView:
    """What somebody sees of an article now, or at that moment."""
    return ArticleView.of(article, viewer=viewer, at=at or storage.clock.moment)

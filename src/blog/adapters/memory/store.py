"""What is kept."""

import asyncio
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from blog.application.ports import Reply
from blog.domain.articles import Article
from blog.domain.previews import Preview
from blog.domain.revisions import Revision
from blog.domain.slugs import Slug
from blog.domain.users import User
from blog.domain.working_copies import WorkingCopy


class Kept(NamedTuple):
    """A reply, what it was to, and when."""

    reply: Reply
    fingerprint: bytes
    at: datetime


@dataclass(slots=True, kw_only=True)
class Tables:
    """The rows."""

    users: dict[int, User] = field(default_factory=dict)
    articles: dict[int, Article] = field(default_factory=dict)
    revisions: dict[tuple[int, int], Revision] = field(default_factory=dict)
    slugs: dict[Slug, int] = field(default_factory=dict)
    """Whose each is, or was."""
    working_copies: dict[int, WorkingCopy] = field(default_factory=dict)
    previews: dict[int, Preview] = field(default_factory=dict)
    replies: dict[tuple[int, str, str], Kept] = field(default_factory=dict)

    def put(self, article: Article) -> None:
        """Keep the article, with the answer to whether there is a working copy of it."""
        self.articles[article.id] = replace(article, has_working_copy=article.id in self.working_copies)

    def settled(self, article: Article, at: datetime) -> Article:
        """The article at the address where it is out, if it came out by itself."""
        if not article.came_out(at):
            return article
        taken = self.slugs.get(article.slug, article.id) != article.id
        before = [other for other in self.came_out(article.slug, at) if precedence(other) < precedence(article)]
        return article.settle(article.slug.marked(article.id) if taken or before else article.slug)

    def came_out(self, slug: Slug, at: datetime) -> list[Article]:
        """The articles that came out by themselves with this slug, the first one first."""
        found = [article for article in self.articles.values() if article.slug == slug and article.came_out(at)]
        return sorted(found, key=precedence)

    def copy(self) -> "Tables":
        """The same rows, to be changed without these."""
        return Tables(**{name: dict(getattr(self, name)) for name in self.__slots__})


def precedence(article: Article) -> tuple[datetime | None, int]:
    """By what two that came out with one slug are told apart."""
    return article.publish_at, article.id


@dataclass(slots=True, kw_only=True)
class MemoryStore:
    """The rows as they were last committed; a commit replaces all of them and changes none."""

    tables: Tables = field(default_factory=Tables)
    # Counters, like a database's sequences, do not go back when a transaction does.
    ids: Mapping[str, Iterator[int]] = field(
        default_factory=lambda: {noun: itertools.count(1) for noun in ("user", "article")}
    )
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    claims: set[tuple[int, str, str]] = field(default_factory=set)
    """The keys of the replies that transactions are at work on."""


class MemoryReadiness:
    """Memory is always at hand."""

    async def check(self) -> None:
        return

"""What is kept."""

import asyncio
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from blog.domain.articles import Article
from blog.domain.users import User


@dataclass(slots=True)
class MemoryStore:
    """The rows as they were last committed; a commit replaces whole mappings and changes none."""

    users: Mapping[int, User] = field(default_factory=dict)
    articles: Mapping[int, Article] = field(default_factory=dict)
    # Counters, like a database's sequences, do not go back when a transaction does.
    user_ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    article_ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)


class MemoryReadiness:
    """Memory is always at hand."""

    async def check(self) -> None:
        return

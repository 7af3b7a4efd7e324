"""How many pages of each kind are made at a time, so that none of them keeps the others waiting."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from blog.domain.errors import Unavailable

LARGE_PAGE = 500_000
"""Bytes from which on a page is encoded in pieces, with others in between."""


class PageLimiter:
    """Limits how many pages are read and encoded at a time: one may take a hundred megabytes, and seconds.

    `pages` is what they are called where one has to wait longer than `patience` (seconds), and is refused.
    """

    def __init__(self, pages: str = "pages", *, at_once: int = 2, patience: float = 10) -> None:
        self._free, self._patience = asyncio.Semaphore(at_once), patience
        self._sentence = f"Too many {pages} are being made at the moment. Try again shortly."

    async def __aenter__(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            waited = f"no turn within {self._patience:g} seconds"
            raise Unavailable(self._sentence) from TimeoutError(waited)

    async def __aexit__(self, *_: object) -> None:
        self._free.release()


@dataclass(frozen=True, slots=True)
class PageLimits:
    """A limiter for each kind of page that takes long. A single article has none, and neither has readiness.

    Together they read seven pages at a time, one for each connection that a pool of ten has for pages.
    """

    lists: PageLimiter = field(default_factory=lambda: PageLimiter("lists"))
    searches: PageLimiter = field(default_factory=lambda: PageLimiter("searches"))
    feeds: PageLimiter = field(default_factory=lambda: PageLimiter("feeds", at_once=1))
    sitemaps: PageLimiter = field(default_factory=lambda: PageLimiter("sitemaps", at_once=1))
    large: PageLimiter = field(default_factory=lambda: PageLimiter("large pages", at_once=1))
    """Those of lists and searches that take much memory, once more while they are encoded."""
    tags: PageLimiter = field(default_factory=lambda: PageLimiter("lists of tags", at_once=1))


async def encode_page(shown: Sequence[Any], size: int, large: PageLimiter) -> bytes:
    """What is shown of some articles, about `size` bytes, as JSON.

    A large page is not encoded in one go: that holds up everybody.
    """
    if size < LARGE_PAGE:
        return msgspec.json.encode(shown)
    async with large:
        pieces: list[bytes] = []
        for each in shown:
            pieces.append(msgspec.json.encode(each))
            await asyncio.sleep(0)
        return b"[" + b",".join(pieces) + b"]"

"""Showing what is not out to somebody without an account."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from blog.application.ports import Clock, PreviewTokens, TransactionFactory
from blog.application.queries import ArticleQueries, ArticleView
from blog.domain.previews import Preview, Previewed, TooManyPreviews

MOST = 50
"""Previews of one article that have not expired."""


def random_id() -> int:
    """An id that no preview had, also none in a backup that is restored; within what JavaScript can count."""
    return (int.from_bytes(os.urandom(7)) >> 4) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedPreview:
    """A preview, and the token that opens it: nobody is told that again."""

    preview: Preview
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewing:
    """Giving others leave to read, and taking it back.

    All but `show` raises `ArticleNotFound` and `NotTheAuthor`.
    """

    transaction: TransactionFactory
    articles: ArticleQueries
    tokens: PreviewTokens
    now: Clock
    new_id: Callable[[], int] = random_id
    reading: TransactionFactory | None = None
    """For what changes nothing; by default as for what does."""

    async def issue(self, *, actor: int, article: int, of: Previewed, lifetime: timedelta) -> IssuedPreview:
        """Leave to read the article, or its working copy. Raises `WorkingCopyNotFound`, `TooManyPreviews`."""
        async with self.transaction() as tx:
            at = self.now()
            (await tx.articles.get(article, actor=actor, at=at)).check_changeable_by(actor, at=at)
            if len(await tx.previews.of(article, at=at)) >= MOST:
                raise TooManyPreviews
            if of is Previewed.WORKING_COPY:
                await tx.working_copies.get(article)
            preview = Preview(
                id=self.new_id(),
                article_id=article,
                of=of,
                created_at=at,
                expires_at=at + lifetime,
            )
            await tx.previews.add(preview)
        return IssuedPreview(preview=preview, token=self.tokens.issue(preview))

    async def list(self, *, actor: int, article: int) -> Sequence[Preview]:
        """The previews of the article that have not expired, the newest first."""
        async with (self.reading or self.transaction)() as tx:
            at = self.now()
            (await tx.articles.look(article, actor=actor, at=at)).check_changeable_by(actor, at=at)
            return await tx.previews.of(article, at=at)

    async def revoke(self, *, actor: int, article: int, preview: int) -> None:
        """Take the leave back. Raises `PreviewNotFound`."""
        async with self.transaction() as tx:
            at = self.now()
            (await tx.articles.look(article, actor=actor, at=at)).check_changeable_by(actor, at=at)
            await tx.previews.remove(article, preview)

    async def show(self, token: str) -> ArticleView:
        """What the preview shows, as it stands. Raises `PreviewNotFound`."""
        return await self.articles.previewed(self.tokens.read(token))

"""Looking back on what an article was, and going back to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blog.application.ports import Clock, Comparer, Markdown, Transaction, TransactionFactory
from blog.application.publishing import new_edition, saved
from blog.application.queries import ArticleView
from blog.domain.articles import Note, Stamp
from blog.domain.preconditions import ANY_VERSION, Precondition
from blog.domain.revisions import Change, Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Revising:
    """What an author does with the revisions of an article. All of it raises `ArticleNotFound` and `NotTheAuthor`."""

    transaction: TransactionFactory
    markdown: Markdown
    comparer: Comparer
    now: Clock
    edition: Callable[[], str] = new_edition
    reading: TransactionFactory | None = None
    """For what changes nothing; by default as for what does."""

    async def changes(self, *, actor: int, article: int, skip: int, limit: int) -> Sequence[Change]:
        """At most `limit` changes after the first `skip`, the newest first."""
        async with (self.reading or self.transaction)() as tx:
            await self._check(tx, actor, article)
            return await tx.articles.changes(article, skip=skip, limit=limit)

    async def read(self, *, actor: int, article: int, version: int) -> Revision:
        """One version. Raises `RevisionNotFound`."""
        async with (self.reading or self.transaction)() as tx:
            await self._check(tx, actor, article)
            return await tx.articles.revision(article, version)

    async def compare(self, *, actor: int, article: int, version: int, against: int) -> str:
        """What changed from `against` to `version`, as a unified diff.

        Raises `RevisionNotFound`, and `TooHardToCompare` where it takes too long.
        """
        async with (self.reading or self.transaction)() as tx:
            await self._check(tx, actor, article)
            before, after = await tx.articles.revision(article, against), await tx.articles.revision(article, version)
        return await self.comparer.compare(before, after)

    async def restore(
        self, *, actor: int, article: int, version: int, expected: Precondition = ANY_VERSION
    ) -> ArticleView:
        """Make the text what it was, which is a new version. Raises `RevisionNotFound`, `EditedMeanwhile`."""
        revision = await self.read(actor=actor, article=article, version=version)
        rendition = await self.markdown.render(revision.manuscript.content)
        async with self.transaction() as tx:
            before = await tx.articles.get(article, actor=actor, at=self.now())
            stamp = Stamp(by=actor, at=self.now(), edition=self.edition())
            before.check_changeable_by(actor, at=stamp.at, expected=expected)
            after = before.rewrite(stamp, revision.manuscript, rendition)
            after = await saved(tx, before, after, stamp, Note(f"Restored version {version}."))
        return ArticleView.of(after, viewer=actor, at=stamp.at)

    async def _check(self, tx: Transaction, actor: int, article: int) -> None:
        at = self.now()
        (await tx.articles.look(article, actor=actor, at=at)).check_changeable_by(actor, at=at)

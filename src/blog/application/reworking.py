"""Editing what is out without changing what readers see, until it is done."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Unpack

from blog.application.ports import Clock, Markdown, Transaction, TransactionFactory
from blog.application.publishing import new_edition, saved
from blog.application.queries import ArticleView, WorkingCopyView
from blog.domain.articles import Article, ManuscriptChanges, Note, Stamp
from blog.domain.preconditions import ANY_VERSION, Precondition
from blog.domain.working_copies import WorkingCopy, WorkingCopyNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Reworking:
    """What an author does with the working copy of an article: there is one at most.

    All of it raises `ArticleNotFound` and `NotTheAuthor`. `expected` says for which version of the copy something is
    done; where it has another by now, that is `EditedMeanwhile` or `VersionExcluded`.
    """

    transaction: TransactionFactory
    markdown: Markdown
    now: Clock
    edition: Callable[[], str] = new_edition
    reading: TransactionFactory | None = None
    """For what changes nothing; by default as for what does."""

    async def save(
        self,
        *,
        actor: int,
        article: int,
        expected: Precondition = ANY_VERSION,
        based_on: int | None = None,
        **changes: Unpack[ManuscriptChanges],
    ) -> WorkingCopyView:
        """Change what is given in the copy, which begins as what the article is.

        Where the article's text was changed directly, `based_on` accepts the text of that version: publishing the
        copy replaces it. Raises `TooHardToRender`, `EditedMeanwhile` also where the text was changed after that
        version, and `Contradiction` where the article has no such version.
        """
        rendition = await self.markdown.render(changes["content"]) if "content" in changes else None
        async with self.transaction() as tx:
            # Held, so that of two who begin a copy at once the second goes on with the first one's.
            found = await self._own(tx, article, actor)
            stamp = Stamp(by=actor, at=self.now(), edition=self.edition())
            try:
                before = await tx.working_copies.get(article)
            except WorkingCopyNotFound:
                before = WorkingCopy.begin(found, stamp)
            copy = before.save(found, stamp, expected=expected, based_on=based_on, rendition=rendition, **changes)
            if copy is not before:
                await tx.working_copies.save(copy)
        return WorkingCopyView.of(copy)

    async def show(self, *, actor: int, article: int) -> WorkingCopyView:
        """The copy. Raises `WorkingCopyNotFound`."""
        async with (self.reading or self.transaction)() as tx:
            at = self.now()
            (await tx.articles.look(article, actor=actor, at=at)).check_changeable_by(actor, at=at)
            return WorkingCopyView.of(await tx.working_copies.get(article))

    async def publish(
        self, *, actor: int, article: int, expected: Precondition = ANY_VERSION, note: Note | None = None
    ) -> ArticleView:
        """Put the copy in the place of the article's text. Raises `WorkingCopyNotFound`, `EditedMeanwhile`."""
        async with self.transaction() as tx:
            before = await self._own(tx, article, actor)
            stamp = Stamp(by=actor, at=self.now(), edition=self.edition())
            copy = await tx.working_copies.get(article)
            after = await saved(tx, before, copy.publish(before, stamp, expected=expected), stamp, note)
            await tx.working_copies.remove(article)
        return ArticleView.of(replace(after, has_working_copy=False), viewer=actor, at=stamp.at)

    async def discard(self, *, actor: int, article: int, expected: Precondition = ANY_VERSION) -> None:
        """Forget the copy. Raises `WorkingCopyNotFound`, `EditedMeanwhile`."""
        async with self.transaction() as tx:
            await self._own(tx, article, actor)
            (await tx.working_copies.get(article)).check(actor, expected)
            await tx.working_copies.remove(article)

    async def _own(self, tx: Transaction, article: int, actor: int) -> Article:
        at = self.now()
        found = await tx.articles.get(article, actor=actor, at=at)
        found.check_changeable_by(actor, at=at)
        return found

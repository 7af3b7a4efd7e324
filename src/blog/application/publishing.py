"""Writing articles and publishing them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Unpack

from blog.application.ports import Clock, Markdown, Transaction, TransactionFactory, Transliterate
from blog.application.queries import ArticleView
from blog.domain.articles import (
    Article,
    Changes,
    Content,
    Contradiction,
    Manuscript,
    Note,
    Rest,
    Stamp,
    Status,
    Title,
    divide,
)
from blog.domain.preconditions import ANY_VERSION, Precondition
from blog.domain.revisions import Revision
from blog.domain.slugs import Slug


def new_edition() -> str:
    """A name for a version that no other has: 48 bits at random."""
    # What `secrets` would say, whose import takes a fifth of that of all the rest.
    return os.urandom(6).hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """What an author does with an article.

    `expected` says for which version a change is: `Precondition(editions=[view.edition])` for the one that was read.
    Where the article has another by now, that is `EditedMeanwhile` or `VersionExcluded`, and nothing was done. `note`
    says what a change is for.
    """

    transaction: TransactionFactory
    markdown: Markdown
    now: Clock
    transliterate: Transliterate = str
    edition: Callable[[], str] = new_edition

    async def write(
        self, *, actor: int, title: Title, content: Content, note: Note | None = None, **rest: Unpack[Rest]
    ) -> ArticleView:
        """Write an article, as a draft unless told otherwise.

        Raises `InvalidToken` where the actor is gone, `Contradiction`, `TooHardToRender`.
        """
        text, publication = divide(rest)
        manuscript = Manuscript(title=title, content=content, **text)
        rendition = await self.markdown.render(content)
        slug = rest.get("slug") or Slug.of(self.transliterate(title))
        async with self.transaction() as tx:
            stamp = Stamp(by=actor, at=self.now(), edition=self.edition())
            article = Article.write(
                stamp,
                id=await tx.articles.next_id(),
                manuscript=manuscript,
                rendition=rendition,
                slug=slug,
                publication=publication,
            )
            article = await addressed(tx, article, stamp)
            await tx.articles.add(article, Revision.of(article, by=actor, note=note))
        return ArticleView.of(article, viewer=actor, at=stamp.at)

    async def edit(
        self,
        *,
        actor: int,
        article: int,
        expected: Precondition = ANY_VERSION,
        note: Note | None = None,
        **changes: Unpack[Changes],
    ) -> ArticleView:
        """Change what is given and nothing else.

        A change that turns out to change nothing makes no version, and leaves no note. Raises `ArticleNotFound`,
        `NotTheAuthor`, `EditedMeanwhile`, `TooHardToRender`, and `Contradiction`, also where a note comes alone.
        """
        if note and not changes:
            raise Contradiction("note", "Says what a change is for: send it along with one.")
        rendition = await self.markdown.render(changes["content"]) if "content" in changes else None
        async with self.transaction() as tx:
            before = await tx.articles.get(article, actor=actor, at=self.now())
            # After any wait for it, or moments would not be in the order of the changes.
            stamp = Stamp(by=actor, at=self.now(), edition=self.edition())
            after = before.edit(stamp, expected=expected, rendition=rendition, **changes)
            after = await saved(tx, before, after, stamp, note)
        return ArticleView.of(after, viewer=actor, at=stamp.at)

    async def archive(
        self, *, actor: int, article: int, expected: Precondition = ANY_VERSION, note: Note | None = None
    ) -> ArticleView:
        """Put the article away. Raises `ArticleNotFound`, `NotTheAuthor`, `EditedMeanwhile`."""
        async with self.transaction() as tx:
            before = await tx.articles.get(article, actor=actor, at=self.now())
            # After any wait for it, or moments would not be in the order of the changes.
            stamp = Stamp(by=actor, at=self.now(), edition=self.edition())
            after = await saved(tx, before, before.archive(stamp, expected=expected), stamp, note)
        return ArticleView.of(after, viewer=actor, at=stamp.at)

    async def delete(self, *, actor: int, article: int, expected: Precondition = ANY_VERSION) -> None:
        """Delete the article. Raises `ArticleNotFound`, `NotTheAuthor`, `EditedMeanwhile`."""
        async with self.transaction() as tx:
            at = self.now()
            found = await tx.articles.get(article, actor=actor, at=at)
            found.check_changeable_by(actor, at=at, expected=expected)
            await tx.articles.remove(article)


async def saved(tx: Transaction, before: Article, after: Article, stamp: Stamp, note: Note | None = None) -> Article:
    """The article as it is kept after a change, unless nothing was changed."""
    if after is before:
        return before
    after = await addressed(tx, after, stamp)
    await tx.articles.save(after, Revision.of(after, by=stamp.by, before=before, note=note))
    return after


async def addressed(tx: Transaction, article: Article, stamp: Stamp) -> Article:
    """The article, with its address taken if it is out."""
    if article.address == article.slug or article.status(stamp.at) is not Status.PUBLISHED:
        return article
    return article.settle(await tx.articles.reserve(article, at=stamp.at))

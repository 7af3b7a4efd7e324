"""Working copies: an article that is out, being edited without its readers noticing."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self, Unpack

from blog.domain.articles import Article, Contradiction, Manuscript, ManuscriptChanges, Rendition, Stamp
from blog.domain.errors import NotFound
from blog.domain.preconditions import ANY_VERSION, EditedMeanwhile, Precondition


class WorkingCopyNotFound(NotFound):
    sentence = "There is no working copy of this article."


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingCopy:
    """The text of an article as it is going to be."""

    article_id: int
    based_on: int
    """The version of the article whose text it takes the place of: that which it began from, or one accepted."""
    manuscript: Manuscript
    rendition: Rendition
    version: int
    edition: str
    updated_at: datetime

    @classmethod
    def begin(cls, article: Article, stamp: Stamp) -> Self:
        """A copy of the text as it stands."""
        return cls(
            article_id=article.id,
            based_on=article.version,
            manuscript=article.manuscript,
            rendition=article.rendition,
            version=0,
            edition=f"0-{stamp.edition}",
            updated_at=stamp.at,
        )

    def save(
        self,
        article: Article,
        stamp: Stamp,
        *,
        expected: Precondition = ANY_VERSION,
        based_on: int | None = None,
        rendition: Rendition | None = None,
        **changes: Unpack[ManuscriptChanges],
    ) -> Self:
        """The copy with what is given changed, and `rendition` that of new content.

        `based_on` accepts the text of the article in that version as what the copy takes the place of. Its first
        version may be what the article is; after that, a change that changes nothing makes no version. Raises
        `EditedMeanwhile`, also where the article's text was changed after `based_on`, `VersionExcluded`, and
        `Contradiction` where the article has no such version.
        """
        self.check(stamp.by, expected)
        if based_on is not None and based_on != self.based_on:
            check_base(article, based_on)
        manuscript = replace(self.manuscript, **changes)
        base = self.based_on if based_on is None else based_on
        if (manuscript, base) == (self.manuscript, self.based_on) and self.version:
            return self
        return replace(
            self,
            based_on=base,
            manuscript=manuscript,
            rendition=rendition or self.rendition,
            version=self.version + 1,
            edition=f"{self.version + 1}-{stamp.edition}",
            updated_at=stamp.at,
        )

    def publish(self, article: Article, stamp: Stamp, *, expected: Precondition = ANY_VERSION) -> Article:
        """The article with this text in the place of its own.

        Raises `EditedMeanwhile` where the text of the article was changed after the version that the copy is based
        on, and what `check` raises.
        """
        self.check(stamp.by, expected)
        check_base(article, self.based_on)
        return article.rewrite(stamp, self.manuscript, self.rendition)

    def check(self, by: int, expected: Precondition) -> None:
        """Refuse a change that was made for another version. Raises `EditedMeanwhile`, `VersionExcluded`."""
        expected.check(version=self.version, edition=self.edition, changed_by=by, changed_at=self.updated_at)


def check_base(article: Article, version: int) -> None:
    """Refuse a version whose text is not the article's.

    Raises `EditedMeanwhile` where the text was changed after it, `Contradiction` where it is still to come.
    """
    if version > article.version:
        sentence = f"Must be a version of the article; it has {article.version} so far."
        raise Contradiction("based_on", sentence)
    if version < article.text_version:
        raise EditedMeanwhile(version=article.version, changed_by=article.author_id, changed_at=article.updated_at)

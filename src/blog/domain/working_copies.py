"""Working copies: an article that is out, being edited without its readers noticing."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self, Unpack

from blog.domain.articles import Article, Manuscript, ManuscriptChanges, Rendition, Stamp
from blog.domain.errors import NotFound
from blog.domain.preconditions import ANY_VERSION, EditedMeanwhile, Precondition


class WorkingCopyNotFound(NotFound):
    sentence = "There is no working copy of this article."


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingCopy:
    """The text of an article as it is going to be."""

    article_id: int
    based_on: int
    """The version of the article that it began from."""
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
        stamp: Stamp,
        *,
        expected: Precondition = ANY_VERSION,
        rendition: Rendition | None = None,
        **changes: Unpack[ManuscriptChanges],
    ) -> Self:
        """The copy with what is given changed, and `rendition` that of new content. Raises `EditedMeanwhile`.

        Its first version may be what the article is; after that, a change that changes nothing makes no version.
        """
        self.check(stamp.by, expected)
        manuscript = replace(self.manuscript, **changes)
        if manuscript == self.manuscript and self.version:
            return self
        return replace(
            self,
            manuscript=manuscript,
            rendition=rendition or self.rendition,
            version=self.version + 1,
            edition=f"{self.version + 1}-{stamp.edition}",
            updated_at=stamp.at,
        )

    def publish(self, article: Article, stamp: Stamp, *, expected: Precondition = ANY_VERSION) -> Article:
        """The article with this text in the place of its own.

        Raises `EditedMeanwhile` where the text of the article was changed since the copy began.
        """
        self.check(stamp.by, expected)
        if article.text_version > self.based_on:
            raise EditedMeanwhile(
                version=article.version, changed_by=article.author_id, changed_at=article.updated_at
            )
        return article.rewrite(stamp, self.manuscript, self.rendition)

    def check(self, by: int, expected: Precondition) -> None:
        """Refuse a change that was made for another version. Raises `EditedMeanwhile`, `VersionExcluded`."""
        expected.check(version=self.version, edition=self.edition, changed_by=by, changed_at=self.updated_at)

"""Articles, and the words with rules that belong to them."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Self

from blog.domain.errors import Forbidden, NotFound
from blog.domain.text import check_not_blank, check_text


class Title(str):
    """A line that is not blank, of at most 200 characters. Raises `Invalid`."""

    __slots__ = ()
    MIN: ClassVar[int] = 1
    MAX: ClassVar[int] = 200

    def __new__(cls, text: str) -> Self:
        check_text(text, at_least=cls.MIN, at_most=cls.MAX)
        check_not_blank(text)
        return super().__new__(cls, text)


class Content(str):
    """The body of an article: not blank, at most 200,000 characters, lines and tabs allowed. Raises `Invalid`."""

    __slots__ = ()
    MIN: ClassVar[int] = 1
    MAX: ClassVar[int] = 200_000

    def __new__(cls, text: str) -> Self:
        check_text(text, at_least=cls.MIN, at_most=cls.MAX, layout=True)
        check_not_blank(text)
        return super().__new__(cls, text)


class ArticleNotFound(NotFound):
    """There is no such article, or it is somebody else's draft: nobody can tell which."""

    sentence = "Article not found"


class NotTheAuthor(Forbidden):
    sentence = "Not authorized"


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """A text by one author: a draft, or published for anybody to read."""

    id: int
    title: Title
    content: Content
    published: bool
    author_id: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def write(
        cls,
        *,
        id: int,  # noqa: A002
        title: Title,
        content: Content,
        published: bool,
        author_id: int,
        at: datetime,
    ) -> Self:
        """A new article, from the moment `at` (with a zone)."""
        return cls(
            id=id,
            title=title,
            content=content,
            published=published,
            author_id=author_id,
            created_at=at,
            updated_at=at,
        )

    def visible_to(self, viewer: int | None) -> bool:
        """Whether this user, or nobody in particular, may read the article."""
        return self.published or self.author_id == viewer

    def check_changeable_by(self, actor: int) -> None:
        """Refuse everybody but the author.

        Raises `ArticleNotFound` to somebody who may not even read it, `NotTheAuthor` to the others.
        """
        if not self.visible_to(actor):
            raise ArticleNotFound
        if self.author_id != actor:
            raise NotTheAuthor

    def edit(
        self,
        *,
        by: int,
        at: datetime,
        title: Title | None = None,
        content: Content | None = None,
        published: bool | None = None,
    ) -> Self:
        """The article with what is given changed, and everything else as it was.

        An edit that changes nothing leaves `updated_at` alone too. Raises what `check_changeable_by` raises.
        """
        self.check_changeable_by(by)
        edited = replace(
            self,
            title=self.title if title is None else title,
            content=self.content if content is None else content,
            published=self.published if published is None else published,
        )
        return self if edited == self else replace(edited, updated_at=at)

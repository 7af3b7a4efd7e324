"""Slugs: the words of an address."""

import re
import unicodedata
from typing import ClassVar, Self

from blog.domain.errors import Invalid
from blog.domain.text import check_text

RESERVED = frozenset({"archive", "feed", "new", "preview", "previews", "revisions", "search", "tags", "working-copy"})
"""What an address may say in the place of a slug and mean something else by."""


class Slug(str):
    """Lower-case ASCII letters and digits in words with a hyphen between, at most 100 characters.

    It is no number, because a number is an article's id, and no word that addresses use otherwise. Raises `Invalid`.
    """

    __slots__ = ()
    MIN: ClassVar[int] = 1
    MAX: ClassVar[int] = 100
    PATTERN: ClassVar[str] = r"^[a-z0-9]+(-[a-z0-9]+)*$"

    def __new__(cls, text: str) -> Self:
        check_text(text, at_least=cls.MIN, at_most=cls.MAX)
        if not re.fullmatch(cls.PATTERN, text):
            raise Invalid("Must be lower-case letters a-z and digits, with single hyphens between words.")
        if text.isdecimal():
            raise Invalid("Must not be a number: numbers are ids.")
        if text in RESERVED:
            raise Invalid(f"Must not be {text!r}, which addresses use otherwise.")
        return super().__new__(cls, text)

    @classmethod
    def of(cls, title: str) -> Self:
        """What a title reads like as a slug; `article` where nothing of it is left.

        Letters with marks lose them. Any other script is for the caller to transliterate before.
        """
        ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
        words = re.findall(r"[a-z0-9]+", ascii_only.lower().replace("'", ""))
        slug = "-".join(words)[: cls.MAX].rstrip("-")
        return cls(
            f"article-{slug}"[: cls.MAX].rstrip("-") if not slug or slug.isdecimal() or slug in RESERVED else slug
        )

    def numbered(self, number: int) -> "Slug":
        """The slug with a number behind it, within its length."""
        ending = f"-{number}"
        return Slug(self[: self.MAX - len(ending)].rstrip("-") + ending)

    def marked(self, article_id: int) -> "Slug":
        """The slug with an article's id behind it, after a naught: no other number begins with one."""
        ending = f"-0{article_id}"
        return Slug(self[: self.MAX - len(ending)].rstrip("-") + ending)

    @property
    def mark(self) -> int | None:
        """The id that `marked` put behind the slug."""
        found = re.search(r"-0([1-9][0-9]{0,17})$", self)
        return int(found[1]) if found else None

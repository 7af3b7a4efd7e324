"""Tags: words that articles are found by, without a life of their own."""

import unicodedata
from collections.abc import Iterable
from typing import ClassVar, Self

from blog.domain.errors import Invalid, NotFound
from blog.domain.text import check_not_blank, check_text, fold


class Tag(str):
    """A word or a few, of at most 50 characters, without a comma, and neither `.` nor `..`.

    Kept as it is spelled, in Unicode's form NFC and without space around it. Raises `Invalid`.
    """

    __slots__ = ()
    MIN: ClassVar[int] = 1
    MAX: ClassVar[int] = 50

    def __new__(cls, text: str) -> Self:
        # Before it is normalised, because that takes time; and after it, because that is what is kept.
        check_text(text, at_least=cls.MIN, at_most=4 * cls.MAX)
        check_not_blank(text)
        if "," in text:
            raise Invalid("Must not contain a comma, which separates tags.")
        spelled = unicodedata.normalize("NFC", text.strip())
        check_text(spelled, at_least=cls.MIN, at_most=cls.MAX)
        if spelled in (".", ".."):
            raise Invalid("Must not be '.' or '..': in an address, these name a folder (RFC 3986, section 3.3).")
        # Some characters unfold into many; the key has a bound, because it is what an index holds.
        check_text(fold(spelled), at_least=1, at_most=4 * cls.MAX)
        return super().__new__(cls, spelled)

    @property
    def key(self) -> str:
        """What makes two spellings the same tag."""
        return fold(self)


class TagNotFound(NotFound):
    """No article could have such a word as a tag."""

    sentence = "Tag not found"


class Tags(tuple[Tag, ...]):
    """At most 20 tags, each once, in the order that the author chose. Raises `Invalid`."""

    __slots__ = ()
    MAX: ClassVar[int] = 20

    def __new__(cls, words: Iterable[str] = ()) -> Self:
        # Counted before any is made, which takes some microseconds each.
        counted = tuple(word for _, word in zip(range(cls.MAX + 1), words, strict=False))
        if len(counted) > cls.MAX:
            raise Invalid(f"Must be at most {cls.MAX} tags.")
        tags = tuple(word if isinstance(word, Tag) else Tag(word) for word in counted)
        seen: set[str] = set()
        for tag in tags:
            if tag.key in seen:
                raise Invalid(f"Must name each tag once; {tag!r} comes twice.")
            seen.add(tag.key)
        return super().__new__(cls, tags)

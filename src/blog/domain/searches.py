"""What somebody looks for."""

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from blog.domain.text import check_not_blank, check_text, fold


@dataclass(frozen=True, slots=True)
class Alternative:
    """Words and phrases of which all have to be there, and others of which none may."""

    present: tuple[tuple[str, ...], ...]
    absent: tuple[tuple[str, ...], ...]


class SearchWords(str):
    """What to look for, as people write it for search engines, of at most 200 characters. Raises `Invalid`.

    All words have to be there; in quotes, next to each other; those after a minus may not; `or` stands between
    alternatives.
    """

    __slots__ = ()
    MIN: ClassVar[int] = 1
    MAX: ClassVar[int] = 200

    def __new__(cls, text: str) -> Self:
        check_text(text, at_least=cls.MIN, at_most=cls.MAX)
        check_not_blank(text)
        return super().__new__(cls, text)

    @property
    def alternatives(self) -> list[Alternative]:
        """What it says, with words folded as `words_of` folds them."""
        found: list[Alternative] = []
        present: list[tuple[str, ...]] = []
        absent: list[tuple[str, ...]] = []
        for minus, phrase, word in re.findall(r'(-?)(?:"([^"]*)"?|([^\s"]+))', self):
            if word.lower() == "or" and not minus:
                found.append(Alternative(tuple(present), tuple(absent)))
                present, absent = [], []
            elif words := tuple(words_of(phrase or word)):
                (absent if minus else present).append(words)
        return [*found, Alternative(tuple(present), tuple(absent))]

    @property
    def wanted(self) -> frozenset[str]:
        """The words that make an article one that was looked for."""
        return frozenset(word for one in self.alternatives for phrase in one.present for word in phrase)


def words_of(text: str) -> list[str]:
    """The words of a text, as they are compared."""
    return re.findall(r"\w+", fold(text))

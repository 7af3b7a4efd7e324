"""What somebody looks for."""

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from blog.domain.text import check_not_blank, check_text, fold

WORD = re.compile(r"[^\W_]+")
"""A word of a folded text: letters and digits of any script."""

_PART = re.compile(r'(-*)(?:"([^"]*)"?|([^\s"]+))')
"""Hyphens, and then a phrase in quotes or a word. A single hyphen is a minus."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Phrases of which all have to be there, and others of which none may: at least one of either.

    Each is of a word or more, next to each other. It is spelled as it was written, and has no quote in it.
    """

    present: tuple[str, ...]
    absent: tuple[str, ...]


class SearchWords(str):
    """What to look for, as people write it for search engines, of at most 200 characters. Raises `Invalid`.

    All words have to be there; in quotes, next to each other; those after a minus may not; `or` stands between
    alternatives. A minus is one hyphen directly before a word or a quote. Every other sign only parts words, so that
    any text can be searched for. A text without a word finds nothing.
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
        """What it says: an article is found that fits one of these."""
        found: list[tuple[list[str], list[str]]] = [([], [])]
        for hyphens, quoted, word in _PART.findall(self):
            if word.lower() == "or" and not hyphens:
                found.append(([], []))
            elif words_of(phrase := quoted or word):
                found[-1][hyphens == "-"].append(phrase)
        return [Alternative(tuple(present), tuple(absent)) for present, absent in found if present or absent]

    @property
    def normalized(self) -> str:
        """The same search in its plainest spelling; empty where there is no word in it.

        Each phrase is in quotes, with one minus before it or none, and each `or` is between two alternatives. So all
        programs that know the syntax read it alike.
        """
        return " or ".join(
            " ".join([*(f'"{phrase}"' for phrase in one.present), *(f'-"{phrase}"' for phrase in one.absent)])
            for one in self.alternatives
        )

    @property
    def wanted(self) -> frozenset[str]:
        """The words that make an article one that was looked for."""
        return frozenset(word for one in self.alternatives for phrase in one.present for word in words_of(phrase))


def words_of(text: str) -> list[str]:
    """The words of a text, as they are compared."""
    return WORD.findall(fold(text))

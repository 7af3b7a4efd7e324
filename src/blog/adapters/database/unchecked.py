"""Values of the domain as they were stored.

A value is checked when it is written. A rule that has become stricter since holds for new values: one that was stored
before is still read, changed and deleted with its article.
"""

from collections.abc import Iterable
from typing import TypeVar

from blog.domain.tags import Tag, Tags

Word = TypeVar("Word", bound=str)


def unchecked(kind: type[Word], text: str) -> Word:
    """The text as a value of this kind, without the checks of the kind."""
    return str.__new__(kind, text)


def unchecked_or_none(kind: type[Word], text: str | None) -> Word | None:
    """The same of a text that may be missing."""
    return None if text is None else unchecked(kind, text)


def unchecked_tags(words: Iterable[str]) -> Tags:
    """Tags in the order in which they were stored."""
    return tuple.__new__(Tags, (unchecked(Tag, word) for word in words))

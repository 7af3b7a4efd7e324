"""What any text must be before a noun's own rules look at it."""

import re
import unicodedata
from typing import ClassVar, Self

from blog.domain.errors import Invalid

# Unicode's category Cc and the surrogates: PostgreSQL keeps neither NUL nor a lone surrogate, and the others have
# no place in a text that people read. The three that lay a text out are allowed in a body alone.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_BUT_LAYOUT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def check_text(text: str, *, at_least: int, at_most: int, layout: bool = False) -> None:
    """Refuse a text of the wrong length (in Unicode code points) or with control characters in it.

    With `layout`, line breaks and tabs are allowed. Raises `Invalid`, which names the first such character with its
    line and its column: both count from 1, columns in code points.
    """
    if len(text) < at_least:
        raise Invalid("Must not be empty." if at_least == 1 else f"Must be at least {at_least} characters long.")
    if len(text) > at_most:
        raise Invalid(f"Must be at most {at_most} characters long.")
    if found := (_CONTROL_BUT_LAYOUT if layout else _CONTROL).search(text):
        lines = re.split("\r\n|\r|\n", text[: found.start()])
        place = f"line {len(lines)}, column {len(lines[-1]) + 1}"
        raise Invalid(f"Must not contain control characters: remove U+{ord(found[0]):04X} in {place}.")


def fold(text: str) -> str:
    """What stays the same in whatever case and compatibility form (Unicode, section 3.13, definition D146)."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFKC", folded.casefold())


# Spaces, what Unicode says to show nothing for (Default_Ignorable_Code_Point), what frames annotations, and a Braille
# cell without a dot.
INVISIBLE = (
    r" \u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    r"\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
)
"""A set of characters, as regular expressions write it; beyond U+FFFF there are more."""
_INVISIBLE = re.compile(rf"[{INVISIBLE}\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff]")


def visible(text: str) -> str:
    """What can be seen of a text: all but spaces and characters that show nothing."""
    return _INVISIBLE.sub("", text)


def check_not_blank(text: str) -> None:
    """Refuse a text in which there is nothing to read. Raises `Invalid`."""
    if not text.strip():
        raise Invalid("Must not be blank.")


class Line(str):
    """A line that is not blank, of at most `MAX` characters. Raises `Invalid`."""

    __slots__ = ()
    MIN: ClassVar[int] = 1
    MAX: ClassVar[int]

    def __new__(cls, text: str) -> Self:
        check_text(text, at_least=cls.MIN, at_most=cls.MAX)
        check_not_blank(text)
        return super().__new__(cls, text)

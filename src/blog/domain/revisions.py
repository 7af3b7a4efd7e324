"""Revisions: what an article was in each of its versions. They are added to and never rewritten."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal, Self

from blog.domain.articles import TEXT, Article, Manuscript, Note
from blog.domain.errors import Invalid, NotFound

PUBLICATION = ("slug", "featured", "language", "publish_at", "unpublish_at")
MOST_COMPARISONS = 200_000
"""Pairs of lines that a comparison may look at."""

CONTEXT = 3
"""Lines that are shown before and behind what differs."""

Opcode = tuple[Literal["replace", "delete", "insert", "equal"], int, int, int, int]
"""What becomes of some lines of the one text in the other, as `difflib` says it."""


class RevisionNotFound(NotFound):
    sentence = "Revision not found"


class TooHardToCompare(Invalid):
    sentence = "These versions take too long to compare; read them one by one, and compare them at your end."


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How one version of an article came about: who made it, when, what it changed and what for."""

    article_id: int
    version: int
    by: int
    at: datetime
    note: Note | None
    changed: tuple[str, ...]
    """The names of the fields that differ from the version before; none in the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision(Change):
    """One version of an article, and its text."""

    manuscript: Manuscript

    @classmethod
    def of(cls, article: Article, *, by: int, before: Article | None = None, note: Note | None = None) -> Self:
        """The article as it was just saved, after what it was before."""
        changed: tuple[str, ...] = ()
        if before:
            text = [name for name in TEXT if getattr(article.manuscript, name) != getattr(before.manuscript, name)]
            changed = (*text, *(name for name in PUBLICATION if getattr(article, name) != getattr(before, name)))
        return cls(
            article_id=article.id,
            version=article.version,
            by=by,
            at=article.updated_at,
            note=note,
            changed=changed,
            manuscript=article.manuscript,
        )


def compare(before: Revision, after: Revision, *, check: Callable[[], None] = lambda: None) -> str:
    """What a reader of the one does not find in the other, as a unified diff; empty where they are the same.

    A comparison may take seconds. `check` is called again and again meanwhile, and what it raises ends it.
    """
    names = (f"version {before.version}", f"version {after.version}")
    old, new = _lines(before.manuscript), _lines(after.manuscript)
    start, end = 0, 0
    if len(old) * len(new) > MOST_COMPARISONS:
        # The lines that both begin and end with take no comparing. In a small text, they help to find what moved.
        start = _common(old, new)
        end = _common(old[start:][::-1], new[start:][::-1])
        if (len(old) - start - end) * (len(new) - start - end) > MOST_COMPARISONS:
            return _replaced(old, new, names)
    opcodes = _Comparing(old[start : len(old) - end], new[start : len(new) - end], check).get_opcodes()
    shifted: list[Opcode] = [(kind, a + start, b + start, c + start, d + start) for kind, a, b, c, d in opcodes]
    if start:
        shifted.insert(0, ("equal", 0, start, 0, start))
    if end:
        shifted.append(("equal", len(old) - end, len(old), len(new) - end, len(new)))
    return "".join(_unified(old, new, names, shifted))


class _Comparing(difflib.SequenceMatcher[str]):
    """Looks for what two texts have in common, and asks before each look whether to go on."""

    def __init__(self, old: Sequence[str], new: Sequence[str], check: Callable[[], None]) -> None:
        self._check = check
        super().__init__(None, old, new)

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> difflib.Match:
        """As in any comparison."""
        self._check()
        return super().find_longest_match(alo, ahi, blo, bhi)


class _Compared(difflib.SequenceMatcher[str]):
    """What is known already, for what groups it by its context."""

    def __init__(self, opcodes: Sequence[Opcode]) -> None:
        super().__init__()
        self._opcodes = opcodes

    def get_opcodes(self) -> list[Opcode]:
        """What was found."""
        return list(self._opcodes)


def _lines(manuscript: Manuscript) -> list[str]:
    """All of a manuscript, as a head of fields and then the content."""
    head = {this.name: getattr(manuscript, this.name) for this in fields(manuscript) if this.name != "content"}
    shown = {name: ", ".join(value) if isinstance(value, tuple) else value for name, value in head.items()}
    text = "".join(f"{name}: {value}\n" for name, value in shown.items() if value) + f"\n{manuscript.content}"
    # Lines end where people see them end, whatever else Unicode counts as a break.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [f"{line}\n" for line in lines]


def _common(one: list[str], other: list[str]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _unified(old: list[str], new: list[str], names: tuple[str, str], opcodes: Sequence[Opcode]) -> Iterator[str]:
    """The lines of a unified diff, as `difflib.unified_diff` writes them."""
    for number, group in enumerate(_Compared(opcodes).get_grouped_opcodes(CONTEXT)):
        if number == 0:
            yield f"--- {names[0]}\n+++ {names[1]}\n"
        yield f"@@ -{_range(group[0][1], group[-1][2])} +{_range(group[0][3], group[-1][4])} @@\n"
        for kind, old_from, old_to, new_from, new_to in group:
            if kind == "equal":
                yield from (f" {line}" for line in old[old_from:old_to])
                continue
            yield from (f"-{line}" for line in old[old_from:old_to])
            yield from (f"+{line}" for line in new[new_from:new_to])


def _range(start: int, stop: int) -> str:
    """Some lines, counted from 1. They are three or more, as is every text: it has a title, a gap and content."""
    return f"{start + 1},{stop - start}"


def _replaced(old: list[str], new: list[str], names: tuple[str, str]) -> str:
    head = f"--- {names[0]}\n+++ {names[1]}\n@@ -1,{len(old)} +1,{len(new)} @@\n"
    return head + "".join(f"-{line}" for line in old) + "".join(f"+{line}" for line in new)

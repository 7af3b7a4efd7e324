"""Revisions: what an article was in each of its versions. They are added to and never rewritten."""

import difflib
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Self

from blog.domain.articles import TEXT, Article, Manuscript, Note
from blog.domain.errors import NotFound

PUBLICATION = ("slug", "featured", "language", "publish_at", "unpublish_at")
MOST_COMPARISONS = 200_000
"""Pairs of lines that a comparison may look at."""


class RevisionNotFound(NotFound):
    sentence = "Revision not found"


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


def compare(before: Revision, after: Revision) -> str:
    """What a reader of the one does not find in the other, as a unified diff; empty where they are the same."""
    names = (f"version {before.version}", f"version {after.version}")
    old, new = _lines(before.manuscript), _lines(after.manuscript)
    # What both begin and end with takes no comparing.
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    if (len(old) - start - end) * (len(new) - start - end) > MOST_COMPARISONS:
        return _replaced(old, new, names)
    return "".join(difflib.unified_diff(old, new, *names))


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


def _replaced(old: list[str], new: list[str], names: tuple[str, str]) -> str:
    head = f"--- {names[0]}\n+++ {names[1]}\n@@ -1,{len(old)} +1,{len(new)} @@\n"
    return head + "".join(f"-{line}" for line in old) + "".join(f"+{line}" for line in new)

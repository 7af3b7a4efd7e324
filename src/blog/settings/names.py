"""Names of settings that are nearly right."""

import re
from collections.abc import Collection, Iterable

LONG_WORD = 7
"""Letters of a word in which two mistakes still leave it recognisable; in a shorter one, one does."""


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that this one, which is none of them, is a misspelling of.

    Words between underscores are compared one by one, so that DATABASE_SSL and DATABASE_UID, names of other programs,
    are not taken for DATABASE_URL. A name with a digit numbers something, and is no misspelling.
    """
    if re.search(r"\d", name):
        return None
    found = [(mistakes, other) for other in known if (mistakes := _mistakes(name, other)) is not None]
    return min(found)[1] if found else None


def misspelled(names: Iterable[str], known: Collection[str]) -> dict[str, str]:
    """Which of the names are misspellings, and of what."""
    return {name: right for name in names if name not in known and (right := nearest(name, known))}


def shown(text: str) -> str:
    """A text as it may stand in a sentence on one line: short, and without control characters."""
    escaped = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
    return escaped if len(escaped) <= 200 else f"{escaped[:200]}…"


def _mistakes(name: str, right: str) -> int | None:
    """How many mistakes make `right` this name; None where it is another name."""
    if len(name) > len(right) + 4:
        return None
    words, others = (re.split("[_-]", text.casefold().strip("_- ")) for text in (name, right))
    if len(words) != len(others):
        # An underscore too many or too few, and at most one mistake more.
        distance = edit_distance("".join(words), "".join(others))
        return distance + 1 if distance <= 1 and abs(len(words) - len(others)) == 1 else None
    total = 0
    for word, other in zip(words, others, strict=True):
        most = 2 if len(other) >= LONG_WORD else 1
        if abs(len(word) - len(other)) > most or (distance := edit_distance(word, other)) > most:
            return None
        total += distance
    return total if total <= 2 else None


def edit_distance(one: str, other: str) -> int:
    """Letters to insert, delete, replace or swap with their neighbour (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        latest = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(row[j] + 1, latest[j - 1] + 1, row[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            latest.append(cost)
        before, row = row, latest
    return row[-1]

"""Names of settings that are nearly right."""

import re
from collections.abc import Collection, Iterable

LONG_WORD = 7
"""Letters of a word in which two mistakes still leave it recognisable; in a shorter one, one does."""
SHORT_WORD = 4
"""Letters of a word that is likely to be another word when one is missing."""


def nearest(name: str, known: Collection[str], *, shared: bool = False) -> str | None:
    """The known name that this one, which is none of them, is a misspelling of.

    Where names are `shared` with other programs, only one that can hardly be theirs is taken for a misspelling.

    Words between underscores are compared one by one, so that DATABASE_SSL and DATABASE_UID, names of other programs,
    are not taken for DATABASE_URL. A name with a digit numbers something, and is no misspelling.
    """
    if re.search(r"\d", name):
        return None
    count = _mistakes_where_shared if shared else _mistakes
    found = [(mistakes, other) for other in known if (mistakes := count(name, other)) is not None]
    return min(found)[1] if found else None


def misspelled(names: Iterable[str], known: Collection[str], *, shared: bool = False) -> dict[str, str]:
    """Which of the names are misspellings, and of what."""
    return {name: right for name in names if name not in known and (right := nearest(name, known, shared=shared))}


def shown(text: str) -> str:
    """A text as it may stand in a sentence on one line: short, and without control characters."""
    escaped = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
    return escaped if len(escaped) <= 200 else f"{escaped[:200]}…"


def _words(name: str) -> list[str]:
    return re.split("[_-]", name.casefold().strip("_- "))


def _mistakes(name: str, right: str) -> int | None:
    """How many mistakes make `right` this name; None where it is another name."""
    if len(name) > len(right) + 4:
        return None
    words, others = _words(name), _words(right)
    if "".join(words) == "".join(others) or [*map(_singular, words)] == [*map(_singular, others)]:
        return 1
    if len(words) > 1 and words == others[:-1]:  # The last word is missing, as in DATABASE_TIMEOUT.
        return 2
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


def _singular(word: str) -> str:
    return f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")


def _mistakes_where_shared(name: str, right: str) -> int | None:
    """The same, unless the name may be that of another program: VITE_URL, LOGO_FORMAT, DATABASE_POOL, DEBUT.

    Nobody else has a name of several words, one of them long, that begin as they should. Of other names, only slips
    of the fingers within a word are taken for misspellings.
    """
    words, others = _words(name), _words(right)
    if "".join(words) == "".join(others):
        return 1
    if len(words) != len(others):
        return None
    distinctive = len(others) > 1 and any(len(other) >= LONG_WORD for other in others)
    for word, other in zip(words, others, strict=True):
        if word != other and not (word[:1] == other[0] if distinctive else _slipped(word, other)):
            return None
    return _mistakes(name, right)


def _slipped(word: str, right: str) -> bool:
    """Whether two letters are swapped, one is doubled, or one inside a word that is not short is missing."""
    swapped = (right[:i] + right[i + 1] + right[i] + right[i + 2 :] for i in range(len(right) - 1))
    doubled = (right[:i] + right[i] + right[i:] for i in range(len(right)))
    missing = (right[:i] + right[i + 1 :] for i in range(1, len(right) - 1) if len(right) > SHORT_WORD)
    return word in {*swapped, *doubled, *missing}


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

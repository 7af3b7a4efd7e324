"""Things to test with: every field of a distinct value that is no default, so that a forgotten one shows.

What varies at random is Hypothesis's; what a test talks about it says itself.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from blog.domain.articles import Article, Content, Title
from blog.domain.users import Email, User, Username

NOON = datetime(2026, 3, 4, 12, 0, 0, 123456, tzinfo=UTC)


class Clock:
    """A clock that moves a second each time it is looked at, and further when told to."""

    def __init__(self, moment: datetime = NOON) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment

    def advance(self, **duration: float) -> None:
        """Let time pass, as `timedelta` takes it."""
        self.moment += timedelta(**duration)


def a_user(**different: Any) -> User:
    """Ada, or somebody like her."""
    values: dict[str, Any] = {
        "id": 11,
        "email": Email("Ada@Example.org"),
        "username": Username("Ada.L"),
        "password_hash": "scheme$hash",
        "created_at": NOON,
        "updated_at": NOON + timedelta(minutes=1, microseconds=1),
    }
    return User(**values | different)


def an_article(**different: Any) -> Article:
    """A published article of hers."""
    values: dict[str, Any] = {
        "id": 22,
        "title": Title("On engines"),
        "content": Content("The engine weaves\r\n\talgebraic patterns. ✍️"),
        "published": True,
        "author_id": 11,
        "created_at": NOON + timedelta(hours=1),
        "updated_at": NOON + timedelta(hours=2, microseconds=2),
    }
    return Article(**values | different)


# Any character that a text may hold: no control characters (Cc) and no surrogates (Cs).
characters = st.characters(exclude_categories=("Cc", "Cs"))
titles = st.text(characters, min_size=1, max_size=200).filter(str.strip)
contents = st.text(characters | st.sampled_from("\n\r\t"), min_size=10, max_size=300).filter(str.strip)
usernames = st.from_regex(r"[A-Za-z0-9_.-]{3,50}", fullmatch=True)
passwords = st.text(characters, min_size=8, max_size=100)

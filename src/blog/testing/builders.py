"""Things to test with: every field of a distinct value that is no default, so that a forgotten one shows."""

from datetime import UTC, datetime, timedelta
from typing import Any

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

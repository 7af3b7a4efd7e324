"""How often passwords may be tried: the first failures cost nothing, and each one more a longer wait."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import ClassVar, Self

from blog.domain.errors import TooManyRequests


class TooManyLogins(TooManyRequests):
    """Too many passwords were wrong for this account, or from this address; which of them is not told."""

    sentence = "Too many failed logins. Try again later."

    @classmethod
    def within(cls, wait: timedelta) -> Self:
        """The refusal that says how long to wait."""
        seconds = max(1, ceil(wait.total_seconds()))
        unit = "second" if seconds == 1 else "seconds"
        return cls(f"Too many failed logins. Try again in {seconds} {unit}.", retry_after=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """How many attempts have failed for an account, or from an address, and when the last one was made."""

    count: int
    at: datetime

    WAITS: ClassVar[tuple[int, ...]] = (0, 0, 0, 0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 900)
    """Seconds from an attempt to the next, by how many have failed; after more of them, the last."""

    FORGIVEN: ClassVar[timedelta] = timedelta(minutes=15)
    """After each such time without an attempt, one failure is forgotten."""

    KEPT: ClassVar[timedelta] = FORGIVEN * len(WAITS)
    """After this time without an attempt, all are."""

    def wait(self, at: datetime) -> timedelta:
        """How long there is to wait at a moment; nothing or less where an attempt may be made."""
        wait = timedelta(seconds=self.WAITS[self.count])
        # Clocks of two machines may differ: nobody waits for longer than that.
        return min(self.at + wait - at, wait)

    def fail(self, at: datetime) -> Self:
        """With one failure more."""
        forgiven = max(0, (at - self.at) // self.FORGIVEN)
        count = max(0, self.count - forgiven) + 1
        return replace(self, count=min(count, len(self.WAITS) - 1), at=at)

    def undo(self) -> Self:
        """With one failure less."""
        return replace(self, count=max(0, self.count - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Familiar:
    """A pair of an account and an address that signed in, and how often it has tried since a moment."""

    signed_in_at: datetime
    tries: int
    since: datetime

    KEPT: ClassVar[timedelta] = timedelta(days=30)
    """For how long it is let past what others have done."""

    TRIES: ClassVar[int] = 5
    """Attempts in a period, of which those that succeed do not count."""

    PERIOD: ClassVar[timedelta] = timedelta(minutes=1)

    def known(self, at: datetime) -> bool:
        """Whether it still is let past."""
        return at - self.signed_in_at < self.KEPT

    def wait(self, at: datetime) -> timedelta:
        """How long there is to wait at a moment; nothing or less where an attempt may be made."""
        return min(self.since + self.PERIOD - at, self.PERIOD) if self.tries >= self.TRIES else timedelta()

    def attempt(self, at: datetime) -> Self:
        """With one attempt more."""
        if at - self.since >= self.PERIOD:
            return replace(self, tries=1, since=at)
        return replace(self, tries=self.tries + 1)

    def undo(self) -> Self:
        """With one attempt less."""
        return replace(self, tries=max(0, self.tries - 1))

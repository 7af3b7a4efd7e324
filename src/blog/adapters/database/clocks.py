"""How far this machine's clock is from PostgreSQL's, which all instances of the blog share.

Tokens, and what is out by now, are told by the clock of the machine that answers. Where two machines differ, one
refuses what the other has signed, and hides what the other has published.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from blog.domain.errors import Unavailable

WARN_SECONDS = 2.0
"""A larger difference is worth a line in the log."""

EVERY_SECONDS = 60.0

log = logging.getLogger(__name__)


class ClocksDiffer(Unavailable):
    """The clock of this machine is too far from PostgreSQL's."""


class TellsTheTime(Protocol):
    """A database, as far as its clock goes."""

    async def time(self) -> datetime:
        """What its clock says. Raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class ClockDifference:
    """How many seconds a clock is ahead of another (behind it, where they are negative), give or take `error`."""

    seconds: float
    error: float

    @classmethod
    def measured(cls, *, sent: datetime, told: datetime, received: datetime) -> "ClockDifference":
        """By what the other clock told between two moments of this one: at any time in between."""
        half = (received - sent) / 2
        return cls((sent + half - told).total_seconds(), abs(half.total_seconds()))

    @property
    def at_least(self) -> float:
        """How far apart they surely are, in seconds."""
        return max(0.0, abs(self.seconds) - self.error)

    def __str__(self) -> str:
        return f"{abs(self.seconds):.1f} seconds {'ahead of' if self.seconds > 0 else 'behind'}"


class ClockWatch:
    """Measures the difference at the start and every minute, and says when it is too large.

    `tolerated` is how many seconds it may be before this process is no longer ready.
    """

    def __init__(
        self,
        database: TellsTheTime,
        *,
        now: Callable[[], datetime],
        tolerated: float,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._database, self._now, self._tolerated, self._sleep = database, now, tolerated, sleep
        self._differed = False
        self._begun: asyncio.Event | None = None
        self.difference: ClockDifference | None = None

    async def measure(self) -> None:
        """Ask PostgreSQL what time it is, once. Raises `Unavailable`."""
        sent = self._now()
        told = await self._database.time()
        self.difference = difference = ClockDifference.measured(sent=sent, told=told, received=self._now())
        differs = difference.at_least > WARN_SECONDS
        if differs and not self._differed:
            log.warning(
                "This machine's clock is %s PostgreSQL's. Synchronise both (NTP): above %g seconds this process is "
                "not ready.",
                difference,
                self._tolerated,
            )
        elif self._differed and not differs:
            log.warning("This machine's clock and PostgreSQL's agree again.")
        self._differed = differs

    async def watch(self) -> None:
        """Measure now, and every minute from now on."""
        self._begun = asyncio.Event()
        while True:
            try:
                await self.measure()
            except Unavailable as error:
                # Readiness says so to whoever wants to know, and the next minute may be better.
                log.debug("PostgreSQL's clock cannot be asked: %r", error.__cause__ or error)
            self._begun.set()
            await self._sleep(EVERY_SECONDS)

    async def check(self) -> None:
        """Raises `ClocksDiffer`. Waits for the first measurement, once `watch` has begun."""
        if self._begun:
            await self._begun.wait()
        if self.difference and self.difference.at_least > self._tolerated:
            raise ClocksDiffer(
                f"This machine's clock is {self.difference} PostgreSQL's, and more than {self._tolerated:g} seconds "
                f"are too many. Synchronise both (NTP)."
            )

"""How far this machine's clock is from PostgreSQL's, with clocks that a test moves."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest

from blog.adapters.database.clocks import ClockDifference, ClocksDiffer, ClockWatch
from blog.domain.errors import Unavailable

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class World:
    """A machine whose clock is some seconds ahead of PostgreSQL's, and a network that takes some to get there."""

    def __init__(self, ahead: float = 0.0, *, there: float = 0.0, back: float = 0.0) -> None:
        self.ahead, self.there, self.back = ahead, there, back
        self.moment, self.away, self.slept = NOON, False, list[float]()

    def now(self) -> datetime:
        return self.moment + timedelta(seconds=self.ahead)

    async def time(self) -> datetime:
        if self.away:
            raise Unavailable
        self.moment += timedelta(seconds=self.there)
        told = self.moment
        self.moment += timedelta(seconds=self.back)
        return told

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)
        await asyncio.sleep(0)


def watch_in(world: World) -> ClockWatch:
    return ClockWatch(world, now=world.now, tolerated=10, sleep=world.sleep)


@pytest.mark.parametrize("ahead", [30.0, -30.0, 10.2, -10.2])
async def test_above_the_leeway_of_tokens_it_is_not_ready(ahead: float) -> None:
    clocks = watch_in(World(ahead, there=0.05, back=0.05))
    await clocks.measure()
    with pytest.raises(ClocksDiffer, match=f"{abs(ahead)} seconds {'ahead of' if ahead > 0 else 'behind'}.*NTP"):
        await clocks.check()


@pytest.mark.parametrize("ahead", [0.0, 10.0, -10.0])
async def test_up_to_the_leeway_of_tokens_it_is_ready(ahead: float) -> None:
    clocks = watch_in(World(ahead))
    await clocks.measure()
    await clocks.check()


@pytest.mark.parametrize(("ahead", "warned"), [(2.1, True), (-2.1, True), (2.0, False), (-1.9, False), (0.0, False)])
async def test_above_two_seconds_it_says_so_once(
    ahead: float, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    clocks = watch_in(World(ahead))
    for _ in range(3):
        await clocks.measure()
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == warned
    assert all("2.1 seconds" in sentence and "NTP" in sentence for sentence in said)


async def test_it_says_when_they_agree_again(caplog: pytest.LogCaptureFixture) -> None:
    world = World(30)
    clocks = watch_in(world)
    await clocks.measure()
    world.ahead = 0
    await clocks.measure()
    await clocks.check()
    assert "agree again" in caplog.records[-1].getMessage()


@pytest.mark.parametrize(("there", "back"), [(15.0, 0.0), (0.0, 15.0), (7.5, 7.5)])
async def test_a_slow_network_is_not_taken_for_a_difference(there: float, back: float) -> None:
    clocks = watch_in(World(there=there, back=back))
    await clocks.measure()
    assert clocks.difference
    assert clocks.difference.error == 7.5
    assert clocks.difference.at_least == 0
    await clocks.check()


def test_a_difference_is_half_the_way_between_asking_and_hearing() -> None:
    difference = ClockDifference.measured(
        sent=NOON + timedelta(seconds=4), told=NOON, received=NOON + timedelta(seconds=6)
    )
    assert (difference.seconds, difference.error, difference.at_least) == (5, 1, 4)


async def test_it_measures_at_the_start_and_every_minute_also_after_an_outage() -> None:
    world = World()
    world.away = True
    clocks = watch_in(world)
    watching = asyncio.create_task(clocks.watch())
    async with asyncio.timeout(5):
        while len(world.slept) < 3:  # noqa: ASYNC110 - it goes on by itself
            await asyncio.sleep(0)
        await clocks.check()  # There is nothing to hold against it.
        world.away, world.ahead = False, 30
        while clocks.difference is None:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0)
    watching.cancel()
    await asyncio.wait([watching])
    assert set(world.slept) == {60}
    with pytest.raises(ClocksDiffer):
        await clocks.check()


async def test_once_it_watches_it_is_not_ready_before_it_knows() -> None:
    world = World(30)
    clocks, answer = watch_in(world), asyncio.Event()

    async def slow() -> datetime:
        await answer.wait()
        return world.moment

    world.time = slow  # type: ignore[method-assign]
    watching = asyncio.create_task(clocks.watch())
    await asyncio.sleep(0)
    checking = asyncio.create_task(clocks.check())
    await asyncio.sleep(0)
    assert not checking.done()
    answer.set()
    with pytest.raises(ClocksDiffer):
        await checking
    watching.cancel()

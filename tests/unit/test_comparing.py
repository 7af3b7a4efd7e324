"""Comparing revisions has an end."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from blog.adapters.comparing import PooledComparer, TooMuchToCompare
from blog.domain import revisions
from blog.domain.articles import Content
from blog.domain.revisions import Revision, TooHardToCompare
from tests.builders import a_revision

ONE, OTHER = a_revision(content=Content("a\nb")), a_revision(content=Content("a\nc"), version=7)


@pytest.fixture
async def comparer() -> AsyncIterator[PooledComparer]:
    comparer = PooledComparer(seconds=0.2, waiting=0.2)
    yield comparer
    comparer.close()


@pytest.fixture
def hard(monkeypatch: pytest.MonkeyPatch) -> tuple[Revision, Revision]:
    """Two that take many seconds, in short steps."""
    monkeypatch.setattr(revisions, "MOST_COMPARISONS", 10**12)
    return (
        a_revision(content=Content("\n".join(f"x\ny{number}" for number in range(20_000)))),
        a_revision(content=Content("\n".join(f"x\nz{number}" for number in range(90)))),
    )


async def test_what_differs_is_said(comparer: PooledComparer) -> None:
    assert await comparer.compare(ONE, OTHER) == revisions.compare(ONE, OTHER)


async def test_what_takes_too_long_is_refused_and_stops(
    comparer: PooledComparer, hard: tuple[Revision, Revision]
) -> None:
    begun = time.monotonic()
    with pytest.raises(TooHardToCompare):
        await comparer.compare(*hard)
    # There is one thread, which would otherwise be busy for many seconds.
    assert await comparer.compare(ONE, OTHER)
    assert time.monotonic() - begun < 3


async def test_what_nobody_waits_for_any_more_stops(hard: tuple[Revision, Revision]) -> None:
    comparer = PooledComparer(seconds=60, waiting=60)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await comparer.compare(*hard)
    assert await comparer.compare(ONE, OTHER)
    assert time.monotonic() - begun < 3
    comparer.close()


async def test_who_waits_too_long_is_told_to_come_again(hard: tuple[Revision, Revision]) -> None:
    comparer = PooledComparer(seconds=1, waiting=0.05)
    outcomes = await asyncio.gather(comparer.compare(*hard), comparer.compare(ONE, OTHER), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [TooHardToCompare, TooMuchToCompare]
    comparer.close()

"""Pages are made a few at a time."""

import asyncio

import pytest

from blog.domain.errors import Unavailable
from blog.entrypoints.http.articles import Turns


async def test_no_more_than_a_few_have_a_turn_at_once() -> None:
    turns, at_work, most = Turns(at_once=2), 0, 0

    async def work() -> None:
        nonlocal at_work, most
        async with turns:
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0)
            at_work -= 1

    await asyncio.gather(*(work() for _ in range(9)))
    assert (at_work, most) == (0, 2)


async def test_who_waits_too_long_is_told_to_come_again() -> None:
    turns = Turns(at_once=1, patience=0.01)
    async with turns:
        with pytest.raises(Unavailable):
            async with turns:
                pass
    async with turns:
        pass

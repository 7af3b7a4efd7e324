"""What is promised of how often passwords may be tried: `LoginLimits`, a test for each promise.

class TestMyLimits(LoginLimitsContract):
    @pytest.fixture
    def limits(self, clock: Clock) -> LoginLimits:
        ...  # empty at the start of each test; it looks at that clock
"""

import asyncio
from datetime import datetime

import pytest

from blog.application.ports import LoginAttempt, LoginLimits
from blog.domain.errors import TooManyRequests
from blog.testing.builders import Clock


class StillClock(Clock):
    """A clock that moves when it is told to, and not otherwise."""

    def __call__(self) -> datetime:
        return self.moment


HERE = "192.0.2.1"


def an_attempt(account: str = "ada", client: str = HERE) -> LoginAttempt:
    return LoginAttempt(account=account, client=client)


async def fail(limits: LoginLimits, times: int, attempt: LoginAttempt) -> None:
    for _ in range(times):
        await limits.admit(attempt)


async def fail_elsewhere(limits: LoginLimits, account: str, *, from_client: int = 1) -> None:
    """Five failures for this account, from addresses that are used for nothing else."""
    for number in range(5):
        await limits.admit(an_attempt(account, f"198.51.100.{from_client + number}"))


async def sign_in(limits: LoginLimits, attempt: LoginAttempt) -> None:
    await limits.succeed(attempt, known=await limits.admit(attempt))


async def refused(limits: LoginLimits, attempt: LoginAttempt) -> int:
    """After how many seconds a refused attempt may be made again."""
    with pytest.raises(TooManyRequests) as error:
        await limits.admit(attempt)
    assert str(error.value.retry_after) in str(error.value)
    return error.value.retry_after


class LoginLimitsContract:
    pytestmark = pytest.mark.asyncio

    @pytest.fixture
    def clock(self) -> Clock:
        return StillClock()

    async def test_five_failures_are_free_and_then_each_costs_a_longer_wait(
        self, limits: LoginLimits, clock: Clock
    ) -> None:
        for _ in range(5):
            assert await limits.admit(an_attempt()) is False
        waits = []
        for _ in range(12):
            waits.append(await refused(limits, an_attempt()))
            clock.advance(seconds=waits[-1])
            assert await limits.admit(an_attempt()) is False
        assert waits[0] == 5
        assert waits == sorted(waits)
        assert len(set(waits[:8])) == 8
        assert waits[-1] == waits[-2] == 900, "a quarter of an hour is the most"

    async def test_it_counts_for_an_account_from_wherever_it_is_tried(self, limits: LoginLimits) -> None:
        await fail_elsewhere(limits, "ada")
        await refused(limits, an_attempt("ada"))
        await limits.admit(an_attempt("bob"))

    async def test_it_counts_for_a_client_whatever_it_tries(self, limits: LoginLimits) -> None:
        for name in ("ada", "bob", "eve", "nobody", "no name!"):
            await limits.admit(an_attempt(name))
        await refused(limits, an_attempt("joe"))
        await limits.admit(an_attempt("joe", "192.0.2.2"))

    async def test_of_many_at_the_same_time_five_are_admitted(self, limits: LoginLimits) -> None:
        outcomes = await asyncio.gather(*(limits.admit(an_attempt()) for _ in range(20)), return_exceptions=True)
        assert [outcome for outcome in outcomes if not isinstance(outcome, TooManyRequests)] == [False] * 5

    async def test_of_many_at_the_same_time_from_everywhere_five_are_admitted(self, limits: LoginLimits) -> None:
        outcomes = await asyncio.gather(
            *(limits.admit(an_attempt(client=f"192.0.2.{number}")) for number in range(20)), return_exceptions=True
        )
        assert [outcome for outcome in outcomes if not isinstance(outcome, TooManyRequests)] == [False] * 5

    async def test_what_is_refused_counts_for_nobody(self, limits: LoginLimits, clock: Clock) -> None:
        await fail(limits, 5, an_attempt("bob"))
        clock.advance(seconds=2)
        for _ in range(3):
            await refused(limits, an_attempt("ada"))
        # Neither is the wait longer, nor did the other account fail.
        assert await refused(limits, an_attempt("bob")) == 3
        for number in range(5):
            await limits.admit(an_attempt("ada", f"198.51.100.{number}"))

    async def test_a_quarter_of_an_hour_forgives_a_failure(self, limits: LoginLimits, clock: Clock) -> None:
        await fail(limits, 5, an_attempt())
        clock.advance(minutes=15)
        await limits.admit(an_attempt())
        await refused(limits, an_attempt())
        clock.advance(hours=4)
        await fail(limits, 5, an_attempt())
        await refused(limits, an_attempt())

    async def test_to_sign_in_forgives_the_account_and_not_the_client(self, limits: LoginLimits) -> None:
        await fail(limits, 4, an_attempt())
        await sign_in(limits, an_attempt())
        # Four of this address have failed, and none of the account.
        await limits.admit(an_attempt("bob"))
        await refused(limits, an_attempt("eve"))
        for number in range(5):
            await limits.admit(an_attempt("ada", f"198.51.100.{number}"))
        await refused(limits, an_attempt("ada", "198.51.100.99"))

    async def test_many_who_sign_in_from_one_address_are_let_in(self, limits: LoginLimits) -> None:
        for number in range(20):
            await sign_in(limits, an_attempt(f"user{number}"))

    async def test_a_pair_that_signed_in_is_let_past_both(self, limits: LoginLimits) -> None:
        await sign_in(limits, an_attempt())
        await fail_elsewhere(limits, "ada")
        for name in ("bob", "eve", "joe", "ann", "tom"):
            await limits.admit(an_attempt(name))
        await refused(limits, an_attempt("ada", "192.0.2.2"))
        await refused(limits, an_attempt("kim"))
        assert await limits.admit(an_attempt()) is True

    async def test_a_pair_that_signed_in_has_five_tries_a_minute(self, limits: LoginLimits, clock: Clock) -> None:
        await sign_in(limits, an_attempt())
        for _ in range(2):
            for _ in range(5):
                assert await limits.admit(an_attempt()) is True
            wait = await refused(limits, an_attempt())
            assert wait == 60
            clock.advance(seconds=wait)
        # What it tried counts for nobody else.
        assert await limits.admit(an_attempt("ada", "192.0.2.2")) is False
        assert await limits.admit(an_attempt("bob")) is False

    async def test_of_a_pair_that_signed_in_many_at_the_same_time_get_five_tries(self, limits: LoginLimits) -> None:
        await sign_in(limits, an_attempt())
        outcomes = await asyncio.gather(*(limits.admit(an_attempt()) for _ in range(20)), return_exceptions=True)
        assert [outcome for outcome in outcomes if not isinstance(outcome, TooManyRequests)] == [True] * 5

    async def test_those_that_succeed_are_none_of_the_five(self, limits: LoginLimits) -> None:
        for _ in range(20):
            await sign_in(limits, an_attempt())

    async def test_a_pair_is_known_for_thirty_days(self, limits: LoginLimits, clock: Clock) -> None:
        await sign_in(limits, an_attempt())
        clock.advance(days=29)
        await sign_in(limits, an_attempt())
        clock.advance(days=29)
        assert await limits.admit(an_attempt()) is True
        clock.advance(days=1, seconds=1)
        assert await limits.admit(an_attempt()) is False

    async def test_to_sign_in_from_where_one_is_known_leaves_others_as_they_are(self, limits: LoginLimits) -> None:
        """Or every login of its owner would give those who guess five tries more."""
        await sign_in(limits, an_attempt())
        await fail_elsewhere(limits, "ada")
        await sign_in(limits, an_attempt())
        await refused(limits, an_attempt("ada", "192.0.2.2"))

    async def test_what_was_not_looked_at_does_not_count(self, limits: LoginLimits) -> None:
        for _ in range(20):
            assert await limits.admit(an_attempt()) is False
            await limits.withdraw(an_attempt(), known=False)
        await sign_in(limits, an_attempt())
        for _ in range(20):
            assert await limits.admit(an_attempt()) is True
            await limits.withdraw(an_attempt(), known=True)

    async def test_a_clock_that_is_behind_locks_nobody_out(self, limits: LoginLimits, clock: Clock) -> None:
        await fail(limits, 4, an_attempt())
        await sign_in(limits, an_attempt("bob", "192.0.2.2"))
        clock.advance(minutes=-10)
        await limits.admit(an_attempt())
        assert await limits.admit(an_attempt("bob", "192.0.2.2")) is True
        assert await refused(limits, an_attempt()) <= 5

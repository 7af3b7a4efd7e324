"""How often passwords may be tried: what the contract of the stores does not say already."""

from datetime import timedelta

import pytest

from blog.domain.errors import TooManyRequests
from blog.domain.logins import Failures, Familiar, TooManyLogins
from tests.builders import NOON

SECOND = timedelta(seconds=1)


def test_waits_begin_after_five_failures_and_only_grow() -> None:
    assert Failures.WAITS[:6] == (0, 0, 0, 0, 0, 5)
    assert list(Failures.WAITS) == sorted(Failures.WAITS)
    assert Failures.WAITS[-1] == Failures.FORGIVEN.total_seconds(), "Or guessing would forgive itself."


def test_failures_are_counted_to_the_longest_wait_and_no_further() -> None:
    failures = Failures(count=0, at=NOON)
    for _ in range(40):
        failures = failures.fail(NOON)
    assert failures.count == len(Failures.WAITS) - 1
    assert failures.wait(NOON) == timedelta(minutes=15)
    assert failures.fail(NOON + Failures.KEPT) == Failures(count=1, at=NOON + Failures.KEPT)


def test_nothing_is_undone_that_was_not_done() -> None:
    assert Failures(count=0, at=NOON).undo().count == 0
    assert Familiar(signed_in_at=NOON, tries=0, since=NOON).undo().tries == 0


def test_whose_clock_is_behind_waits_no_longer_than_others() -> None:
    assert Failures(count=5, at=NOON).wait(NOON - timedelta(hours=1)) == 5 * SECOND
    assert Failures(count=5, at=NOON).fail(NOON - timedelta(hours=1)).count == 6
    assert Familiar(signed_in_at=NOON, tries=5, since=NOON).wait(NOON - timedelta(hours=1)) == 60 * SECOND


@pytest.mark.parametrize(
    ("wait", "seconds", "said"),
    [
        (SECOND / 10**6, 1, "1 second."),
        (SECOND, 1, "1 second."),
        (SECOND * 1.1, 2, "2 seconds."),
        (-SECOND, 1, "1 s"),
    ],
)
def test_a_refusal_says_how_many_whole_seconds_to_wait(wait: timedelta, seconds: int, said: str) -> None:
    refusal = TooManyLogins.within(wait)
    assert refusal.retry_after == seconds
    assert said in str(refusal)


def test_whoever_refuses_too_many_requests_says_when_to_come_back() -> None:
    assert TooManyRequests().retry_after == 1

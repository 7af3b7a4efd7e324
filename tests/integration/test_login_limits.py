"""What PostgreSQL keeps of logins, beside what the contract says."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import URL

from blog.adapters.database import Database, DatabaseLoginLimits
from blog.application.ports import LoginAttempt
from blog.container import Container
from blog.domain.errors import TooManyRequests
from blog.domain.logins import Failures, Familiar
from tests.builders import Clock
from tests.integration.databases import query
from tests.support import KEY

ADA = LoginAttempt(account="ada.lovelace", client="192.0.2.1")


@pytest.fixture
def limits(container: Container, clock: Clock) -> DatabaseLoginLimits:
    return DatabaseLoginLimits(container.database(), clock, key=KEY, pause=0)


async def test_neither_names_nor_addresses_are_kept(limits: DatabaseLoginLimits, migrated: URL) -> None:
    await limits.succeed(ADA, known=await limits.admit(ADA))
    rows = [
        *(await query(migrated, "SELECT f::text || encode(key, 'escape') FROM login_failures f")),
        *(await query(migrated, "SELECT p::text || encode(key, 'escape') FROM login_pairs p")),
    ]
    assert len(rows) == 3
    for told in (ADA.account, "lovelace", ADA.client):
        assert not [row for row in rows if told in row or told.encode().hex() in row]
    # And without the key nobody can work out which are whose.
    other = DatabaseLoginLimits(limits._database, limits._now, key="another key for tests, of 32 bytes")
    assert not set(other._keys(ADA).values()) & set(limits._keys(ADA).values())


async def test_old_rows_go_as_new_ones_come(limits: DatabaseLoginLimits, clock: Clock, migrated: URL) -> None:
    for number in range(30):
        attempt = LoginAttempt(account=f"name{number}", client=f"192.0.2.{number}")
        await limits.succeed(attempt, known=await limits.admit(attempt))
    clock.moment += Familiar.KEPT + Failures.KEPT
    for number in range(5):
        await limits.admit(LoginAttempt(account=f"new{number}", client=f"203.0.113.{number}"))
    assert await query(
        migrated, "SELECT count(*) FROM login_failures UNION ALL SELECT count(*) FROM login_pairs"
    ) == [
        10,
        0,
    ]


async def test_attempts_in_every_order_wait_for_each_other_and_never_in_a_circle(
    migrated: URL, container: Container, clock: Clock
) -> None:
    """Accounts and addresses crosswise, on many connections, some of them of another process."""
    databases = [Database(migrated, pool_size=8, timeout=10) for _ in range(2)]
    several = [DatabaseLoginLimits(database, clock, key=KEY) for database in databases]
    names = [str(number) for number in range(4)]

    async def attempt(number: int) -> str:
        limits = several[number % 2]
        tried = LoginAttempt(account=names[number % 4], client=names[number // 4 % 4])
        try:
            known = await limits.admit(tried)
        except TooManyRequests:
            return "refused"
        await (limits.succeed if number % 3 else limits.withdraw)(tried, known=known)
        return "admitted"

    outcomes = await asyncio.gather(*(attempt(number) for number in range(400)))
    for database in databases:
        await database.close()
    assert set(outcomes) <= {"admitted", "refused"}
    assert container


async def test_a_refusal_is_repeated_for_a_second_without_asking(
    limits: DatabaseLoginLimits, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime] = []
    write = limits._database.write

    async def counting(*arguments: Any) -> Any:
        asked.append(clock.moment)
        return await write(*arguments)

    monkeypatch.setattr(limits._database, "write", counting)
    moment = datetime(2026, 3, 4, tzinfo=UTC)
    for _ in range(5):
        clock.strike(moment)
        await limits.admit(ADA)
    for milliseconds in (0, 1, 500, 999, 1500):
        clock.strike(moment.replace(microsecond=milliseconds % 1000 * 1000, second=milliseconds // 1000))
        with pytest.raises(TooManyRequests):
            await limits.admit(ADA)
    assert len(asked) == 5 + 2
    # Somebody else's attempt is another question.
    await limits.admit(LoginAttempt(account="bob", client="192.0.2.2"))
    assert len(asked) == 5 + 3


async def test_who_comes_again_at_once_is_kept_waiting_and_nobody_else(
    container: Container, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = DatabaseLoginLimits(container.database(), clock, key=KEY, pause=0.25)
    slept: list[float] = []

    async def sleeping(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("blog.adapters.database.logins.asyncio.sleep", sleeping)
    moment = clock.moment
    for _ in range(5):
        await limits.admit(ADA)
        clock.moment = moment
    for expected in ([], [0.25], [0.25, 0.25]):
        clock.strike(moment)
        with pytest.raises(TooManyRequests):
            await limits.admit(ADA)
        assert slept == expected
    await limits.admit(LoginAttempt(account="bob", client="192.0.2.2"))
    assert slept == [0.25, 0.25]


@pytest.fixture
async def unprepared(migrated: URL) -> AsyncIterator[Database]:
    database = Database(migrated, pool_size=2, timeout=5, prepared=False)
    yield database
    await database.close()


async def test_it_counts_without_prepared_statements(
    unprepared: Database, clock: Clock, container: Container
) -> None:
    limits = DatabaseLoginLimits(unprepared, clock, key=KEY)
    await limits.succeed(ADA, known=await limits.admit(ADA))
    assert await limits.admit(ADA) is True
    assert container

"""How often passwords may be tried, counted for all processes that share a database."""

import asyncio
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Integer, Interval, bindparam, case, func, literal_column, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as insert_or

from blog.adapters.database.engine import Database
from blog.adapters.database.tables import login_failures, login_pairs
from blog.adapters.database.transaction import DatabaseTransaction
from blog.application.ports import Clock, LoginAttempt
from blog.domain.logins import Failures, Familiar, TooManyLogins

ADMIT = text(
    "SELECT known, wait FROM blog_admit_login(:account, :client, :pair, :at,"
    " :waits, :forgiven, :failures_kept, :most_tries, :period, :pairs_kept)"
).bindparams(
    bindparam("waits", list(Failures.WAITS), type_=ARRAY(Integer)),
    bindparam("forgiven", Failures.FORGIVEN, type_=Interval),
    bindparam("failures_kept", Failures.KEPT, type_=Interval),
    bindparam("most_tries", Familiar.TRIES),
    bindparam("period", Familiar.PERIOD, type_=Interval),
    bindparam("pairs_kept", Familiar.KEPT, type_=Interval),
)
# In the order of the keys, as attempts are counted: no two wait for each other.
_HELD = (
    select(login_failures.c.key)
    .where(login_failures.c.key.in_([bindparam("account"), bindparam("client")]))
    .order_by(login_failures.c.key)
    .with_for_update()
    .cte()
)
_ONE_LESS = func.greatest(login_failures.c.count - literal_column("1"), literal_column("0"))
_THEIRS = update(login_failures).where(login_failures.c.key == _HELD.c.key)
WITHDRAW = _THEIRS.values(count=_ONE_LESS)
FORGET = _THEIRS.values(
    count=case((login_failures.c.key == bindparam("account"), literal_column("0")), else_=_ONE_LESS)
)
WITHDRAW_KNOWN = (
    update(login_pairs)
    .where(login_pairs.c.key == bindparam("pair"))
    .values(tries=func.greatest(login_pairs.c.tries - literal_column("1"), literal_column("0")))
)
_NEW = insert_or(login_pairs).values(
    key=bindparam("pair"), signed_in_at=bindparam("at"), tries=literal_column("0"), since=bindparam("at")
)
KNOW = _NEW.on_conflict_do_update(
    index_elements=[login_pairs.c.key],
    set_={name: _NEW.excluded[name] for name in ("signed_in_at", "tries", "since")},
)


REMEMBERED = timedelta(seconds=1)
"""For how long a refusal is repeated without asking the database, so that a flood of attempts costs it nothing."""

MOST_REMEMBERED = 10_000

PAUSE = 1.0
"""Seconds after which a repeated refusal is told: who does not wait as told costs the less, the longer that is."""

MOST_PAUSING = 500


class DatabaseLoginLimits:
    """Names and addresses are kept as hashes with the secret key, which tell nothing without it.

    `pause` is how many seconds pass before those are refused again who come within a second of a refusal.
    """

    def __init__(self, database: Database, now: Clock, *, key: str | None, pause: float = PAUSE) -> None:
        self._database, self._now = database, now
        self._pause, self._pausing = pause, 0
        self._key = (key or "").encode()
        self._refused: dict[LoginAttempt, tuple[datetime, datetime]] = {}
        """Until when each is refused, and when that was asked."""

    async def admit(self, attempt: LoginAttempt) -> bool:
        at = self._now()
        until, asked = self._refused.get(attempt, (at, at))
        if asked <= at < min(until, asked + REMEMBERED):
            await self._let_time_pass()
            raise TooManyLogins.within(until - at)
        ((known, wait),) = await self._database.write(ADMIT, {**self._keys(attempt), "at": at})
        if wait > timedelta():
            if len(self._refused) >= MOST_REMEMBERED:
                self._refused.clear()
            self._refused[attempt] = at + wait, at
            raise TooManyLogins.within(wait)
        self._refused.pop(attempt, None)
        return bool(known)

    async def succeed(self, attempt: LoginAttempt, *, known: bool) -> None:
        given = {**self._keys(attempt), "at": self._now()}
        if known:
            await self._database.write(KNOW, given)
            return
        async with DatabaseTransaction(self._database) as tx:
            await tx.execute(FORGET, given)
            await tx.execute(KNOW, given)

    async def withdraw(self, attempt: LoginAttempt, *, known: bool) -> None:
        await self._database.write(WITHDRAW_KNOWN if known else WITHDRAW, self._keys(attempt))

    async def _let_time_pass(self) -> None:
        if self._pausing < MOST_PAUSING:
            self._pausing += 1
            try:
                await asyncio.sleep(self._pause)
            finally:
                self._pausing -= 1

    def _keys(self, attempt: LoginAttempt) -> dict[str, Any]:
        account, client = attempt.account.encode(errors="surrogatepass"), attempt.client.encode()
        return {
            "account": self._hash(b"account", account),
            "client": self._hash(b"client", client),
            "pair": self._hash(b"pair", self._hash(b"account", account), client),
        }

    def _hash(self, *parts: bytes) -> bytes:
        return hmac.digest(self._key, b"blog login limits\0" + b"\0".join(parts), hashlib.sha256)[:16]

"""Doing what is asked twice only once."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta

from blog.application.ports import Clock, Reply, RequestKey, TransactionFactory
from blog.domain.errors import Conflict, Invalid

KEPT = timedelta(hours=24)
"""How long a reply is remembered."""


class StillRunning(Conflict):
    sentence = "A request with this Idempotency-Key is still running; ask again in a moment."


class KeyReused(Invalid):
    sentence = "This Idempotency-Key came with another request before; choose a new one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembering:
    """Giving a request that comes again the reply that it was given first."""

    transaction: TransactionFactory
    now: Clock

    async def once(self, request: RequestKey, work: Callable[[TransactionFactory], Awaitable[Reply]]) -> Reply:
        """The reply to the request: of `work`, unless it was done before.

        `work` does it within the transaction that it is given, which also remembers the reply. What it raises is not
        remembered. Raises `StillRunning`, `KeyReused`, `InvalidToken` where the caller is gone.
        """
        async with self.transaction() as tx:
            at = self.now()
            given = await tx.replies.claim(request, since=at - KEPT)
            if given:
                return given
            reply = await work(lambda: nullcontext(tx))
            await tx.replies.keep(request, reply, at=at)
        return reply

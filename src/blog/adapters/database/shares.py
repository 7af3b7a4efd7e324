"""A part of the connections for each kind of reads that may take long."""

import asyncio

from blog.domain.errors import Unavailable


class ConnectionShare:
    """At most so many connections at a time: `async with`. Raises `Unavailable` after `patience` (seconds)."""

    def __init__(self, connections: int, *, patience: float = 10) -> None:
        self._free, self._patience = asyncio.Semaphore(connections), patience

    async def __aenter__(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError as error:
            raise Unavailable from error

    async def __aexit__(self, *_: object) -> None:
        self._free.release()


def shares_of(connections: int) -> tuple[ConnectionShare, ConnectionShare]:
    """A quarter for searches, and half for what else reads many articles.

    The last quarter is left to single articles, accounts, changes and readiness; of fewer than four it is one, and of
    fewer than three, searches and pages share one connection.
    """
    if connections < 3:
        share = ConnectionShare(1)
        return share, share
    return ConnectionShare(max(1, connections // 4)), ConnectionShare(max(1, connections // 2))

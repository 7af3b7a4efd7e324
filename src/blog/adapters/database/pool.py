"""Connections to PostgreSQL and who has which: a bound for all, a lower one for writes, and none kept idle."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from typing import Any

import asyncpg  # type: ignore[import-untyped]

Connection = Any
"""A connection of asyncpg, which has no types."""

Waiter = tuple[int, asyncio.Future[Any]]
"""Someone who waits: their place in the order of arrival, and what they will be told."""

IDLE_SECONDS = 60.0
"""How long a connection that nobody uses stays open."""

CROWDED_SECONDS = 5.0
"""The same for a minute after PostgreSQL has had no room for another: others want one, a migration perhaps."""

PAUSE_SECONDS = 0.25
"""How long PostgreSQL is not asked for another connection once it has said that there are too many."""


class ConnectionPool(ABC):
    """At most `size` connections, of which the one that was used last is used next.

    Writes hold at most `writes` of them, so that writes which wait for a lock leave connections to reads. Whoever
    waits is served in the order of arrival, and waits for `timeout` seconds at most. Where PostgreSQL has no room for
    another connection (SQLSTATE 53300), an open one is waited for as well.

    Nothing is reset on a connection that is given back, because nothing here outlives its transaction: the blog has
    no settings, advisory locks, listeners or cursors of a session. A connection that was cancelled, broken or left
    within a transaction is closed, not mended.
    """

    def __init__(self, *, size: int, writes: int, timeout: float, idle_seconds: float = IDLE_SECONDS) -> None:
        self.size, self.writes, self.timeout = size, writes, timeout
        self._idle_seconds = idle_seconds
        self.connections: set[Connection] = set()
        self._free: list[tuple[Connection, float]] = []  # and since when; the longest comes first
        self._lent: dict[Connection, bool] = {}  # and whether for a write
        self._writing = self._opening = self._arrivals = 0
        self._queues: tuple[deque[Waiter], deque[Waiter]] = (deque(), deque())  # of reads, of writes
        self._refused_until = self._crowded_until = 0.0
        self._retry: asyncio.TimerHandle | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Event | None = None

    @abstractmethod
    async def open(self) -> Connection:
        """A new connection. Raises whatever the driver does."""

    def take(self, *, writing: bool = False) -> Connection | None:
        """A free connection, if there is one now for which nobody else waits."""
        if writing and self._first(self._queues[1]):
            return None
        return self._take(writing=writing)

    def _take(self, *, writing: bool) -> Connection | None:
        if writing and self._writing >= self._most_writes():
            return None
        while self._free:
            connection, _ = self._free.pop()
            if not connection.is_closed():
                self._lend(connection, writing=writing)
                return connection
            self.connections.discard(connection)
        return None

    async def obtain(self, *, writing: bool = False) -> Connection:
        """A connection, which has to be released. Raises `TimeoutError`, and whatever `open` raises."""
        if connection := self.take(writing=writing):
            return connection
        refusal, waited, opening = None, False, False
        try:
            async with asyncio.timeout(self.timeout) as deadline:
                while True:
                    if waited and (connection := self._take(writing=writing)):
                        self._wake()
                        return connection
                    if self._may_open(writing=writing):
                        opening = True
                        try:
                            return await self._open(writing=writing)
                        except asyncpg.TooManyConnectionsError as error:
                            refusal, opening = error, False
                    elif connection := await self._wait(writing=writing, again=waited):
                        return connection
                    else:
                        waited = True
        except TimeoutError as error:
            if refusal:
                raise refusal from None
            if opening or not deadline.expired():
                raise
            raise TimeoutError(
                f"No connection to PostgreSQL was to be had within {self.timeout:g} seconds."
            ) from error

    def release(self, connection: Connection, *, broken: bool = False) -> None:
        """Give a connection back. One that is broken, or in the middle of something, is not used again."""
        writing = self._lent.pop(connection, None)
        if writing is None:  # It was lent before `close`.
            connection.terminate()
            return
        self._writing -= writing
        if broken or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
            self.connections.discard(connection)
            self._wake()
        elif any(self._queues) and (queue := self._next()):
            self._hand(connection, queue)
        else:
            self._free.append((connection, time.monotonic()))
            if self._sweep is None:
                self._sweep = asyncio.get_running_loop().call_later(self._lifetime(), self._close_idle)
        if self._emptied and not self._lent:
            self._emptied.set()

    async def close(self) -> None:
        """Close every connection, once it is given back, and soon in any case."""
        for timer in (self._sweep, self._retry):
            if timer:
                timer.cancel()
        self._sweep = self._retry = None
        try:
            async with asyncio.timeout(self.timeout):
                if self._lent:
                    self._emptied = asyncio.Event()
                    await self._emptied.wait()
                for connection in self.connections:
                    await connection.close()
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            for connection in self.connections:
                connection.terminate()
        self._writing -= sum(self._lent.values())
        self.connections, self._free, self._lent = set(), [], {}
        self._emptied, self._refused_until, self._crowded_until = None, 0.0, 0.0

    def _most_writes(self) -> int:
        if not self._refused_until or time.monotonic() >= self._refused_until:
            return self.writes
        # There are no more connections than are open, and one of them is for reads.
        return min(self.writes, max(1, len(self.connections) - 1))

    def _may_open(self, *, writing: bool) -> bool:
        return (
            len(self.connections) + self._opening < self.size
            and time.monotonic() >= self._refused_until
            and not (writing and self._writing >= self.writes)
        )

    async def _open(self, *, writing: bool) -> Connection:
        self._opening += 1
        self._writing += writing
        try:
            connection = await self.open()
        except asyncpg.TooManyConnectionsError:
            self._refused_until = time.monotonic() + PAUSE_SECONDS
            self._crowded_until = time.monotonic() + IDLE_SECONDS
            if self._sweep:  # It comes too late now.
                self._sweep.cancel()
                self._sweep = asyncio.get_running_loop().call_later(self._lifetime(), self._close_idle)
            if self._retry is None:
                self._retry = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._ask_again)
            raise
        else:
            self.connections.add(connection)
            self._lent[connection] = writing
            self._writing += writing
            return connection
        finally:
            self._opening -= 1
            self._writing -= writing
            # Where one more fits in, or this attempt has made room for another.
            self._wake()

    def _ask_again(self) -> None:
        # It was refused again since, or the loop is early; and nobody else would wake those who wait.
        if (left := self._refused_until - time.monotonic()) > 0:
            self._retry = asyncio.get_running_loop().call_later(left, self._ask_again)
        else:
            self._retry = None
            self._wake()

    def _lend(self, connection: Connection, *, writing: bool) -> None:
        self._writing += writing - self._lent.get(connection, False)
        self._lent[connection] = writing

    async def _wait(self, *, writing: bool, again: bool) -> Connection | None:
        """Wait for a connection, or for None: that there may be one to be had otherwise."""
        future: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._arrivals += 1
        queue = self._queues[writing]
        if again:  # Someone else was faster.
            queue.appendleft((0, future))
        else:
            queue.append((self._arrivals, future))
        try:
            return await future
        except BaseException:
            if future.done() and not future.cancelled():
                if connection := future.result():
                    self.release(connection)
                else:
                    self._wake()
            raise

    @staticmethod
    def _first(queue: deque[Waiter]) -> Waiter | None:
        while queue and queue[0][1].done():  # It has left.
            queue.popleft()
        return queue[0] if queue else None

    def _next(self) -> deque[Waiter] | None:
        """The queue whose first is to be served next."""
        reads, writes = self._queues
        read = self._first(reads)
        write = self._first(writes) if self._writing < self._most_writes() else None
        if read and (not write or read[0] < write[0]):
            return reads
        return writes if write else None

    def _hand(self, connection: Connection, queue: deque[Waiter]) -> None:
        _, future = queue.popleft()
        self._lend(connection, writing=queue is self._queues[1])
        future.set_result(connection)

    def _wake(self) -> None:
        """Let the one who is served next look again, if there is something to be had."""
        if (queue := self._next()) and (self._free or self._may_open(writing=queue is self._queues[1])):
            queue.popleft()[1].set_result(None)

    def _lifetime(self) -> float:
        crowded = time.monotonic() < self._crowded_until
        return min(CROWDED_SECONDS, self._idle_seconds) if crowded else self._idle_seconds

    def _close_idle(self) -> None:
        """Close what nobody has used for long enough, and come back when the next is due."""
        latest = time.monotonic() - self._lifetime()
        while self._free and self._free[0][1] <= latest:
            connection, _ = self._free.pop(0)
            connection.terminate()
            self.connections.discard(connection)
        if self._free:
            due = self._free[0][1] - latest
            self._sweep = asyncio.get_running_loop().call_later(due, self._close_idle)
        else:
            self._sweep = None

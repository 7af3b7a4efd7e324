"""Who gets a connection to PostgreSQL and when, on connections that lead nowhere."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg  # type: ignore[import-untyped]
import pytest

from blog.adapters.database.pool import ConnectionPool


class FakeConnection:
    """Open until it is closed."""

    def __init__(self, server: "FakeServer") -> None:
        self._server, self.closed, self.in_transaction = server, False, False
        server.open.add(self)

    def is_closed(self) -> bool:
        return self.closed

    def is_in_transaction(self) -> bool:
        return self.in_transaction

    def terminate(self) -> None:
        self.closed = True
        self._server.open.discard(self)

    async def close(self) -> None:
        self.terminate()


class FakeServer:
    """Lets in as many as it has room for."""

    def __init__(self, room: int) -> None:
        self.room, self.asked, self.open = room, 0, set[FakeConnection]()

    async def let_in(self) -> FakeConnection:
        self.asked += 1
        await asyncio.sleep(0)
        if len(self.open) >= self.room:
            raise asyncpg.TooManyConnectionsError("sorry, too many clients already")
        return FakeConnection(self)


class Pool(ConnectionPool):
    def __init__(
        self, server: FakeServer, *, size: int = 4, writes: int = 3, timeout: float = 30, idle_seconds: float = 60
    ) -> None:
        super().__init__(size=size, writes=writes, timeout=timeout, idle_seconds=idle_seconds)
        self._server = server

    async def open(self) -> FakeConnection:
        return await self._server.let_in()


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.005)


async def use(pool: Pool, *, writing: bool = False) -> None:
    connection = await pool.obtain(writing=writing)
    await asyncio.sleep(0)
    pool.release(connection)


async def leave(*waiting: asyncio.Task[object]) -> None:
    """Have nobody wait any longer."""
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def settle() -> None:
    """Let everything run that is ready to."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_never_more_than_its_size_and_the_last_used_is_used_next() -> None:
    server = FakeServer(100)
    pool = Pool(server)
    await asyncio.gather(*(use(pool, writing=number % 2 == 0) for number in range(50)))
    assert len(server.open) == 4
    last = await pool.obtain()
    pool.release(last)
    assert await pool.obtain() is last


async def test_a_free_connection_is_left_to_reads_when_writes_have_theirs() -> None:
    pool = Pool(FakeServer(100), size=3, writes=2)
    lent = [await pool.obtain(), await pool.obtain(writing=True), await pool.obtain(writing=True)]
    pool.release(lent[0])
    assert pool.take(writing=True) is None
    waiting = asyncio.create_task(pool.obtain(writing=True))
    await settle()
    assert not waiting.done()
    assert await pool.obtain() is lent[0]
    pool.release(lent[1])
    assert await waiting is lent[1]


async def test_closing_waits_for_what_is_lent_and_no_longer() -> None:
    server = FakeServer(100)
    pool = Pool(server, timeout=1_000)
    lent = [await pool.obtain(), await pool.obtain()]
    closing = asyncio.create_task(pool.close())
    for connection in lent:
        await settle()
        assert not closing.done()
        pool.release(connection)
    await settle()
    assert closing.done()
    assert not server.open


@pytest.mark.parametrize("room", [1, 2, 3])
async def test_a_full_server_makes_a_burst_wait_and_not_fail(room: int) -> None:
    server = FakeServer(room)
    pool = Pool(server, size=10, writes=7)
    await asyncio.gather(*(use(pool, writing=number % 3 == 0) for number in range(200)))
    assert len(server.open) == room
    # Not every one of them asks a server that has just said that it is full.
    assert server.asked <= 10 + room


async def test_room_on_a_full_server_is_found_while_nothing_else_comes_free() -> None:
    server = FakeServer(0)
    pool = Pool(server)
    waiting = asyncio.create_task(pool.obtain())
    await until(lambda: server.asked)
    server.room = 1
    assert not (await waiting).closed


async def test_room_is_found_after_refusals_that_came_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blog.adapters.database.pool.PAUSE_SECONDS", 0.1)
    server = FakeServer(0)
    pool = Pool(server)

    async def slower_each_time() -> FakeConnection:
        server.asked += 1
        await asyncio.sleep(server.asked * 0.03)
        return await FakeServer.let_in(server)

    pool.open = slower_each_time  # type: ignore[method-assign]
    waiting = [asyncio.create_task(use(pool, writing=number == 0)) for number in range(3)]
    await until(lambda: server.asked == 6)
    server.room = 1
    async with asyncio.timeout(2):
        await asyncio.gather(*waiting)


async def test_a_server_that_stays_full_is_the_reason_that_is_given() -> None:
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await Pool(FakeServer(0), timeout=0.05).obtain()


async def test_who_waits_too_long_is_told_for_what() -> None:
    pool = Pool(FakeServer(100), size=1, writes=1, timeout=0.05)
    held = await pool.obtain()
    with pytest.raises(TimeoutError, match=r"within 0\.05 seconds"):
        await pool.obtain()
    pool.release(held)
    pool.release(await pool.obtain())


async def test_writes_leave_connections_to_reads() -> None:
    pool = Pool(FakeServer(100))
    writes = [asyncio.create_task(pool.obtain(writing=True)) for _ in range(30)]
    await settle()
    assert sum(write.done() for write in writes) == 3
    async with asyncio.timeout(1):
        for _ in range(10):
            await use(pool)
    # As many as before are let in once some are done, in the order in which they came.
    for _ in range(2):
        pool.release(writes.pop(0).result())
    await settle()
    assert [write.done() for write in writes[:4]] == [True, True, True, False]
    await leave(*writes)


async def test_writes_leave_a_connection_to_reads_on_a_full_server_too() -> None:
    server = FakeServer(2)
    pool = Pool(server, size=10, writes=7)
    one, other = await pool.obtain(), await pool.obtain()
    waiting = [asyncio.create_task(pool.obtain(writing=True)) for _ in range(5)]
    await until(lambda: server.asked > 2)
    pool.release(one)
    await settle()
    assert sum(write.done() for write in waiting) == 1
    pool.release(other)
    async with asyncio.timeout(1):
        await use(pool)
    await leave(*waiting)


async def test_reads_and_writes_are_served_in_the_order_in_which_they_came() -> None:
    pool, served = Pool(FakeServer(100), size=1, writes=1), list[int]()

    async def come(number: int) -> None:
        connection = await pool.obtain(writing=number % 2 == 0)
        served.append(number)
        pool.release(connection)

    held = await pool.obtain()
    coming = [asyncio.create_task(come(number)) for number in range(9)]
    await settle()
    pool.release(held)
    await asyncio.gather(*coming)
    assert served == list(range(9))


@pytest.mark.parametrize("writing", [False, True])
async def test_who_leaves_the_queue_takes_nothing_along(writing: bool) -> None:
    pool = Pool(FakeServer(100), size=1, writes=1)
    held = await pool.obtain(writing=True)
    leaving, staying = (asyncio.create_task(pool.obtain(writing=writing)) for _ in range(2))
    await settle()
    pool.release(held)  # It is handed on, and its taker leaves before it is told.
    leaving.cancel()
    async with asyncio.timeout(1):
        assert await staying is held


async def test_what_is_broken_is_not_used_again_and_makes_room() -> None:
    server = FakeServer(100)
    pool = Pool(server, size=1, writes=1)

    def by_itself(connection: FakeConnection) -> None:
        connection.terminate()
        pool.release(connection)

    def in_a_transaction(connection: FakeConnection) -> None:
        connection.in_transaction = True
        pool.release(connection)

    for give_back in (lambda connection: pool.release(connection, broken=True), by_itself, in_a_transaction):
        connection = await pool.obtain(writing=True)
        waiting = asyncio.create_task(pool.obtain())
        await settle()
        give_back(connection)
        async with asyncio.timeout(1):
            other = await waiting
        assert other is not connection
        assert connection.closed
        pool.release(other)
    assert len(server.open) == 1


async def test_what_nobody_uses_is_given_back_and_what_is_used_stays() -> None:
    server = FakeServer(100)
    pool = Pool(server, idle_seconds=0.1)
    held = [await pool.obtain() for _ in range(4)]
    for connection in held:
        pool.release(connection)

    used = 0

    async def use_all_the_time() -> None:
        nonlocal used
        while True:
            await use(pool)
            used += 1
            await asyncio.sleep(0.01)

    using = asyncio.create_task(use_all_the_time())
    await until(lambda: len(server.open) == 1 and used > 20)
    assert [connection.closed for connection in held] == [True, True, True, False]
    await leave(using)
    await until(lambda: not server.open)
    await use(pool)


async def test_a_full_server_gets_back_soon_what_nobody_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blog.adapters.database.pool.CROWDED_SECONDS", 0.1)
    server = FakeServer(3)
    pool = Pool(server)
    await asyncio.gather(*(use(pool) for _ in range(9)))
    assert len(server.open) == 3
    await until(lambda: not server.open)


@pytest.mark.parametrize("failure", [OSError("no route"), asyncpg.CannotConnectNowError("starting up")])
async def test_a_server_that_is_away_is_said_to_everyone_and_is_found_again(failure: Exception) -> None:
    server = FakeServer(100)
    pool = Pool(server, size=2, writes=1)

    async def away() -> FakeConnection:
        await asyncio.sleep(0)
        raise failure

    pool.open, here = away, pool.open  # type: ignore[method-assign]
    outcomes = await asyncio.gather(*(pool.obtain(writing=number < 3) for number in range(9)), return_exceptions=True)
    assert outcomes == [failure] * 9
    pool.open = here  # type: ignore[method-assign]
    await asyncio.gather(*(use(pool, writing=number < 3) for number in range(9)))


async def test_it_closes_once_everything_is_back_or_after_its_time() -> None:
    server = FakeServer(100)
    pool = Pool(server, timeout=0.1)
    held = await pool.obtain()
    closing = asyncio.create_task(pool.close())
    await settle()
    assert not closing.done()
    pool.release(held)
    await closing
    assert not server.open
    kept = await pool.obtain()
    await pool.close()
    assert kept.closed
    pool.release(kept)
    await use(pool)


async def test_any_mixture_comes_to_an_end() -> None:
    """Reads, writes, cancellations, breaks and a server that is full now and then: nothing is lost."""
    server = FakeServer(3)
    pool = Pool(server, size=5, writes=3)

    async def work(number: int) -> None:
        connection = await pool.obtain(writing=number % 3 == 0)
        try:
            await asyncio.sleep(number % 5 * 0.0005)
        finally:
            pool.release(connection, broken=number % 7 == 0)

    working: list[Awaitable[None]] = []
    for number in range(400):
        task = asyncio.create_task(work(number))
        working.append(task)
        if number % 11 == 0:
            asyncio.get_running_loop().call_later(number % 13 * 0.001, task.cancel)
        if number % 50 == 0:
            server.room = 1 + number // 50 % 4
            await asyncio.sleep(0.003)
    outcomes = await asyncio.gather(*working, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {type(None), asyncio.CancelledError}
    server.room = 100
    held = [await pool.obtain() for _ in range(5)]
    assert len(set(held)) == 5 == len(server.open)

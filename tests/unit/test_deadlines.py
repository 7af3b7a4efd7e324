"""The limits and deadlines of a blog as it is put to work: none of them is set by a test.

What each of them is for is tested where it belongs, with shorter ones.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import cycle
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import bcrypt
import httpx
import pytest
from sqlalchemy import make_url

from blog.adapters.comparing import TooMuchToCompare
from blog.adapters.database import Database, DatabaseLoginLimits
from blog.adapters.database.pool import ConnectionPool
from blog.adapters.passwords import TooManyPasswords
from blog.application.ports import LoginAttempt
from blog.container import Container, in_memory
from blog.domain.errors import TooManyRequests, Unavailable
from blog.domain.revisions import TooHardToCompare
from blog.domain.users import Password, Username, UserNotFound
from blog.entrypoints.http.delivery import IN_FLIGHT, PIECE, Budget, Delivery, Message, TooMuchInFlight
from blog.entrypoints.http.edge import edge
from blog.settings import Settings
from tests.builders import NOON, a_revision
from tests.contracts.asking import ARTICLE, problem, sign_in, wrong
from tests.support import KEY

Elapse = Callable[[float], Awaitable[None]]


async def until(check: Callable[[], object]) -> None:
    """Wait for a thread."""
    for _ in range(5_000):
        if check():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("It does not happen.")


@pytest.fixture
def free() -> Iterator[threading.Event]:
    """What threads of a test wait for; it happens at the end of the test, at the latest."""
    event = threading.Event()
    yield event
    event.set()


# Threads


async def test_two_texts_are_rendered_at_a_time_for_two_seconds_and_others_wait_for_five(
    client: httpx.AsyncClient, elapse: Elapse, free: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, begun = await sign_in(client, "Ada"), list[str]()

    def render(content: str) -> None:
        begun.append(content)
        free.wait(30)

    monkeypatch.setattr("blog.adapters.markdown.rendition_of", render)
    asking = [asyncio.ensure_future(client.post("/articles", json=ARTICLE, headers=ada)) for _ in range(9)]
    await until(lambda: len(begun) > 1)
    await elapse(1.9)
    assert not any(task.done() for task in asking)
    await elapse(0.2)
    hard = [task.result() for task in asking if task.done()]
    assert [list(wrong(answer)) for answer in hard] == [["#/content"]] * 2
    await elapse(2.7)
    assert sum(task.done() for task in asking) == 2
    await elapse(0.3)
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*asking)
    for answer in answers:
        assert answer in hard or problem(answer, 503)["detail"].startswith("Too many articles are being rendered")
    assert len(begun) == 2


async def test_a_comparison_has_two_seconds(
    container: Container, elapse: Elapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = 0

    def compare(*_: object, check: Callable[[], None]) -> str:
        nonlocal checks
        while True:
            check()
            checks += 1
            threading.Event().wait(0.001)

    async def more_checks() -> None:
        before = checks
        await until(lambda: checks > before + 1 or comparing.done())

    monkeypatch.setattr("blog.adapters.comparing.compare", compare)
    comparing = asyncio.ensure_future(container.comparer().compare(a_revision(), a_revision()))
    await more_checks()
    await elapse(1.5)
    await more_checks()
    assert not comparing.done()
    await elapse(0.6)
    with pytest.raises(TooHardToCompare):
        await asyncio.wait_for(comparing, 10)


async def test_one_comparison_runs_at_a_time_and_others_wait_for_five_seconds(
    container: Container, elapse: Elapse, free: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blog.adapters.comparing.compare", lambda *_, check: free.wait(30) and check)
    comparing = [asyncio.ensure_future(container.comparer().compare(a_revision(), a_revision())) for _ in range(3)]
    await elapse(4.9)
    assert not any(task.done() for task in comparing)
    await elapse(0.2)
    assert [type(task.exception()) for task in comparing if task.done()] == [TooMuchToCompare] * 2
    free.set()
    await comparing[0]


async def test_one_password_is_hashed_at_a_time_and_sixty_wait(
    free: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[bytes] = []

    def check(password: bytes, _: bytes) -> bool:
        begun.append(password)
        return free.wait(30)

    monkeypatch.setattr(bcrypt, "checkpw", check)
    hasher = in_memory(Settings.load({"SECRET_KEY": KEY}, file=None)).hasher()

    def verify(client: str, *, known: bool) -> asyncio.Task[bool]:
        return asyncio.ensure_future(hasher.verify(Password("x"), None, client=client, known=known))

    tasks = [verify(f"client{number}", known=False) for number in range(52)]
    tasks += [verify(f"known{number}", known=True) for number in range(11)]
    await until(lambda: begun)
    refused = [task.exception() for task in tasks if task.done()]
    assert [type(error) for error in refused] == [TooManyPasswords] * 2
    assert len(begun) == 1
    free.set()
    # Nobody matches a hash that is not there, whatever bcrypt says.
    assert {await task for task in tasks if not task.done() or not task.exception()} == {False}
    hasher.close()


async def test_without_a_stored_hash_the_work_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the cost of a blog that is put to work, and without an error."""
    costs: list[bytes] = []
    check = bcrypt.checkpw

    def counting(password: bytes, stored: bytes) -> bool:
        costs.append(stored[:7])
        return check(password, stored)

    monkeypatch.setattr(bcrypt, "checkpw", counting)
    hasher = in_memory(Settings.load({"SECRET_KEY": KEY}, file=None)).hasher()
    assert await hasher.verify(Password("x"), None) is False
    assert await hasher.verify(Password("x"), "") is False
    assert await hasher.verify(Password("x"), await hasher.hash(Password("y"))) is False
    assert costs == [b"$2b$12$"] * 3
    hasher.close()


# Repeated logins


class Refusing:
    """A database that counts more than enough failures."""

    def __init__(self) -> None:
        self.asked = 0

    async def write(self, *_: object) -> list[Any]:
        self.asked += 1
        return [(False, timedelta(seconds=5))]


def attempt(number: int) -> LoginAttempt:
    return LoginAttempt(account=f"user{number}", client="192.0.2.1")


async def test_a_refusal_is_repeated_after_a_second_for_five_hundred_at_a_time(elapse: Elapse) -> None:
    database: Any = Refusing()
    limits = DatabaseLoginLimits(database, lambda: NOON, key=KEY)
    with pytest.raises(TooManyRequests):
        await limits.admit(attempt(1))
    again = [asyncio.ensure_future(limits.admit(attempt(1))) for _ in range(501)]
    await elapse(0.9)
    assert [task.done() for task in again] == [False] * 500 + [True]
    await elapse(0.2)
    for task in again:
        assert isinstance(task.exception(), TooManyRequests)
    assert database.asked == 1


async def test_a_process_remembers_ten_thousand_refusals_at_most() -> None:
    database: Any = Refusing()
    limits = DatabaseLoginLimits(database, lambda: NOON, key=KEY)
    for number in range(10_001):
        with pytest.raises(TooManyRequests):
            await limits.admit(attempt(number))
        assert len(limits._refused) <= 10_000


# Connections to PostgreSQL


class IdleConnection:
    """One that leads nowhere."""

    closed = False

    def is_closed(self) -> bool:
        return self.closed

    def is_in_transaction(self) -> bool:
        return False

    def terminate(self) -> None:
        self.closed = True


class Pool(ConnectionPool):
    def __init__(self, *, full: bool) -> None:
        super().__init__(size=3, writes=2, timeout=30)
        self._full = cycle([False, full])

    async def open(self) -> IdleConnection:
        if next(self._full):
            raise asyncpg.TooManyConnectionsError
        return IdleConnection()


@pytest.mark.parametrize(("full", "seconds"), [(False, 60), (True, 5)])
async def test_a_connection_is_kept_for_a_minute_and_for_five_seconds_on_a_full_server(
    elapse: Elapse, full: bool, seconds: float
) -> None:
    pool = Pool(full=full)
    connection = await pool.obtain()
    if full:
        other = asyncio.ensure_future(pool.obtain())
        await elapse(0)
        pool.release(connection)
        assert await other is connection
    pool.release(connection)
    await elapse(seconds - 0.5)
    assert not connection.closed
    await elapse(0.6)
    assert connection.closed


def test_writes_hold_all_connections_but_a_fifth_where_nobody_says_how_many() -> None:
    """A blog that is put to work says it: a quarter is left to reads (`connections_for_writes`)."""
    for size, writes in ((1, 1), (4, 4), (5, 4), (10, 8)):
        assert Database(make_url("postgresql+asyncpg://nowhere/blog"), pool_size=size, timeout=1).writes == writes
    settings = Settings.load({"SECRET_KEY": KEY, "DATABASE_URL": "postgresql://nowhere/blog"}, file=None)
    database = Container(settings=settings).database()
    assert (database.size, database.writes, database.timeout) == (9, 7, 5.0)


async def test_a_transaction_in_memory_waits_ten_seconds_for_its_turn(container: Container, elapse: Elapse) -> None:
    async def change() -> None:
        async with container.transaction() as tx:
            with suppress(UserNotFound):
                await tx.users.named(Username("ada"))

    async with container.transaction() as other:
        with suppress(UserNotFound):
            await other.users.named(Username("ada"))
        waiting = asyncio.ensure_future(change())
        await elapse(9.9)
        assert not waiting.done()
        await elapse(0.2)
        assert waiting.done()
        assert isinstance(waiting.exception(), Unavailable)
    await change()


# What is on its way


async def test_a_body_has_a_minute_to_arrive(client: httpx.AsyncClient, elapse: Elapse) -> None:
    ada = await sign_in(client, "Ada")

    async def stalling() -> Any:
        yield b'{"title":'
        await asyncio.Event().wait()

    headers = ada | {"Content-Type": "application/json"}
    asking = asyncio.ensure_future(client.post("/articles", content=stalling(), headers=headers))
    await elapse(59.9)
    assert not asking.done()
    await elapse(0.2)
    assert problem(await asyncio.wait_for(asking, 10), 408)


async def refuse(receive: Callable[[], Awaitable[Message]]) -> None:
    """Refuse a request before its body is read, and look at what still comes."""

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 413, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def send(_: Message) -> None: ...

    headers = [(b"host", b"blog.test"), (b"transfer-encoding", b"chunked")]
    await edge(app)({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive, send)


async def test_a_refusal_waits_for_the_rest_of_a_body_up_to_64_mib() -> None:
    read = 0

    async def receive() -> Message:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": bytes(2**20), "more_body": read < 1_000}

    await refuse(receive)
    assert read == 64


async def test_a_refusal_waits_for_the_rest_of_a_body_for_ten_seconds(elapse: Elapse) -> None:
    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    refusing = asyncio.ensure_future(refuse(receive))
    await elapse(9.9)
    assert not refusing.done()
    await elapse(0.2)
    assert refusing.done()


@pytest.mark.parametrize(("rate", "ended"), [(9_000, 1), (11_000, 0)])
async def test_a_client_has_to_read_ten_thousand_bytes_a_second(elapse: Elapse, rate: int, ended: int) -> None:
    sent, ends = 0, 0

    def end() -> None:
        nonlocal ends
        ends += 1

    async def send(message: Message) -> None:
        nonlocal sent
        await elapse(len(message["body"]) / rate)
        sent += 1

    pieces = 40
    await Delivery(send, end=end)({"type": "http.response.body", "body": bytes(pieces * PIECE)})
    assert ends == ended
    # It may fall ten seconds behind.
    assert (sent == pieces) if not ended else 10 <= sent <= 14


@pytest.mark.parametrize("before", [0, 1_000_000])
async def test_a_client_may_read_nothing_for_ten_seconds(elapse: Elapse, before: int) -> None:
    ends = 0

    def end() -> None:
        nonlocal ends
        ends += 1

    async def send(message: Message) -> None:
        if message["body"] == b"last":
            await asyncio.Event().wait()

    delivery = Delivery(send, end=end)
    await delivery({"type": "http.response.body", "body": bytes(before), "more_body": True})
    stalled = asyncio.ensure_future(delivery({"type": "http.response.body", "body": b"last"}))
    await elapse(9.9)
    assert not stalled.done()
    await elapse(0.2)
    assert (stalled.done(), ends) == (True, 1)


def test_large_replies_have_64_mib_and_small_ones_are_not_counted() -> None:
    budget = Budget()
    assert IN_FLIGHT == 64 * 2**20
    budget.take(62 * 2**20)
    assert budget.take(2**20) == 0
    budget.check(2 * 2**20)
    with pytest.raises(TooMuchInFlight):
        budget.check(2 * 2**20 + 1)
    assert budget.grow(0, 32 * 2**10) == 0
    assert budget.grow(0, 32 * 2**10 + 1) == 32 * 2**10 + 1

"""Hashing."""

import asyncio
import threading
from collections.abc import Iterable, Iterator

import bcrypt
import pytest

from blog.adapters.passwords import BcryptHasher, TooManyPasswords, _digest
from blog.domain.users import Password


@pytest.fixture
def hasher() -> Iterator[BcryptHasher]:
    hasher = BcryptHasher(cost=4)
    yield hasher
    hasher.close()


async def test_a_hash_names_its_scheme_and_never_repeats(hasher: BcryptHasher) -> None:
    one, other = await hasher.hash(Password("secret one")), await hasher.hash(Password("secret one"))
    assert one.startswith("bcrypt-hmac-sha256$$2b$04$")
    assert one != other
    assert "secret" not in one


async def test_only_the_password_itself_verifies(hasher: BcryptHasher) -> None:
    stored = await hasher.hash(Password("secret one"))
    assert await hasher.verify(Password("secret one"), stored)
    for other in ("secret two", "secret one ", "", "Secret one"):
        assert not await hasher.verify(Password(other), stored)


@pytest.mark.parametrize("length", [71, 72, 73, 200, 1024])
async def test_every_character_counts(hasher: BcryptHasher, length: int) -> None:
    stored = await hasher.hash(Password("x" * (length - 1) + "a"))
    assert await hasher.verify(Password("x" * (length - 1) + "a"), stored)
    assert not await hasher.verify(Password("x" * (length - 1) + "b"), stored)


async def test_nobody_matches_where_there_is_no_hash(hasher: BcryptHasher) -> None:
    for password in ("", "anything", "." * 53):
        assert await hasher.verify(Password(password), None) is False


async def test_no_hash_takes_as_long_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What costs time is one bcrypt of one cost, with a hash and without."""
    costs: list[bytes] = []
    check = bcrypt.checkpw

    def counting(password: bytes, stored: bytes) -> bool:
        costs.append(stored[:7])
        return check(password, stored)

    monkeypatch.setattr(bcrypt, "checkpw", counting)
    hasher = BcryptHasher(cost=5)
    await hasher.verify(Password("anything"), await hasher.hash(Password("something")))
    await hasher.verify(Password("anything"), None)
    hasher.close()
    assert costs == [b"$2b$05$", b"$2b$05$"]


async def test_the_default_cost_is_12() -> None:
    hasher = BcryptHasher()
    assert (await hasher.hash(Password("anything"))).startswith("bcrypt-hmac-sha256$$2b$12$")
    hasher.close()


async def test_an_unknown_scheme_is_a_fault_and_no_answer(hasher: BcryptHasher) -> None:
    with pytest.raises(ValueError, match="scheme 'plain'"):
        await hasher.verify(Password("anything"), "plain$anything")


async def test_a_bounded_number_are_hashed_at_a_time_and_the_loop_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, threads = threading.Event(), set[str]()

    def slow(*_: bytes) -> bytes:
        threads.add(threading.current_thread().name)
        gate.wait(10)
        return b"hash"

    monkeypatch.setattr(bcrypt, "hashpw", slow)
    hasher = BcryptHasher(cost=4, threads=2, queue=3)
    waiting = [asyncio.create_task(hasher.hash(Password(str(number)))) for number in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyPasswords):
        await hasher.hash(Password("one too many"))
    assert not any(task.done() for task in waiting)
    gate.set()
    assert await asyncio.gather(*waiting) == ["bcrypt-hmac-sha256$hash"] * 5
    assert len(threads) == 2
    # Whoever came too early may come again.
    assert await hasher.hash(Password("again"))
    hasher.close()


class Gate:
    """A hasher whose one thread is busy, and who is waiting for it, in the order in which they get their turns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, queue: int) -> None:
        self._gate, self.served = threading.Event(), list[str]()

        def slow(password: bytes, _: bytes) -> bool:
            assert self._gate.wait(10)
            self.served.append(self._names[password])
            return True

        monkeypatch.setattr(bcrypt, "checkpw", slow)
        self._names: dict[bytes, str] = {}
        self.hasher = BcryptHasher(cost=4, queue=queue)

    async def wait(self, name: str, client: str, *, known: bool = False) -> asyncio.Task[bool]:
        """Somebody who waits by now, or has been refused."""
        password = Password(f"{name} of {client} {len(self._names)}")
        self._names[_digest(password)] = name
        task = asyncio.create_task(self.hasher.verify(password, None, client=client, known=known))
        await asyncio.sleep(0)
        return task

    async def open(self, tasks: Iterable[asyncio.Task[bool]]) -> list[str]:
        """The names of those who were served, in their order."""
        self._gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.hasher.close()
        return self.served


async def test_those_who_wait_take_turns_by_their_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch, queue=50)
    tasks = [await gate.wait("running", "z")]
    tasks += [await gate.wait(name, "a") for name in ("a1", "a2", "a3")]
    tasks += [await gate.wait(name, "b") for name in ("b1", "b2")]
    tasks += [await gate.wait("c1", "c")]
    assert await gate.open(tasks) == ["running", "a1", "b1", "c1", "a2", "b2", "a3"]


async def test_an_address_that_has_more_places_than_others_gives_them_up(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch, queue=4)
    tasks = [await gate.wait("running", "z")]
    tasks += [await gate.wait(name, "a") for name in ("a1", "a2", "a3", "a4")]
    late = [await gate.wait("b1", "b"), await gate.wait("b2", "b"), await gate.wait("b3", "b")]
    late += [await gate.wait("a5", "a"), await gate.wait("c1", "c")]
    assert await gate.open(tasks + late) == ["running", "a1", "b1", "c1", "b2"]
    refused = [task for task in tasks + late if isinstance(task.exception(), TooManyPasswords)]
    assert refused == [*tasks[2:], *late[2:4]]


async def test_known_clients_have_places_and_turns_that_others_cannot_take(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch, queue=10)
    tasks = [await gate.wait("running", "z")]
    tasks += [await gate.wait(f"a{number}", f"a{number}") for number in range(10)]
    refused = await gate.wait("too late", "b")
    tasks += [await gate.wait("known1", "k1", known=True), await gate.wait("known2", "k2", known=True)]
    full = await gate.wait("known3", "k3", known=True)
    served = await gate.open([*tasks, refused, full])
    assert served[:5] == ["running", "known1", "a0", "known2", "a1"]
    assert len(served) == 13
    for task in (refused, full):
        assert isinstance(task.exception(), TooManyPasswords)


async def test_one_that_waits_no_longer_takes_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch, queue=3)
    running = await gate.wait("running", "z")
    tasks = [await gate.wait(name, name) for name in ("a", "b", "c")]
    tasks[0].cancel()
    tasks[1].cancel()
    await asyncio.sleep(0)
    tasks += [await gate.wait("d", "d")]
    # Also of one that runs, the thread is busy until it has ended.
    running.cancel()
    assert await gate.open([running, *tasks]) == ["running", "c", "d"]


async def test_one_that_is_cancelled_while_it_runs_gives_nobody_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch, queue=10)
    running = await gate.wait("running", "z")
    tasks = [await gate.wait("a", "a")]
    running.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    # Turns are given when the thread is free, and the first one is for a known client.
    tasks += [await gate.wait("known", "k", known=True)]
    assert await gate.open([running, *tasks]) == ["running", "known", "a"]


async def test_one_whose_turn_comes_when_it_is_cancelled_hands_it_on() -> None:
    hasher = BcryptHasher(cost=4)
    for _ in range(50):
        tasks = [asyncio.create_task(hasher.verify(Password("x"), None, client=str(number))) for number in range(4)]
        await asyncio.sleep(0.001)
        for task in tasks[:3]:
            task.cancel()
        assert await asyncio.wait_for(tasks[3], 10) is False
    await hasher.hash(Password("again"))
    hasher.close()

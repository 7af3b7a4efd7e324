"""Hashing."""

import asyncio
import threading
from collections.abc import Iterator

import bcrypt
import pytest

from blog.adapters.passwords import BcryptHasher, TooManyPasswords
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

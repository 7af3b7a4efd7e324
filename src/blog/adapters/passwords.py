"""Password hashing with bcrypt."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import bcrypt

from blog.domain.errors import Unavailable
from blog.domain.users import Password

SCHEME = "bcrypt-hmac-sha256"
# A constant of this product, so that a digest leaked elsewhere is no key to a hash made here.
DIGEST_KEY = b"blog password"

T = TypeVar("T")


class TooManyPasswords(Unavailable):
    sentence = "Too many passwords are being checked at the moment. Try again shortly."


class BcryptHasher:
    """bcrypt (Provos and Mazières, 1999) over HMAC-SHA-256, so that every character of a long password counts.

    bcrypt alone looks at 72 bytes. A stored hash reads `bcrypt-hmac-sha256$` and what bcrypt gave.

    `cost` is the base-2 logarithm of the rounds: 12 takes a quarter of a second of one core. `threads` hash at a
    time, and `queue` more wait; whoever comes after them is refused at once. With as many threads as the machine has
    cores, whoever reads meanwhile waits for their turns to end.
    """

    def __init__(self, *, cost: int = 12, threads: int = 1, queue: int = 50) -> None:
        self._cost = cost
        self._limit = threads + queue
        self._running = 0
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        # What a password is compared with where there is no user: well formed, and the hash of nothing.
        self._nobody = f"{SCHEME}$$2b${cost:02}${'.' * 53}"

    async def hash(self, password: Password) -> str:
        salt = bcrypt.gensalt(self._cost)
        return f"{SCHEME}${(await self._run(partial(bcrypt.hashpw, _digest(password), salt))).decode()}"

    async def verify(self, password: Password, password_hash: str | None) -> bool:
        scheme, _, stored = (password_hash or self._nobody).partition("$")
        if scheme != SCHEME:
            raise ValueError(f"A stored password names the scheme {scheme!r}, which is not known here.")
        matches = await self._run(partial(bcrypt.checkpw, _digest(password), stored.encode()))
        return matches and password_hash is not None

    def close(self) -> None:
        """Let what is being hashed finish, and take nothing more."""
        self._executor.shutdown(cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._running >= self._limit:
            raise TooManyPasswords
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._running -= 1


def _digest(password: Password) -> bytes:
    """44 characters without a NUL, which bcrypt would stop at."""
    return base64.b64encode(hmac.digest(DIGEST_KEY, password.secret.encode(), hashlib.sha256))

"""Password hashing with bcrypt."""

import asyncio
import base64
import hashlib
import hmac
from collections import deque
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


class Queue:
    """Those who wait for a thread, at most `places`: clients in turn, and each one's own in order.

    When it is full, one that comes takes the last place of the client that has the most, unless that is its own.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        # In the order of their turns: who has had one goes to the end.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def add(self, client: str) -> asyncio.Future[None]:
        """What to await. Raises `TooManyPasswords`, as waiting does once another client has taken the place."""
        if len(self) >= self._places:
            greediest = max(self._waiting, key=lambda one: len(self._waiting[one]), default=client)
            # Else it would have as many, and the other one fewer, which is no fairer.
            if len(self._waiting.get(greediest, ())) <= len(self._waiting.get(client, ())) + 1:
                raise TooManyPasswords
            last = self._waiting[greediest][-1]
            self.remove(greediest, last)
            if not last.done():
                last.set_exception(TooManyPasswords())
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        return turn

    def remove(self, client: str, turn: asyncio.Future[None]) -> None:
        """Forget one that waits no longer, if it is there."""
        if turn in self._waiting.get(client, ()):
            self._waiting[client].remove(turn)
            if not self._waiting[client]:
                del self._waiting[client]

    def next(self) -> asyncio.Future[None] | None:
        """The one whose turn has come."""
        while self._waiting:
            client = next(iter(self._waiting))
            turns = self._waiting.pop(client)
            turn = turns.popleft()
            if turns:
                self._waiting[client] = turns
            # Unless it was cancelled, and has not said so yet.
            if not turn.done():
                return turn
        return None


class BcryptHasher:
    """bcrypt (Provos and Mazières, 1999) over HMAC-SHA-256, so that every character of a long password counts.

    bcrypt alone looks at 72 bytes. A stored hash reads `bcrypt-hmac-sha256$` and what bcrypt gave.

    `cost` is the base-2 logarithm of the rounds: 12 takes a quarter of a second of one core. `threads` hash at a
    time, and `queue` more wait; of `known` clients, a fifth as many wait beside them, and every other turn is theirs.
    Who comes after them is refused at once. With as many threads as the machine has cores, those who read meanwhile
    wait for their turns to end.
    """

    def __init__(self, *, cost: int = 12, threads: int = 1, queue: int = 50) -> None:
        self._cost = cost
        self._free = threads
        # The one that is next comes first.
        self._queues = deque([Queue(-(-queue // 5)), Queue(queue)])
        self._known, self._others = self._queues
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        # What a password is compared with where there is no user: well formed, and the hash of nothing.
        self._nobody = f"{SCHEME}$$2b${cost:02}${'.' * 53}"

    async def hash(self, password: Password, *, client: str = "") -> str:
        salt = bcrypt.gensalt(self._cost)
        hashed = await self._run(partial(bcrypt.hashpw, _digest(password), salt), self._others, client)
        return f"{SCHEME}${hashed.decode()}"

    async def verify(
        self, password: Password, password_hash: str | None, *, client: str = "", known: bool = False
    ) -> bool:
        scheme, _, stored = (password_hash or self._nobody).partition("$")
        if scheme != SCHEME:
            raise ValueError(f"A stored password names the scheme {scheme!r}, which is not known here.")
        queue = self._known if known else self._others
        matches = await self._run(partial(bcrypt.checkpw, _digest(password), stored.encode()), queue, client)
        return matches and password_hash is not None

    def close(self) -> None:
        """Let what is being hashed finish, and take nothing more."""
        self._executor.shutdown(cancel_futures=True)

    async def _run(self, work: Callable[[], T], queue: Queue, client: str) -> T:
        if self._free:
            self._free -= 1
        else:
            turn = queue.add(client)
            try:
                await turn
            except BaseException:
                queue.remove(client, turn)
                if turn.done() and not turn.cancelled() and turn.exception() is None:
                    # The turn came at the moment when nobody waited for it any more.
                    self._hand_on()
                raise
        try:
            running = asyncio.get_running_loop().run_in_executor(self._executor, work)
        except BaseException:
            self._hand_on()
            raise
        # Also of one that nobody waits for any more, the thread is busy until it has ended.
        running.add_done_callback(lambda _: self._hand_on())
        return await asyncio.shield(running)

    def _hand_on(self) -> None:
        """Let the next one have the thread."""
        for queue in tuple(self._queues):
            if turn := queue.next():
                if queue is self._queues[0]:
                    self._queues.rotate()
                turn.set_result(None)
                return
        self._free += 1


def _digest(password: Password) -> bytes:
    """44 characters without a NUL, which bcrypt would stop at."""
    return base64.b64encode(hmac.digest(DIGEST_KEY, password.secret.encode(), hashlib.sha256))

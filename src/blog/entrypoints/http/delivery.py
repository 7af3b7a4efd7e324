"""Bodies on their way: how fast a client has to read them, and how much of them is held for all clients together."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from blog.domain.errors import Unavailable

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]

PIECE = 64 * 1024
"""Bytes that are given to the server in one message. It holds back the next one while the client does not read."""

RATE = 10_000
"""Bytes a second that a client has to read on average."""

GRACE_SECONDS = 10.0
"""How long a client may fall behind that."""

STALL_SECONDS = 10.0
"""How long a client may read nothing, whatever it has read before."""

LARGE = 1024 * 1024
"""Bytes of a reply that is not held beside any number of others."""

IN_FLIGHT = 64 * 1024 * 1024
"""Bytes of all large replies that a process holds at a time."""

log = logging.getLogger(__name__)


SMALL_BODY = 32 * 1024
"""Bytes of a request's body that are kept beside any number of others."""


class TooMuchInFlight(Unavailable):
    """Clients have yet to read so much that another large reply has to wait."""

    sentence = "Too many large replies are on their way. Try again shortly, or ask for less: limit, fields."
    retry_after = 5


class TooMuchArriving(Unavailable):
    """Clients have sent so much of bodies without an end yet that another large one has to wait."""

    sentence = "Too many large requests are on their way. Try again shortly."
    retry_after = 5


class Budget:
    """Bytes of large replies that are held until their clients have read them, or of bodies until they are handled.

    A reply that is larger than all of it is let through while there is no other.
    """

    def __init__(self, size: int = IN_FLIGHT) -> None:
        self._size, self.taken = size, 0

    def check(self, size: int) -> None:
        """Raises `TooMuchInFlight` if a reply of this size would have to wait: there is no need to make it."""
        if size > LARGE and self.taken and self.taken + size > self._size:
            raise TooMuchInFlight

    def take(self, size: int) -> int:
        """Take what a reply needs. Returns what is to be given back. Raises `TooMuchInFlight`."""
        self.check(size)
        needed = size if size > LARGE else 0
        self.taken += needed
        return needed

    def grow(self, held: int, size: int) -> int:
        """Take what more is needed by a body that has come to this size. Returns all that it holds.

        Raises `TooMuchArriving`.
        """
        if size <= SMALL_BODY:
            return held
        if self.taken - held + size > self._size:
            raise TooMuchArriving
        self.taken += size - held
        return size

    def give_back(self, size: int) -> None:
        """Give back what a reply or a body needed."""
        self.taken -= size


class Delivery:
    """Sends the body of one reply in pieces, for as long as its client reads them fast enough."""

    def __init__(self, send: Send, *, end: Callable[[], object]) -> None:
        self._send, self._end = send, end
        self._waited = 0.0
        self._sent = 0
        self.ended = False

    async def __call__(self, message: Message) -> None:
        """Send a part of the body, or nothing any more once the client was too slow."""
        body, more = message.get("body", b""), message.get("more_body", False)
        for at in range(0, len(body) or 1, PIECE):
            piece = body[at : at + PIECE]
            last = at + PIECE >= len(body)
            await self._send_piece({"type": "http.response.body", "body": piece, "more_body": more or not last})

    async def _send_piece(self, message: Message) -> None:
        if self.ended:
            return
        clock = asyncio.get_running_loop().time
        began = clock()
        self._sent += len(message["body"])
        try:
            async with asyncio.timeout(min(STALL_SECONDS, GRACE_SECONDS + self._sent / RATE - self._waited)):
                await self._send(message)
        except TimeoutError:
            self.ended = True
            log.info("Ended the connection of a client that reads slower than %d bytes a second.", RATE)
            self._end()
        self._waited += clock() - began

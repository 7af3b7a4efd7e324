"""Comparing revisions by difflib, in a thread of its own and not for ever."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from blog.domain.errors import Unavailable
from blog.domain.revisions import Revision, TooHardToCompare, compare


class TooMuchToCompare(Unavailable):
    sentence = "Too many versions are being compared at the moment. Try again shortly."


class PooledComparer:
    """Compares in `threads` threads.

    `seconds` is how long one comparison may take once it has begun, and `waiting` how long it may wait for that. A
    comparison that takes longer, or that nobody waits for any more, stops: it looks at the time before each step, and
    a step takes some hundredths of a second at most. Python runs one thread at a time, so that a second one would not
    compare faster.
    """

    def __init__(self, *, seconds: float = 2.0, waiting: float = 5.0, threads: int = 1) -> None:
        self._seconds, self._waiting = seconds, waiting
        self._free = asyncio.Semaphore(threads)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="comparing")

    async def compare(self, before: Revision, after: Revision) -> str:
        try:
            async with asyncio.timeout(self._waiting):
                await self._free.acquire()
        except TimeoutError:
            raise TooMuchToCompare from None
        abandoned = Event()

        def work() -> str:
            deadline = time.monotonic() + self._seconds

            def check() -> None:
                if abandoned.is_set() or time.monotonic() > deadline:
                    raise TooHardToCompare

            return compare(before, after, check=check)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            abandoned.set()
            self._free.release()

    def close(self) -> None:
        """Let what is being compared finish, and take nothing more."""
        self._executor.shutdown(cancel_futures=True)

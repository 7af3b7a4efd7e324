"""How a service stops: which signals tell it to, what its workers hear of it, and why one of them ended unasked."""

import logging
import os
import re
import signal
import threading
import time
from queue import Empty, SimpleQueue
from typing import Any

from granian.log import logger as granian_log
from granian.server.common import AbstractServer

from blog.entrypoints.http.health import Drain

log = logging.getLogger(__name__)

HANGUP = (
    "SIGHUP changes nothing: settings are read when the service starts. Restart it where they have changed; "
    "SIGTERM stops it."
)


def has_terminal() -> bool:
    """Whether this process was started in a terminal, which it must not outlive."""
    if os.isatty(0):
        return True
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def hold_hangups() -> bool:
    """Let SIGHUP pass without a terminal, where it does not say that one was closed; answer whether it stops this.

    A supervisor of services sends it to say "read your settings again".
    """
    # `nohup` has it ignored, in a terminal too.
    stops = has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    if not stops:
        signal.signal(signal.SIGHUP, lambda *_: None)
    return stops


class Stopping:
    """Stops a server when signals say so: SIGINT immediately, SIGTERM after `seconds` in which it drains.

    Another signal ends the draining. SIGHUP stops it immediately or, where `hangup_stops` is false, leaves it alone.
    """

    def __init__(self, server: AbstractServer[Any], drain: Drain, *, seconds: float, hangup_stops: bool) -> None:
        self._server, self._drain, self._seconds, self._hangup_stops = server, drain, seconds, hangup_stops
        # Of all that passes something on to a thread, its `put` alone may be called in a signal handler.
        self._heard: SimpleQueue[int] = SimpleQueue()
        self.serving = False
        """Whether it has begun to answer: before it does, there is nothing to drain."""

    def hear_signals(self) -> None:
        """Take signals from here on. The server has set handlers of its own by now."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._hear)
        threading.Thread(target=self._watch, name="stopping", daemon=True).start()

    def _hear(self, number: int, _: object) -> None:
        self._heard.put(number)

    def _watch(self) -> None:
        deadline: float | None = None
        while True:
            try:
                number = self._heard.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            except Empty:
                break
            if number == signal.SIGHUP and not self._hangup_stops:
                log.info(HANGUP)
            elif number == signal.SIGTERM and deadline is None and self._seconds and self.serving:
                self._drain.begin()
                deadline = time.monotonic() + self._seconds
                log.info(
                    "Told to stop: /health/ready answers 503 from now on, and in %s seconds the service stops. "
                    "Another SIGTERM, or SIGINT, stops it immediately.",
                    self._seconds,
                )
            else:
                break
        self._server.signal_handler_interrupt()  # type: ignore[no-untyped-call]


def end_with(server: AbstractServer[Any], drain: Drain) -> None:
    """Have workers heed SIGTERM as soon as the server stops them, for whatever reason it does."""
    shutdown = server.shutdown

    def end(exit_code: int = 0) -> None:
        drain.end()
        shutdown(exit_code)  # type: ignore[no-untyped-call]

    server.shutdown = end  # type: ignore[method-assign]


def name_deaths(server: AbstractServer[Any]) -> None:
    """Have the server say of a worker that ended unasked why it did: only the operating system knows."""

    def add_reason(record: logging.LogRecord) -> bool:
        if found := re.fullmatch(r"Unexpected exit from worker-(\d+)", record.getMessage()):
            processes = [worker.inner for worker in server.wrks if worker.idx + 1 == int(found[1])]
            for process in processes:
                if process.exitcode is not None:
                    record.msg = f"{record.getMessage()} (process {process.pid}): {how_it_ended(process.exitcode)}."
        return True

    granian_log.addFilter(add_reason)


def how_it_ended(exit_code: int) -> str:
    """What the exit code of a process of `multiprocessing` says."""
    if exit_code >= 0:
        return f"it ended with status {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    # The usual reason, which nothing else would tell.
    return f"{name} killed it{', as the kernel does where memory runs out' if name == 'SIGKILL' else ''}"

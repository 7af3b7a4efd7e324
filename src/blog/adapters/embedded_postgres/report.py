"""What becomes of a running server, out of what it writes into its own log: in few words, for the log of the blog."""

import logging
import os
import re
import time
from pathlib import Path

from blog.adapters.embedded_postgres.programs import how_it_ended

log = logging.getLogger(__name__)

MAX_READ = 256 * 1024
"""Bytes that are read at a time: more than a server says between two looks, unless something is very wrong."""

AGAIN = 60.0
"""Seconds after which what goes wrong again and again is said again."""

# Fatal to a client, and not to the server: connections that come at the wrong moment, or are ended.
OF_CLIENTS = re.compile(
    "the database system is|terminating (connection|walsender|background)|connection to client lost|sorry, too many"
    "|remaining connection slots|(database|role) .* (does not exist|is not permitted)|no pg_hba|unsupported frontend"
    "|canceling|.* authentication failed|expected SSL|invalid startup|out of file descriptors: "
)


class Report:
    """Reads on in the log of a server, from its present end."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._place = file.stat().st_size if file.exists() else 0
        self._rest = b""
        self._reason: str | None = None
        self._failing = False
        self._said: tuple[str, float] = ("", 0.0)

    def tell(self) -> None:
        """Log what has become of the server since this was last asked for. Never raises for the file being away."""
        try:
            with self._file.open("rb") as opened:
                size = os.fstat(opened.fileno()).st_size
                # What is too much to read says nothing new; and a file that is shorter than it was is another.
                self._place = max(self._place, size - MAX_READ) if size >= self._place else 0
                opened.seek(self._place)
                said = opened.read(MAX_READ)
        except OSError:
            return
        self._place += len(said)
        *lines, self._rest = (self._rest + said).split(b"\n")
        for line in lines:
            self.read(line.decode(errors="replace"))

    def read(self, line: str) -> None:
        """Take notice of a line."""
        if found := re.search(r"(FATAL|PANIC):\s+(.*)", line):
            # Of several, the first tells what went wrong, and the others what came of it.
            if found[1] == "PANIC" or not OF_CLIENTS.match(found[2]):
                self._reason = self._reason or found[2]
        elif found := re.search(r"LOG:\s+(.*) was terminated by signal (.*)", line):
            what, how = found[1], f"was terminated by signal {found[2]}"
            if "archive" not in what:
                self._failed("A process of PostgreSQL has died", self._reason or f"{what} {how}", "It recovers.")
        elif found := re.fullmatch(r"blog: the server ended with status (\d+)", line):
            status = int(found[1])
            # A shell says by 128 and its number which signal ended a program.
            how = how_it_ended(128 - status if status > 128 else status)
            self._failed("PostgreSQL has died", self._reason or how, "It is started again until it stays up.")
        elif "LOG:  database system is ready to accept connections" in line and self._failing:
            self._failing, self._reason, self._said = False, None, ("", 0.0)
            log.warning("PostgreSQL runs again. What it had acknowledged is there.")

    def _failed(self, what: str, reason: str, next_step: str) -> None:
        self._failing, self._reason = True, None
        # The same but for the numbers of processes is the same.
        kind = re.sub(r"\d+", "#", f"{what}: {reason}")
        said, at = self._said
        if said == kind and time.monotonic() < at + AGAIN:
            return
        self._said = (kind, time.monotonic())
        remedy = " Make room on the disk." if "No space left" in reason or "quota exceeded" in reason else ""
        log.error(
            "%s (%s). %s Requests are answered with 503 meanwhile.%s More is in %s.",
            what,
            reason.rstrip("."),
            next_step,
            remedy,
            self._file,
        )

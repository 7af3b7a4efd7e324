"""What is logged, and how it looks: JSON for machines, or lines for a terminal; one event is one line.

Modules log through the standard library. What goes out here carries the id of the request that it is about.
"""

import asyncio
import json
import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import msgspec

OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""What a record has anyway: the rest is what was said besides."""

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request that this is about."""

MAX_PATH = 2_000
"""Bytes of a path that the access log shows; a client may send more."""

# What a terminal could take for a command, a line or another record.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


def configure(*, log_format: Literal["auto", "console", "json"], debug: bool) -> None:
    """Log to standard error, from here on. `auto` is lines where that is a terminal, and JSON elsewhere."""
    lines = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler()
    handler.setFormatter(_lines() if lines else JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    access_log.stream = None if lines else handler.stream
    logging.getLogger("blog").setLevel(logging.DEBUG if debug else logging.INFO)
    # Where in the code, in which thread and in which process a line was logged costs more to find out than all the
    # rest, and nobody is told. (The documentation of logging says how to leave it out: "Optimization".)
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _cut(text: str) -> str:
    return text if len(text) <= MAX_PATH else f"{text[:MAX_PATH]}…"


class AccessLog:
    """Says of each request how it was served.

    Where lines are JSON, it writes them by itself: the way through the standard library, which passes thirty calls,
    would take a fifth of the time that reading an article does.
    """

    def __init__(self) -> None:
        self.stream: TextIO | None = None
        self._lines: list[str] = []
        self._flushed_by: asyncio.AbstractEventLoop | None = None
        self._log = logging.getLogger("blog.access")

    def __call__(self, method: str, path: str, *, status: int, milliseconds: float, client: str | None) -> None:
        # Whoever watches over the service asks often, and is not what anybody wants to read about.
        level = logging.DEBUG if path.startswith("/health/") else logging.INFO
        if not self._log.isEnabledFor(level):
            return
        method, path = _cut(method), _cut(path)
        said = {"status": status, "milliseconds": milliseconds, "client": client}
        if self.stream is None:
            self._log.log(level, "%s %s", method, path, extra=said)
            return
        event = {
            "event": f"{method} {path}",
            "level": "debug" if level == logging.DEBUG else "info",
            "logger": self._log.name,
            "timestamp": datetime.now(UTC).isoformat(),
            "request_id": REQUEST_ID.get(),
            **said,
        }
        if self._flushed_by is not (loop := asyncio.get_running_loop()):
            # Written at the end of this turn of the loop, with those of whatever else ends in it.
            self._flushed_by = loop
            loop.call_soon(self.flush)
        self._lines.append(msgspec.json.encode(event).decode() + "\n")

    def flush(self) -> None:
        """Write what was said and is not written yet."""
        lines, self._lines, self._flushed_by = self._lines, [], None
        if self.stream:
            self.stream.write("".join(lines))
            self.stream.flush()


access_log = AccessLog()


class JsonFormatter(logging.Formatter):
    """One JSON object a line. structlog makes the same of it in twenty times the time, which a read would notice."""

    def format(self, record: logging.LogRecord) -> str:
        """The event, when and where, and what else is said of it."""
        event = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            **({"request_id": request_id} if (request_id := REQUEST_ID.get()) else {}),
            **{name: value for name, value in record.__dict__.items() if name not in OF_EVERY_RECORD},
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str, separators=(",", ":"))


def _lines() -> logging.Formatter:
    # Only for a terminal: a service would start later for it.
    import structlog

    before: list[structlog.typing.Processor] = [
        _with_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Plain tracebacks: the pretty ones show local variables, and so passwords.
    render = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _escape, render],
    )


def _with_request_id(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if request_id := REQUEST_ID.get():
        event["request_id"] = request_id
    return event


def _escape(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: value.translate(_CONTROL) if isinstance(value, str) else value for name, value in event.items()}

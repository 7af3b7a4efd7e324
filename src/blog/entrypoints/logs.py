"""What is logged, and how it looks: JSON for machines, or lines for a terminal; one event is one line.

Modules log through the standard library. What goes out here carries the id of the request that it is about.
"""

import json
import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal

import structlog
from structlog.typing import Processor

OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""What a record has anyway: the rest is what was said besides."""

# What a terminal could take for a command, a line or another record.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


def configure(*, log_format: Literal["auto", "console", "json"], debug: bool) -> None:
    """Log to standard error, from here on. `auto` is lines where that is a terminal, and JSON elsewhere."""
    lines = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler()
    handler.setFormatter(_lines() if lines else JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.getLogger("blog").setLevel(logging.DEBUG if debug else logging.INFO)
    # Where in the code a line was logged costs more to find out than all the rest, and nobody is told. (The standard
    # library says how to leave it out: "Optimization" in its documentation of logging.)
    logging._srcfile = None


class JsonFormatter(logging.Formatter):
    """One JSON object a line. structlog makes the same of it in twenty times the time, which a read would notice."""

    def format(self, record: logging.LogRecord) -> str:
        """The event, when and where, and what else is said of it."""
        event = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            **structlog.contextvars.get_contextvars(),
            **{name: value for name, value in record.__dict__.items() if name not in OF_EVERY_RECORD},
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str)


def _lines() -> logging.Formatter:
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
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


def _escape(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: value.translate(_CONTROL) if isinstance(value, str) else value for name, value in event.items()}

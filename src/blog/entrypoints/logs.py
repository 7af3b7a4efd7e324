"""What is logged, and how it looks: JSON for machines, or lines for a terminal; one event is one line.

Modules log through the standard library. What goes out here carries the id of the request that it is about.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog
from structlog.typing import Processor

# What a terminal could take for a command, a line or another record.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


def configure(*, log_format: Literal["auto", "console", "json"], debug: bool) -> None:
    """Log to standard error, from here on. `auto` is lines where that is a terminal, and JSON elsewhere."""
    lines = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[Processor] = (
        # Plain tracebacks: the pretty ones show local variables, and so passwords.
        [_escape, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if lines
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.getLogger("blog").setLevel(logging.DEBUG if debug else logging.INFO)
    # Statements without their parameters, which the engine hides.
    logging.getLogger("sqlalchemy.engine").setLevel(logging.INFO if debug else logging.WARNING)


def _escape(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: value.translate(_CONTROL) if isinstance(value, str) else value for name, value in event.items()}

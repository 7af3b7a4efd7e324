"""What commands tell while they work. It never fails: nobody has to listen."""

import os
import sys
from typing import TextIO


def tell(sentence: str, stream: TextIO | None = None) -> None:
    """Write a sentence to a stream, by default standard output. Whatever becomes of it, the command goes on."""
    stream = stream or sys.stdout
    try:
        print(sentence, file=stream, flush=True)
    except (OSError, ValueError):
        # A closed pipe, a full disk. What is left in the buffer would fail once more when the program ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def open_closed_streams() -> None:
    """Have standard input, output and error, also where a caller has closed them.

    The next file that is opened would be taken for one of them otherwise.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123

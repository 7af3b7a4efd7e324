"""Small text files that settings name: secrets and passwords."""

import os
import stat
from pathlib import Path

from blog.settings.names import shown

MOST_BYTES = 64 * 1024


def read_text(file: Path) -> str:
    """What a file in UTF-8 says. Never blocks. Raises `ValueError`, which names the file and not its content."""
    name = shown(str(file))
    try:
        # Opening a pipe without O_NONBLOCK would wait for whatever writes to it.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise ValueError(f"is a folder, {name}: name a file")
            if not stat.S_ISREG(mode):
                raise ValueError(f"is no ordinary file, {name}: name one that is")
            with os.fdopen(descriptor, "rb", closefd=False) as opened:
                content = opened.read(MOST_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ValueError(f"cannot be read, {name} ({error.strerror}): name a file that this user may read") from None
    if len(content) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES // 1024} KiB, {name}: name the right file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"is not UTF-8, {name}: write text into it") from None

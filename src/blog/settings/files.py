"""Small text files that settings name: secrets and passwords."""

import errno
import os
import stat
from pathlib import Path

from blog.settings.names import shown

MOST_BYTES = 64 * 1024


class Unreadable(ValueError):
    """A file that holds no text: what it is, which, and the remedy. `reason` is for those with another remedy."""

    def __init__(self, what: str, remedy: str, *, reason: str, missing: bool = False) -> None:
        super().__init__(f"{what}: {remedy}")
        self.reason, self.missing = reason, missing


def read_text(file: Path) -> str:
    """What a file in UTF-8 says. Never blocks. Raises `Unreadable`, which names the file and not its content."""
    name = shown(str(file))
    try:
        # Opening a pipe without O_NONBLOCK would wait for whatever writes to it.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise Unreadable(f"is a folder, {name}", "name a file", reason=os.strerror(errno.EISDIR))
            if not stat.S_ISREG(mode):
                raise Unreadable(f"is no ordinary file, {name}", "name one that is", reason="no ordinary file")
            with os.fdopen(descriptor, "rb", closefd=False) as opened:
                content = opened.read(MOST_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Unreadable(
            f"cannot be read, {name} ({error.strerror})",
            "name a file that this user may read",
            reason=str(error.strerror),
            missing=isinstance(error, FileNotFoundError),
        ) from None
    if len(content) > MOST_BYTES:
        larger = f"larger than {MOST_BYTES // 1024} KiB"
        raise Unreadable(f"is {larger}, {name}", "name the right file", reason=larger)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(f"is not UTF-8, {name}", "write text into it", reason="not UTF-8") from None

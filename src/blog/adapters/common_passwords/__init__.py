"""The passwords that are known best, from a file beside this one."""

import gzip
from functools import cached_property
from importlib.resources import files

from blog.domain.users import NewPassword


class CommonPasswords:
    """Some 23,000 passwords. Loading them takes some milliseconds, when the first one is looked for."""

    @cached_property
    def _lines(self) -> bytes:
        # One piece of 200 KB: a set of as many strings takes ten times as much, in each worker.
        packed = (files(__package__) / "common-passwords.txt.gz").read_bytes()
        return b"\n" + gzip.decompress(packed)

    def __contains__(self, password: NewPassword) -> bool:
        return b"\n%b\n" % password.key.encode() in self._lines

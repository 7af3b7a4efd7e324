"""Web addresses: where a picture is, or the page that an article was on first."""

import re
from typing import ClassVar, Self

from blog.domain.errors import Invalid
from blog.domain.text import check_text

_GROUP = "[0-9A-Fa-f]{1,4}"
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_LAST_TWO = rf"(?:{_GROUP}:{_GROUP}|{_BYTE}(?:\.{_BYTE}){{3}})"
_IPV6 = "|".join(
    [
        f"(?:{_GROUP}:){{6}}{_LAST_TWO}",
        f"::(?:{_GROUP}:){{5}}{_LAST_TWO}",
        *(f"(?:(?:{_GROUP}:){{0,{4 - n}}}{_GROUP})?::(?:{_GROUP}:){{{n}}}{_LAST_TWO}" for n in (4, 3, 2, 1, 0)),
        f"(?:(?:{_GROUP}:){{0,5}}{_GROUP})?::{_GROUP}",
        f"(?:(?:{_GROUP}:){{0,6}}{_GROUP})?::",
    ]
)
"""RFC 3986, section 3.2.2."""
_NAME = "(?:[!$&-.0-9;=A-Z_a-z~]|%[0-9A-Fa-f]{2})+"
_PORT = "(?:[0-5]?[0-9]{1,4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_REST = r"[/?#][!#-;=?-Z_a-z~%\[\]]*"


class WebAddress(str):
    """An absolute http or https address (RFC 3986), of at most 2,000 ASCII characters. Raises `Invalid`.

    Its host is a name, an IPv4 address or an IPv6 address in brackets, without a user before it. A port is at most
    65535. `PATTERN` is the whole rule, which the documentation of the API shows too.
    """

    __slots__ = ()
    MIN: ClassVar[int] = 1
    MAX: ClassVar[int] = 2000
    PATTERN: ClassVar[str] = rf"^https?://(?:{_NAME}|\[(?:{_IPV6})\])(?::{_PORT})?(?:{_REST})?$"

    def __new__(cls, text: str) -> Self:
        check_text(text, at_least=cls.MIN, at_most=cls.MAX)
        if not re.fullmatch(cls.PATTERN, text):
            raise Invalid("Must be an address such as https://example.org/picture.png.")
        return super().__new__(cls, text)

    @property
    def path(self) -> str:
        """The path (RFC 3986, section 3.3): empty, or from its first slash up to a query or a fragment."""
        return re.sub("^https?://[^/?#]*|[?#].*", "", self)

"""Users, and the words with rules that belong to them."""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Self

from blog.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from blog.domain.text import check_text, fold


class Email(str):
    """An e-mail address as its owner writes it: `local@domain`, at most 255 characters.

    Unicode is allowed on both sides (RFC 6531); quoted local parts are not. Raises `Invalid`.
    """

    __slots__ = ()
    MIN: ClassVar[int] = 3
    MAX: ClassVar[int] = 255
    _SHAPE: ClassVar[re.Pattern[str]] = re.compile(r'[^\s@"(),:;<>\[\\\]]{1,64}@[^\s@."]+(\.[^\s@."]+)*')

    def __new__(cls, address: str) -> Self:
        check_text(address, at_least=cls.MIN, at_most=cls.MAX)
        if not cls._SHAPE.fullmatch(address):
            raise Invalid("Must be an e-mail address, such as ada@example.org.")
        # Some characters unfold into many; the key has the same bound, because it is what an index holds.
        check_text(fold(address), at_least=cls.MIN, at_most=cls.MAX)
        return super().__new__(cls, address)

    @property
    def key(self) -> str:
        """What makes two spellings the same address: no two users share it."""
        return fold(self)


class Username(str):
    """3 to 50 ASCII letters, digits, `_`, `.` and `-`. Raises `Invalid`."""

    __slots__ = ()
    MIN: ClassVar[int] = 3
    MAX: ClassVar[int] = 50
    PATTERN: ClassVar[str] = r"^[A-Za-z0-9_.-]+$"

    def __new__(cls, name: str) -> Self:
        check_text(name, at_least=cls.MIN, at_most=cls.MAX)
        if not re.fullmatch(cls.PATTERN, name):
            raise Invalid("Must consist of ASCII letters, digits, '_', '.' and '-'.")
        return super().__new__(cls, name)

    @property
    def key(self) -> str:
        """What makes two spellings the same name: no two users share it."""
        return fold(self)


class Password:
    """A password as somebody typed it, whole: at most 1,024 characters. Raises `Invalid`.

    It is normalised to NFKC, so that two keyboards that spell one password differently both open the account
    (NIST SP 800-63B, section 3.1.1.2). It is no `str`, so that it does not show itself in a log or a traceback.
    """

    __slots__ = ("secret",)
    MIN: ClassVar[int] = 0
    MAX: ClassVar[int] = 1024

    def __init__(self, secret: str) -> None:
        # Before it is normalised, because that takes time; and after it, because that is what is kept.
        check_text(secret, at_least=self.MIN, at_most=self.MAX)
        self.secret = unicodedata.normalize("NFKC", secret)
        check_text(self.secret, at_least=self.MIN, at_most=len(self.secret))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class NewPassword(Password):
    """A password that is being chosen: at least 8 characters, counted when it is normalised. Raises `Invalid`."""

    __slots__ = ()
    MIN: ClassVar[int] = 8


class EmailTaken(Conflict):
    sentence = "This e-mail address is already registered."


class UsernameTaken(Conflict):
    sentence = "This username is already taken."


class UserNotFound(NotFound):
    sentence = "User not found"


class WrongPassword(Forbidden):
    sentence = "The password is not right."


class InvalidCredentials(Unauthenticated):
    """The name or the password is wrong; which of them is nobody's business."""

    sentence = "Incorrect username or password"


class InvalidToken(Unauthenticated):
    """The token is malformed, expired, not ours, or its user is gone."""

    sentence = "Could not validate credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who writes."""

    id: int
    email: Email
    username: Username
    password_hash: str = field(repr=False)
    created_at: datetime
    updated_at: datetime

    @classmethod
    def register(cls, *, id: int, email: Email, username: Username, password_hash: str, at: datetime) -> Self:  # noqa: A002
        """A new user, from the moment `at` (with a zone)."""
        return cls(id=id, email=email, username=username, password_hash=password_hash, created_at=at, updated_at=at)

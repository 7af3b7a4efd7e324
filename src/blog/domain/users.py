"""Users, and the words with rules that belong to them."""

import re
import unicodedata
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar, Self

from blog.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from blog.domain.text import check_text, fold, visible


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
    """A password that is being chosen: at least 8 characters, counted when it is normalised, one of them visible.

    Raises `Invalid`.
    """

    __slots__ = ()
    MIN: ClassVar[int] = 8

    def __init__(self, secret: str) -> None:
        super().__init__(secret)
        if not visible(self.secret):
            raise Invalid(
                "Must have a character that can be seen: spaces and invisible characters alone are guessed."
            )

    @property
    def key(self) -> str:
        """What guessing it comes down to: without letter case, spaces and what cannot be seen."""
        return visible(fold(self.secret))

    def check_not_name(self, *, username: Username, email: Email) -> None:
        """Refuse the name and the address of the user who is to have it. Raises `PasswordIsName`."""
        local = email.key.rpartition("@")[0]
        # What follows a plus sign is for the owner of the mailbox to choose (RFC 5233), and no part of its name.
        names = {username.key, email.key, local, local.partition("+")[0]}
        if self.key in {visible(name) for name in names}:
            raise PasswordIsName


class WeakPassword(Invalid):
    """A password that is guessed before others."""


class PasswordIsCommon(WeakPassword):
    sentence = (
        "Is one of the passwords that are tried first. Choose one that few others would, such as several words."
    )


class PasswordIsName(WeakPassword):
    sentence = "Must not be your username or your e-mail address. Choose one that others do not know of you."


class EmailTaken(Conflict):
    sentence = "This e-mail address is already registered."


class UsernameTaken(Conflict):
    sentence = "This username is already taken."


class UserNotFound(NotFound):
    sentence = "User not found"


class WrongPassword(Forbidden):
    sentence = "The password is not right."


class RegistrationClosed(Forbidden):
    sentence = "Registration is closed here. Ask an operator of this blog for an account (`blog user create`)."


class AccountDisabled(Unauthenticated):
    """Name and password are right, and the account is disabled. Nobody learns of it without the password."""

    sentence = "This account is disabled. Ask an operator of this blog to enable it."


class InvalidCredentials(Unauthenticated):
    """The name or the password is wrong; which of them is nobody's business."""

    sentence = "Incorrect username or password"


class InvalidToken(Unauthenticated):
    """The token is malformed, expired, not ours, or its user is gone or disabled."""

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
    disabled_at: datetime | None = None
    """Since when it may not sign in. What it wrote stays."""

    @classmethod
    def register(cls, *, id: int, email: Email, username: Username, password_hash: str, at: datetime) -> Self:  # noqa: A002
        """A new user, from the moment `at` (with a zone)."""
        return cls(id=id, email=email, username=username, password_hash=password_hash, created_at=at, updated_at=at)

    def change_password(self, password_hash: str, *, at: datetime) -> Self:
        """The user with another password."""
        return replace(self, password_hash=password_hash, updated_at=at)

    def disable(self, *, at: datetime) -> Self:
        """The user who may not sign in any more. One that is disabled already stays so since it was."""
        return self if self.disabled_at else replace(self, disabled_at=at, updated_at=at)

    def enable(self, *, at: datetime) -> Self:
        """The user who may sign in again."""
        return replace(self, disabled_at=None, updated_at=at) if self.disabled_at else self

    def check_enabled(self) -> None:
        """Raises `AccountDisabled`."""
        if self.disabled_at:
            raise AccountDisabled

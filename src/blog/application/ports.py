"""What the use cases need from outside, as promises that an adapter keeps.

Every promise is checked by the contract suite against each adapter. Unless a method says otherwise, whatever an
adapter cannot do for the moment (a database that is away) is `Unavailable`. An id is positive and fits in 63 bits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from blog.domain.articles import Article
from blog.domain.users import Password, User, Username

Clock = Callable[[], datetime]
"""The present moment, in UTC."""


class Users(Protocol):
    """The users, within one transaction."""

    async def next_id(self) -> int:
        """An id that no user has, had or will be given again, whether or not the transaction succeeds."""

    async def add(self, user: User) -> None:
        """Keep a new user. Raises `EmailTaken` or `UsernameTaken`, either, where others have the same keys."""

    async def get(self, user_id: int) -> User:
        """The user. Raises `UserNotFound`."""

    async def named(self, username: Username) -> User:
        """The user with this name, in whatever case. Raises `UserNotFound`."""

    async def remove(self, user_id: int) -> None:
        """Forget the user and all that it wrote. Raises `UserNotFound`."""


class Articles(Protocol):
    """The articles, within one transaction."""

    async def next_id(self) -> int:
        """An id that no article has, had or will be given again, whether or not the transaction succeeds."""

    async def add(self, article: Article) -> None:
        """Keep a new article. Raises `InvalidToken` where its author, and so its token, is gone."""

    async def get(self, article_id: int, *, actor: int) -> Article:
        """The article, which nobody else can change until the transaction ends.

        Raises `ArticleNotFound`, also where the actor may not read it, and without having held it then: neither
        the time that takes nor a lock tells of somebody else's draft.
        """

    async def save(self, article: Article) -> None:
        """Keep the changed article in place of what `get` gave."""

    async def remove(self, article_id: int) -> None:
        """Forget the article that `get` gave."""


class Transaction(Protocol):
    """A unit of work: `async with transaction() as tx: …`.

    Leaving the block keeps everything that was done in it, or, where an exception leaves it, nothing. Nobody
    outside sees a part of it, and nothing is visible before the block has ended. A transaction serves once.

    A refusal may end the transaction for good: to catch it inside and leave the block as if nothing had happened
    is `RuntimeError` where not everything else can be kept.
    """

    @property
    def users(self) -> Users: ...

    @property
    def articles(self) -> Articles: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


TransactionFactory = Callable[[], Transaction]


class PasswordHasher(Protocol):
    """Turns passwords into what may be stored, slowly, without holding up anybody else."""

    async def hash(self, password: Password) -> str:
        """A salted hash that names its scheme. Raises `Unavailable` where too many are waiting."""

    async def verify(self, password: Password, password_hash: str | None) -> bool:
        """Whether the hash was made of this password.

        Without a hash the answer is no, after the same time, so that the time does not tell whether a user exists.
        Raises `Unavailable` where too many are waiting.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A bearer token (RFC 6750)."""

    access_token: str
    expires_in: int
    """Seconds until the token stops being accepted."""


class AccessTokens(Protocol):
    """Signs tokens for users and reads them back."""

    def issue(self, user_id: int) -> AccessToken:
        """A new token for the user."""

    def subject(self, token: str) -> int:
        """The id of the user the token was issued for. Raises `InvalidToken`."""


class Readiness(Protocol):
    """Whether what is kept can be reached."""

    async def check(self) -> None:
        """Raises `Unavailable`, which says why not."""

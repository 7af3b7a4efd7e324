"""What the use cases need from outside, as promises that an adapter keeps.

Every promise is checked by the contract suite against each adapter. Unless a method says otherwise, whatever an
adapter cannot do for the moment (a database that is away) is `Unavailable`. An id is positive and fits in 63 bits.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from blog.domain.articles import Article, Content, Rendition
from blog.domain.previews import Preview
from blog.domain.revisions import Change, Revision
from blog.domain.slugs import Slug
from blog.domain.users import NewPassword, Password, User, Username
from blog.domain.working_copies import WorkingCopy

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

    async def get_for_update(self, username: Username) -> User:
        """The user with this name, whom nobody else can change until the transaction ends. Raises `UserNotFound`."""

    async def save(self, user: User) -> None:
        """Keep the changed user in place of what `get_for_update` gave."""

    async def remove(self, user_id: int, *, at: datetime) -> None:
        """Forget the user and all that it wrote.

        Slugs that were public at that moment stay taken. Raises `UserNotFound`.
        """


class Articles(Protocol):
    """The articles and their revisions, within one transaction."""

    async def next_id(self) -> int:
        """An id that no article has, had or will be given again, whether or not the transaction succeeds."""

    async def reserve(self, article: Article, *, at: datetime) -> Slug:
        """The slug of an article that is out, or the same with a number behind it where it is taken.

        It is this article's from then on, for ever. Taken is what another has, or had while it was out, also where
        it came out by itself since it was saved. What is to come takes nothing: nobody learns of it. Two that ask at
        once are given two.
        """

    async def add(self, article: Article, revision: Revision) -> None:
        """Keep a new article and its first revision. Raises `InvalidToken` where its author is gone."""

    async def get(self, article_id: int, *, actor: int, at: datetime) -> Article:
        """The article, which nobody else can change until the transaction ends.

        One that came out by itself since it was saved has taken its address by then: its slug, or, where another
        was out with that before it, its slug with its id behind. `has_working_copy` says whether there is one.

        Raises `ArticleNotFound`, also where the actor may not read it at that moment, and without having held it
        then: neither the time that takes nor a lock tells of what is hidden.
        """

    async def look(self, article_id: int, *, actor: int, at: datetime) -> Article:
        """The article as it was saved, without holding it. Raises as `get` does."""

    async def save(self, article: Article, revision: Revision) -> None:
        """Keep the changed article in place of what `get` gave, and add the revision."""

    async def remove(self, article_id: int) -> None:
        """Forget the article that `get` gave and all that belongs to it, but for its slugs: they stay taken."""

    async def revision(self, article_id: int, version: int) -> Revision:
        """What the article was. Raises `RevisionNotFound`."""

    async def changes(self, article_id: int, *, skip: int, limit: int) -> Sequence[Change]:
        """At most `limit` changes after the first `skip`, the newest first."""


class WorkingCopies(Protocol):
    """The working copies of articles that were got, within one transaction."""

    async def get(self, article_id: int) -> WorkingCopy:
        """The working copy. Raises `WorkingCopyNotFound`."""

    async def save(self, copy: WorkingCopy) -> None:
        """Keep the copy, in place of the one before if there is one."""

    async def remove(self, article_id: int) -> None:
        """Forget the copy. Raises `WorkingCopyNotFound`."""


class Previews(Protocol):
    """The previews of articles, within one transaction."""

    async def add(self, preview: Preview) -> None:
        """Keep a new preview, and forget those of its article that have expired when it begins."""

    async def of(self, article_id: int, *, at: datetime) -> Sequence[Preview]:
        """The previews of an article that have not expired, the newest first."""

    async def remove(self, article_id: int, preview_id: int) -> None:
        """Forget the preview. Raises `PreviewNotFound`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a request was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """By what a request is known when it comes again (the header Idempotency-Key, an IETF draft).

    `fingerprint` tells whether it is the same request; the others whose it is.
    """

    caller: int
    route: str
    key: str
    fingerprint: bytes


class Replies(Protocol):
    """The replies that were given, within one transaction."""

    async def claim(self, request: RequestKey, *, since: datetime) -> Reply | None:
        """The reply that was given to this request at that moment or later; or nobody else gives one until the end.

        Comes first in a transaction, and once. Raises `StillRunning` where another transaction has the claim, unless
        there is to be seen that it has replied; at once, also where transactions wait for each other otherwise.
        Raises `KeyReused` where the reply was to another request with the same key, `InvalidToken` where the caller
        is gone.
        """

    async def keep(self, request: RequestKey, reply: Reply, *, at: datetime) -> None:
        """Remember the reply to the request that was claimed. Raises `InvalidToken` where the caller is gone."""


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

    @property
    def working_copies(self) -> WorkingCopies: ...

    @property
    def previews(self) -> Previews: ...

    @property
    def replies(self) -> Replies: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


TransactionFactory = Callable[[], AbstractAsyncContextManager[Transaction]]


class PasswordHasher(Protocol):
    """Turns passwords into what may be stored, slowly, without holding up anybody else.

    Where several wait, they take turns by `client`, which is the address that a password came from: one that sends
    many waits for its own. It is given where the use cases are given one, and so is `known`. Raises `Unavailable`
    where too many are waiting.
    """

    async def hash(self, password: Password, *, client: str = "") -> str:
        """A salted hash that names its scheme."""

    async def verify(
        self, password: Password, password_hash: str | None, *, client: str = "", known: bool = False
    ) -> bool:
        """Whether the hash was made of this password.

        Without a hash the answer is no, after the same time, so that the time does not tell whether a user exists.
        Clients that are `known` have places of their own to wait in, which others cannot fill.
        """


class PasswordBlocklist(Protocol):
    """Passwords that are guessed before others."""

    def __contains__(self, password: NewPassword) -> bool:
        """Whether the password is one of them, in whatever case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginAttempt:
    """Whose password is tried, and from where."""

    account: str
    """The name, folded, whether or not there is such a user."""
    client: str
    """An address, or a network that one client has for itself."""


class LoginLimits(Protocol):
    """How often passwords may be tried, by `Failures` and `Familiar` of the domain, across all processes.

    An attempt counts as failed from the moment when it is admitted: many at the same time do not slip through.
    """

    async def admit(self, attempt: LoginAttempt) -> bool:
        """Count an attempt, and answer whether this client has signed in to this account within 30 days.

        Such a pair has tries of its own, and its failures count for nobody else. Raises `TooManyRequests`, and counts
        nothing then.
        """

    async def succeed(self, attempt: LoginAttempt, *, known: bool) -> None:
        """Take it back that the attempt counted as failed, forget the account's failures, and know the pair."""

    async def withdraw(self, attempt: LoginAttempt, *, known: bool) -> None:
        """Take it back that the attempt counted: the password was not looked at."""


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


class PreviewTokens(Protocol):
    """Signs the tokens of previews and reads them back."""

    def issue(self, preview: Preview) -> str:
        """A token that stands for the preview until it expires."""

    def read(self, token: str) -> int:
        """The id of the preview. Raises `PreviewNotFound`."""


class Markdown(Protocol):
    """Makes HTML of Markdown."""

    async def render(self, content: Content) -> Rendition:
        """What CommonMark makes of it, with tables, footnotes and fenced code; nothing in it can run.

        Off the event loop. Raises `TooHardToRender` where it takes too long.
        """


class Comparer(Protocol):
    """Compares revisions."""

    async def compare(self, before: Revision, after: Revision) -> str:
        """What `domain.revisions.compare` says of them.

        Off the event loop. Raises `TooHardToCompare` where it takes too long, and `Unavailable` where too many wait.
        """


Transliterate = Callable[[str], str]
"""ASCII that reads as the text does, as far as there is such a thing."""


class Readiness(Protocol):
    """Whether what is kept can be reached."""

    async def check(self) -> None:
        """Raises `Unavailable`, which says why not."""

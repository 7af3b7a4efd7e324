"""The kinds of refusal, and those that no noun owns.

A caller that shows errors to people maps the kinds once; the facts below them say what happened. `str(error)`
is one plain sentence that may be shown to whoever asked.
"""

from typing import ClassVar


class BlogError(Exception):
    """Something that was asked for is refused."""

    sentence: ClassVar[str] = "The request was refused."

    def __init__(self, sentence: str | None = None) -> None:
        super().__init__(sentence or self.sentence)


class Invalid(BlogError, ValueError):
    """A value breaks a rule of its own, whoever sends it and whatever is stored."""


class Unauthenticated(BlogError):
    """Nobody is known to be asking."""


class Forbidden(BlogError):
    """Whoever asks is known, and may not."""


class NotFound(BlogError):
    """There is no such thing, as far as whoever asks may know."""


class Moved(BlogError):
    """The thing has another name now. `to` is that name; ask again with it."""

    def __init__(self, sentence: str, *, to: str) -> None:
        super().__init__(sentence)
        self.to = to


class Conflict(BlogError):
    """What is stored already stands in the way."""


class Stale(BlogError):
    """What is to be changed was changed in the meantime. Nothing was done."""


class TooManyRequests(BlogError):
    """Whoever asks has done this too often lately (RFC 6585, section 4). Nothing was done."""

    sentence: ClassVar[str] = "Too many requests. Try again later."

    def __init__(self, sentence: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after
        """Seconds after which trying again makes sense."""


class Unavailable(BlogError):
    """Something the blog needs is away or overloaded; the same call may succeed later.

    After a write this does not promise that nothing was written: a connection that breaks during a commit
    leaves the outcome unknown.
    """

    sentence = "The service is unavailable for the moment. Try again shortly."
    retry_after: ClassVar[int] = 2
    """Seconds after which trying again makes sense."""

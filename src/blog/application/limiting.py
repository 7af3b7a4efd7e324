"""Trying passwords no more often than the rate limits admit."""

from types import TracebackType
from typing import Any, Self

from blog.application.ports import LoginAttempt, LoginLimits, PasswordHasher
from blog.domain.errors import Unavailable
from blog.domain.users import Password


class Trial:
    """An attempt to sign in: `async with Trial(…) as trial`, and in there `trial.verify(…)`.

    Entering raises `TooManyRequests`. Without limits, every attempt is admitted.
    """

    def __init__(self, hasher: PasswordHasher, limits: LoginLimits | None, *, account: str, client: str) -> None:
        self._hasher, self._limits = hasher, limits
        self._attempt = LoginAttempt(account=account, client=client)
        self._known = self._matches = False

    async def __aenter__(self) -> Self:
        if self._limits:
            self._known = await self._limits.admit(self._attempt)
        return self

    async def verify(self, password: Password, password_hash: str | None) -> bool:
        """Whether the hash was made of this password."""
        turn = turn_of(self._attempt.client, known=self._known)
        self._matches = await self._hasher.verify(password, password_hash, **turn)
        return self._matches

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._limits and self._matches:
            await self._limits.succeed(self._attempt, known=self._known)
        elif self._limits and isinstance(error, Unavailable):
            # The password was not looked at.
            await self._limits.withdraw(self._attempt, known=self._known)


def turn_of(client: str, **more: bool) -> dict[str, Any]:
    """What a hasher is told of a client; nothing of none, so that one without turns need not know of them."""
    return {"client": client, **more} if client else {}

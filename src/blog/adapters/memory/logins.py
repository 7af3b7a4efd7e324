"""How often passwords may be tried, counted in the memory of one process."""

from datetime import datetime

from blog.application.ports import Clock, LoginAttempt
from blog.domain.logins import Failures, Familiar, TooManyLogins


class MemoryLoginLimits:
    def __init__(self, now: Clock) -> None:
        self._now = now
        self._failures: dict[tuple[str, str], Failures] = {}
        self._familiar: dict[LoginAttempt, Familiar] = {}

    async def admit(self, attempt: LoginAttempt) -> bool:
        at = self._now()
        pair = self._familiar.get(attempt)
        if pair and pair.known(at):
            if (wait := pair.wait(at)).total_seconds() > 0:
                raise TooManyLogins.within(wait)
            self._familiar[attempt] = pair.attempt(at)
            return True
        # What has not failed yet did so for the last time so long ago that all of it is forgotten.
        counts = {key: self._failures.get(key, Failures(count=0, at=at)) for key in keys_of(attempt)}
        if (wait := max(failures.wait(at) for failures in counts.values())).total_seconds() > 0:
            raise TooManyLogins.within(wait)
        self._forget(at)
        self._failures |= {key: failures.fail(at) for key, failures in counts.items()}
        return False

    async def succeed(self, attempt: LoginAttempt, *, known: bool) -> None:
        at = self._now()
        if not known:
            await self.withdraw(attempt, known=False)
            self._failures.pop(("account", attempt.account), None)
        self._familiar[attempt] = Familiar(signed_in_at=at, tries=0, since=at)

    async def withdraw(self, attempt: LoginAttempt, *, known: bool) -> None:
        if known and (pair := self._familiar.get(attempt)):
            self._familiar[attempt] = pair.undo()
        elif not known:
            found = {key: self._failures[key] for key in keys_of(attempt) if key in self._failures}
            self._failures |= {key: failures.undo() for key, failures in found.items()}

    def _forget(self, at: datetime) -> None:
        """Keep nothing that no longer matters."""
        self._failures = {key: it for key, it in self._failures.items() if at - it.at < Failures.KEPT}
        self._familiar = {key: it for key, it in self._familiar.items() if it.known(at)}


def keys_of(attempt: LoginAttempt) -> list[tuple[str, str]]:
    return [("account", attempt.account), ("client", attempt.client)]

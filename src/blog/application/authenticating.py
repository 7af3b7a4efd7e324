"""Proving who is asking."""

from dataclasses import dataclass

from blog.application.limiting import Trial
from blog.application.ports import AccessToken, AccessTokens, LoginLimits, PasswordHasher, TransactionFactory
from blog.application.queries import AccountView, UserQueries
from blog.domain.errors import Invalid
from blog.domain.text import fold
from blog.domain.users import InvalidCredentials, InvalidToken, Password, User, Username, UserNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticating:
    """Logging in with a password, and being known by a token from then on. Without limits, as often as one likes."""

    transaction: TransactionFactory
    users: UserQueries
    hasher: PasswordHasher
    tokens: AccessTokens
    limits: LoginLimits | None = None

    async def log_in(self, *, username: str, password: Password, client: str = "") -> AccessToken:
        """A token for the user with this name and password, who asks from the address `client`.

        Spaces around the name are ignored, as keyboards of phones add them.

        Raises `InvalidCredentials`, after the same time whether the name or the password is wrong: a name that
        nobody could have is a name that nobody has. Raises `TooManyRequests` where too many were wrong, for whichever
        name, and `AccountDisabled` where both are right.
        """
        # Before anything is counted, or each way to add spaces would be another account to guess at.
        username = username.strip()
        async with Trial(self.hasher, self.limits, account=fold(username), client=client) as trial:
            user = await self._user_named(username)
            matches = await trial.verify(password, user.password_hash if user else None)
        if user is None or not matches:
            raise InvalidCredentials
        user.check_enabled()
        return self.tokens.issue(user.id)

    async def identify(self, token: str) -> AccountView:
        """The user whom the token was issued for. Raises `InvalidToken`, also once the user is gone or disabled."""
        try:
            return await self.users.account(self.tokens.subject(token))
        except UserNotFound:
            raise InvalidToken from None

    async def _user_named(self, username: str) -> User | None:
        try:
            name = Username(username)
            async with self.transaction() as tx:
                return await tx.users.named(name)
        except (Invalid, UserNotFound):
            return None

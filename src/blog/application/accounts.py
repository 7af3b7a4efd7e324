"""Having an account."""

from dataclasses import dataclass

from blog.application.limiting import Trial, turn_of
from blog.application.ports import Clock, LoginLimits, PasswordBlocklist, PasswordHasher, TransactionFactory
from blog.application.queries import AccountView
from blog.domain.users import (
    Email,
    InvalidToken,
    NewPassword,
    Password,
    PasswordIsCommon,
    User,
    Username,
    UserNotFound,
    WrongPassword,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Registering and leaving. Without a blocklist and without limits, every password may be chosen and tried."""

    transaction: TransactionFactory
    hasher: PasswordHasher
    now: Clock
    blocklist: PasswordBlocklist | None = None
    limits: LoginLimits | None = None

    async def register(
        self, *, email: Email, username: Username, password: NewPassword, client: str = ""
    ) -> AccountView:
        """Register a user. Raises `EmailTaken`, `UsernameTaken` or `WeakPassword`."""
        check_strength(password, username=username, email=email, blocklist=self.blocklist)
        password_hash = await self.hasher.hash(password, **turn_of(client))
        async with self.transaction() as tx:
            user = User.register(
                id=await tx.users.next_id(),
                email=email,
                username=username,
                password_hash=password_hash,
                at=self.now(),
            )
            await tx.users.add(user)
        return AccountView.of(user)

    async def delete(self, *, actor: int, password: Password, client: str = "") -> None:
        """Delete the actor's account and everything it wrote.

        Raises `WrongPassword`, `TooManyRequests` where that was tried too often, `InvalidToken` if it is gone.
        """
        try:
            async with self.transaction() as tx:
                user = await tx.users.get(actor)
            # Between two transactions, because hashing takes longer than a connection should be held.
            async with Trial(self.hasher, self.limits, account=user.username.key, client=client) as trial:
                matches = await trial.verify(password, user.password_hash)
            if not matches:
                raise WrongPassword
            async with self.transaction() as tx:
                await tx.users.remove(actor, at=self.now())
        except UserNotFound:
            raise InvalidToken from None


def check_strength(
    password: NewPassword, *, username: Username, email: Email, blocklist: PasswordBlocklist | None
) -> None:
    """Refuse a password that others would guess. Without a blocklist, every one will do. Raises `WeakPassword`."""
    if blocklist is None:
        return
    password.check_not_name(username=username, email=email)
    if password in blocklist:
        raise PasswordIsCommon

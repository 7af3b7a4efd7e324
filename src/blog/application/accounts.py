"""Having an account."""

from dataclasses import dataclass

from blog.application.ports import Clock, PasswordHasher, TransactionFactory
from blog.application.queries import AccountView
from blog.domain.users import (
    Email,
    InvalidToken,
    NewPassword,
    Password,
    User,
    Username,
    UserNotFound,
    WrongPassword,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Registering and leaving."""

    transaction: TransactionFactory
    hasher: PasswordHasher
    now: Clock

    async def register(self, *, email: Email, username: Username, password: NewPassword) -> AccountView:
        """Register a user. Raises `EmailTaken` or `UsernameTaken`."""
        password_hash = await self.hasher.hash(password)
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

    async def delete(self, *, actor: int, password: Password) -> None:
        """Delete the actor's account and everything it wrote. Raises `WrongPassword`, `InvalidToken` if gone."""
        try:
            async with self.transaction() as tx:
                user = await tx.users.get(actor)
            # Between two transactions, because hashing takes longer than a connection should be held.
            if not await self.hasher.verify(password, user.password_hash):
                raise WrongPassword
            async with self.transaction() as tx:
                await tx.users.remove(actor, at=self.now())
        except UserNotFound:
            raise InvalidToken from None

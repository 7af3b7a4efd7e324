"""Looking after the accounts of others, as whoever runs the blog does."""

from collections.abc import Callable
from dataclasses import dataclass

from blog.application.accounts import check_strength
from blog.application.ports import Clock, PasswordBlocklist, PasswordHasher, TransactionFactory
from blog.domain.users import NewPassword, User, Username


@dataclass(frozen=True, slots=True, kw_only=True)
class Administering:
    """Passwords, access and leaving of users by their names. Every method raises `UserNotFound`."""

    transaction: TransactionFactory
    hasher: PasswordHasher
    now: Clock
    blocklist: PasswordBlocklist | None = None

    async def change_password(self, username: Username, password: NewPassword) -> User:
        """Give the user another password. Raises `WeakPassword`."""
        async with self.transaction() as tx:
            user = await tx.users.named(username)
        check_strength(password, username=user.username, email=user.email, blocklist=self.blocklist)
        # Between two transactions, because hashing takes longer than a connection should be held.
        password_hash = await self.hasher.hash(password)
        return await self._change(username, lambda user: user.change_password(password_hash, at=self.now()))

    async def disable(self, username: Username) -> User:
        """Keep the user from signing in, and its tokens from being accepted. What it wrote stays."""
        return await self._change(username, lambda user: user.disable(at=self.now()))

    async def enable(self, username: Username) -> User:
        """Let a disabled user sign in again."""
        return await self._change(username, lambda user: user.enable(at=self.now()))

    async def delete(self, username: Username) -> None:
        """Delete the user and everything it wrote."""
        async with self.transaction() as tx:
            user = await tx.users.named(username)
            await tx.users.remove(user.id, at=self.now())

    async def _change(self, username: Username, change: Callable[[User], User]) -> User:
        async with self.transaction() as tx:
            user = change(await tx.users.get_for_update(username))
            await tx.users.save(user)
        return user

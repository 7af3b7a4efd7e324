"""Users as rows."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import Sequence as DatabaseSequence
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from blog.adapters.database.engine import Row, first
from blog.adapters.database.tables import SLUG, articles, came_out, slugs, users
from blog.adapters.database.unchecked import unchecked
from blog.domain.users import Email, EmailTaken, User, Username, UsernameTaken, UserNotFound

NEXT_ID = select(DatabaseSequence("users_id_seq").next_value())
BY_ID = select(users).where(users.c.id == bindparam("id"))
BY_NAME = select(users).where(users.c.username_key == bindparam("username_key"))
BY_NAME_FOR_UPDATE = BY_NAME.with_for_update()
ADD = insert(users)
# By the names of its columns, but for the one in the condition.
SAVE = (
    update(users)
    .where(users.c.id == bindparam("its_id"))
    .values(**{name: bindparam(name) for name in ("password_hash", "updated_at", "disabled_at")})
)
REMOVE = delete(users).where(users.c.id == bindparam("id")).returning(users.c.id)
LOCK = select(users.c.id).where(users.c.id == bindparam("id")).with_for_update()
# What came out by itself has been public, and stays taken.
SETTLE = (
    insert_or(slugs)
    .from_select(
        [slugs.c.slug, slugs.c.article_id],
        select(SLUG, articles.c.id).where(articles.c.author_id == bindparam("id"), came_out(articles)),
    )
    .on_conflict_do_nothing()
)

TAKEN = {"uq_users_email_key": EmailTaken, "uq_users_username_key": UsernameTaken}


class DatabaseUsers:
    def __init__(self, execute: Callable[..., Awaitable[Sequence[Row]]]) -> None:
        self._execute = execute

    async def next_id(self) -> int:
        return int((await self._execute(NEXT_ID))[0][0])

    async def add(self, user: User) -> None:
        try:
            await self._execute(ADD, row_of(user))
        except asyncpg.IntegrityConstraintViolationError as error:
            if taken := TAKEN.get(error.constraint_name or ""):
                raise taken from None
            raise

    async def get(self, user_id: int) -> User:
        return user_of(first(await self._execute(BY_ID, {"id": user_id})))

    async def named(self, username: Username) -> User:
        return user_of(first(await self._execute(BY_NAME, {"username_key": username.key})))

    async def get_for_update(self, username: Username) -> User:
        return user_of(first(await self._execute(BY_NAME_FOR_UPDATE, {"username_key": username.key})))

    async def save(self, user: User) -> None:
        await self._execute(SAVE, {"its_id": user.id, **row_of(user)})

    async def remove(self, user_id: int, *, at: datetime) -> None:
        # First the account, or articles could still be added to it.
        await self._execute(LOCK, {"id": user_id})
        await self._execute(SETTLE, {"id": user_id, "at": at})
        # Its articles go with it, by the foreign key.
        if not await self._execute(REMOVE, {"id": user_id}):
            raise UserNotFound


def row_of(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "email_key": user.email.key,
        "username": user.username,
        "username_key": user.username.key,
        "password_hash": user.password_hash,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
        "disabled_at": user.disabled_at,
    }


def user_of(row: Row | None) -> User:
    if row is None:
        raise UserNotFound
    return User(
        id=row.id,
        email=unchecked(Email, row.email),
        username=unchecked(Username, row.username),
        password_hash=row.password_hash,
        created_at=row.created_at,
        updated_at=row.updated_at,
        disabled_at=row.disabled_at,
    )

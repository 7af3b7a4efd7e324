"""Databases as tests look at them and change them, past the blog."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from blog.adapters.database.schema import Schema
from tests.integration.conftest import aside

T = TypeVar("T")


async def run(url: URL, work: Callable[[Connection], T]) -> T:
    """Do some work on a connection, and commit it."""
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


async def query(url: URL, statement: str) -> list[Any]:
    """The first column of what a statement finds."""
    return await run(url, lambda connection: list(connection.execute(text(statement)).scalars()))


async def can_connect(url: URL) -> bool:
    try:
        await query(url, "SELECT 1")
    except (DBAPIError, OSError):
        return False
    return True


async def execute(url: URL, *statements: str) -> None:
    def work(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    await run(url, work)


def upgrade(url: URL, revision: str = "head") -> None:
    aside(lambda: Schema().upgrade(url, revision))


def downgrade(url: URL, revision: str = "-1") -> list[str]:
    """Take migrations back; the answer is what was said of it."""
    heard: list[str] = []
    aside(lambda: Schema().downgrade(url, revision, say=heard.append))
    return heard

"""Changing what is kept."""

import asyncio
from types import TracebackType
from typing import Any, Self

from sqlalchemy import CursorResult, Executable
from sqlalchemy.ext.asyncio import AsyncConnection

from blog.adapters.database.articles import DatabaseArticles
from blog.adapters.database.engine import Database, naming_errors
from blog.adapters.database.previews import DatabasePreviews
from blog.adapters.database.replies import DatabaseReplies
from blog.adapters.database.users import DatabaseUsers
from blog.adapters.database.working_copies import DatabaseWorkingCopies
from blog.domain.errors import Unavailable


class DatabaseTransaction:
    """One transaction of PostgreSQL on a connection of its own, at its default isolation (read committed)."""

    def __init__(self, database: Database) -> None:
        self._work_on(database.engine.connect())

    def _work_on(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._aborted = False
        self.users = DatabaseUsers(self.execute)
        self.articles = DatabaseArticles(self.execute)
        self.working_copies = DatabaseWorkingCopies(self.execute)
        self.previews = DatabasePreviews(self.execute)
        self.replies = DatabaseReplies(self.execute)

    async def __aenter__(self) -> Self:
        with naming_errors():
            await self._connection.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # Cancelling a commit would leave nobody knowing whether it happened, and a connection in the middle
            # of it.
            await asyncio.shield(self._end(keep=kind is None and not self._aborted))
        except Unavailable:
            # Where nothing is to be kept, a connection that breaks does as well: what left the block says why.
            if kind is None:
                raise
        if kind is None and self._aborted:
            # PostgreSQL answers COMMIT with a rollback then, and with no error.
            raise RuntimeError("A refusal was kept from leaving its transaction, of which nothing is kept.")

    async def _end(self, *, keep: bool) -> None:
        with naming_errors():
            try:
                if keep:
                    await self._connection.commit()
            finally:
                # Closing rolls back whatever was not committed.
                await self._connection.close()

    async def execute(self, statement: Executable, parameters: dict[str, Any] | None = None) -> CursorResult[Any]:
        """Run one statement of the transaction. Raises `Unavailable`."""
        try:
            with naming_errors():
                return await self._connection.execute(statement, parameters)
        except BaseException:
            # A statement that was cancelled half-way leaves a connection nobody should go on with, too.
            self._aborted = True
            raise


class JoinedTransaction(DatabaseTransaction):
    """A part of a transaction that an embedding service began and will end.

    Leaving the block keeps nothing by itself: what was done in it stays or goes with the whole. An exception undoes
    this part alone (a savepoint), so that the service may answer a refusal and go on.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._work_on(connection)

    async def __aenter__(self) -> Self:
        with naming_errors():
            self._savepoint = await self._connection.begin_nested()
        return self

    async def _end(self, *, keep: bool) -> None:
        with naming_errors():
            await (self._savepoint.commit() if keep else self._savepoint.rollback())

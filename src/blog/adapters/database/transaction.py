"""Changing what is kept."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Executable

from blog.adapters.database.articles import DatabaseArticles
from blog.adapters.database.engine import Database, Row, prepare, translate_errors
from blog.adapters.database.pool import Connection
from blog.adapters.database.previews import DatabasePreviews
from blog.adapters.database.replies import DatabaseReplies
from blog.adapters.database.users import DatabaseUsers
from blog.adapters.database.working_copies import DatabaseWorkingCopies
from blog.domain.errors import Unavailable


class DatabaseTransaction:
    """One transaction of PostgreSQL on a connection of its own, at its default isolation (read committed).

    One that only reads (`writing=False`) does not wait for a connection behind those that write.
    """

    def __init__(self, database: Database, *, writing: bool = True) -> None:
        self._database, self._writing = database, writing

    def _work_on(self, connection: Connection) -> None:
        self._connection = connection
        self._aborted = False
        self.users = DatabaseUsers(self.execute)
        self.articles = DatabaseArticles(self.execute)
        self.working_copies = DatabaseWorkingCopies(self.execute)
        self.previews = DatabasePreviews(self.execute)
        self.replies = DatabaseReplies(self.execute)

    async def __aenter__(self) -> Self:
        self._work_on(await self._database.acquire(writing=self._writing))
        try:
            with translate_errors():
                await self._connection.execute("BEGIN" if self._writing else "BEGIN READ ONLY")
        except BaseException:
            self._database.release(self._connection, broken=True)
            raise
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
        broken = True
        try:
            with translate_errors():
                await self._connection.execute("COMMIT" if keep else "ROLLBACK")
            broken = False
        finally:
            self._database.release(self._connection, broken=broken)

    async def execute(self, statement: Executable, parameters: dict[str, Any] | None = None) -> Sequence[Row]:
        """The rows of one statement of the transaction. Raises `Unavailable`."""
        sql, arguments = prepare(statement, parameters or {})
        try:
            with translate_errors():
                rows: Sequence[Row] = await self._connection.fetch(sql, *arguments)
                return rows
        except BaseException:
            # A statement that was cancelled half-way leaves a connection nobody should go on with, too.
            self._aborted = True
            raise


class JoinedTransaction(DatabaseTransaction):
    """A part of a transaction that an embedding service began on a connection of asyncpg, and will end.

    Leaving the block keeps nothing by itself: what was done in it stays or goes with the whole. An exception undoes
    this part alone (a savepoint), so that the service may answer a refusal and go on.
    """

    def __init__(self, connection: Connection) -> None:
        self._work_on(connection)

    async def __aenter__(self) -> Self:
        with translate_errors():
            await self._connection.execute("SAVEPOINT blog")
        return self

    async def _end(self, *, keep: bool) -> None:
        with translate_errors():
            await self._connection.execute(f"{'' if keep else 'ROLLBACK TO SAVEPOINT blog; '}RELEASE SAVEPOINT blog")

"""Where SQL is run, and where what can go wrong on the way gets its name.

Statements are written with SQLAlchemy, compiled once each, and run by asyncpg, which keeps them prepared.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, Executable, Insert
from sqlalchemy.dialects.postgresql import asyncpg as dialects
from sqlalchemy.exc import DBAPIError

from blog.domain.errors import Unavailable

# SQLSTATE classes and codes (PostgreSQL, appendix A) by which the server says "not now": connection exceptions,
# insufficient resources, operator intervention (a shutdown, a cancelled statement), a lock that was not to be had,
# a rollback for somebody else's sake, a session that idled too long, a standby that cannot write yet, a disk
# that failed.
_NOT_NOW = ("08", "53", "57", "55P03", "40001", "40P01", "25P03", "25P04", "25006", "58030")

DIALECT = dialects.dialect()  # type: ignore[no-untyped-call]
Connection = Any
"""A connection of asyncpg, which has no types."""

log = logging.getLogger("blog.sql")


class Row(asyncpg.Record):  # type: ignore[misc]
    """A row, whose columns are attributes, too."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass(frozen=True, slots=True)
class Compiled:
    """A statement as PostgreSQL takes it, and what its places stand for."""

    sql: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]

    def arguments(self, given: Mapping[str, Any]) -> list[Any]:
        """A value for each place. Raises `KeyError` where one is missing."""
        return [given[name] if name in given else self.constants[name] for name in self.names]


@lru_cache(2048)
def compiled(statement: Executable, columns: tuple[str, ...] | None) -> Compiled:
    """What a statement is in SQL; `columns` are those that an INSERT is given."""
    made: Any = statement.compile(dialect=DIALECT, column_keys=columns)  # type: ignore[attr-defined]
    names = tuple(made.positiontup or ())
    constants = {name: bind.value for name, bind in made.binds.items() if name in names and not bind.required}
    return Compiled(str(made), names, constants)


def first(rows: Sequence[Row]) -> Row | None:
    """The only row, if there is one."""
    return rows[0] if rows else None


def prepare(statement: Executable, given: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """A statement and its arguments, as asyncpg takes them."""
    by_columns = isinstance(statement, Insert) and statement.select is None and not statement._values
    made = compiled(statement, tuple(given) if by_columns else None)
    return made.sql, made.arguments(given)


class Database:
    """A pool of connections to one PostgreSQL.

    `timeout` is the most seconds that connecting, waiting for a free connection or a statement may take, each.
    `prepared` is whether statements are kept prepared from one transaction to the next, as poolers that hand each
    transaction another connection do not bear.
    """

    def __init__(self, url: URL, *, pool_size: int, timeout: float, prepared: bool = True) -> None:
        _, address = DIALECT.create_connect_args(url)  # type: ignore[no-untyped-call]
        milliseconds = str(int(timeout * 1000))
        self.size, self._timeout, self._prepared = pool_size, timeout, prepared
        self._pool: Any = None
        self._settings = address | {
            "min_size": 0,
            "max_size": pool_size,
            "timeout": timeout,
            # The server's deadline comes first; this one is for a server that has gone silent.
            "command_timeout": timeout + 1,
            "record_class": Row,
            "init": _listen,
            # A transaction leaves nothing on its connection, and to ask for that is another round trip.
            "reset": _leave,
            "max_inactive_connection_lifetime": 0,
            **({} if prepared else {"statement_cache_size": 0}),
            "server_settings": {
                "application_name": "blog",
                "statement_timeout": milliseconds,
                "lock_timeout": milliseconds,
                "idle_in_transaction_session_timeout": milliseconds,
                "timezone": "UTC",
                # How near a title has to be in spelling to be found where no word is.
                "pg_trgm.word_similarity_threshold": "0.45",
            },
        }

    async def read(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Row]:
        """The rows of one statement that changes nothing. Every read runs through here. Raises `Unavailable`.

        Without a transaction around it, it is one round trip.
        """
        sql, arguments = prepare(statement, parameters)
        connection = await self.acquire()
        try:
            with naming_errors():
                # What is prepared for this time alone must not be run on another connection.
                async with nullcontext() if self._prepared else connection.transaction(readonly=True):
                    rows: Sequence[Row] = await connection.fetch(sql, *arguments)
                return rows
        finally:
            await self.release(connection)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """A connection of asyncpg, to be given back as it was. Raises `Unavailable`."""
        connection = await self.acquire()
        try:
            yield connection
        finally:
            await self.release(connection)

    async def acquire(self) -> Connection:
        """A connection, which has to be released. Raises `Unavailable`."""
        with naming_errors():
            if self._pool is None:
                # Here, because a pool belongs to an event loop. It connects when somebody needs it to.
                self._pool = await asyncpg.create_pool(**self._settings)
            # One that is there is had at once, and a deadline would cost more than it.
            return await self._pool.acquire(timeout=None if self._pool.get_idle_size() else self._timeout)

    async def release(self, connection: Connection) -> None:
        """Give a connection back; one that is broken is replaced."""
        with naming_errors():
            await connection._holder._pool.release(connection, timeout=self._timeout)

    async def close(self) -> None:
        """Close every connection, once it is given back, and soon in any case."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(self._timeout):
                await pool.close()
        except TimeoutError:
            pool.terminate()


async def _leave(_: Connection) -> None:
    """Leave a connection as it is."""


async def _listen(connection: Connection) -> None:
    """Have the log hear of each statement, where it wants to: not of what is in it."""
    if log.isEnabledFor(logging.DEBUG):
        connection.add_query_logger(lambda said: log.debug("%s", said.query))


@contextmanager
def naming_errors() -> Iterator[None]:
    """Turn a database that is away, full or overloaded into `Unavailable`, and leave any other fault alone."""
    try:
        yield
    except asyncpg.InterfaceError as error:
        # What asyncpg says of a connection that has closed, which goes back to the pool then, and of nothing else.
        if not re.search("closed|closing|released", str(error)):
            raise
        raise Unavailable from error
    except (asyncpg.PostgresError, DBAPIError) as error:
        if sqlstate(error).startswith(_NOT_NOW):
            raise Unavailable from error
        raise
    except (OSError, TimeoutError, asyncpg.InternalClientError) as error:
        # The last is a connection that ended just when something was asked on it.
        raise Unavailable from error


def sqlstate(error: BaseException) -> str:
    """The five characters by which PostgreSQL names an error, or nothing."""
    return str(getattr(getattr(error, "orig", error), "sqlstate", None) or "")

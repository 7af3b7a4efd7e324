"""Where SQL is run, and where what can go wrong on the way gets its name.

Statements are written with SQLAlchemy, compiled once each, and run by asyncpg, which keeps them prepared.
"""

import asyncio
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
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
    """Connections to one PostgreSQL, at most `pool_size`, of which the one that was used last is used next.

    `timeout` is the most seconds that connecting, waiting for a free connection or a statement may take, each.
    `prepared` is whether statements are kept prepared from one transaction to the next, as poolers that hand each
    transaction another connection do not bear.

    The pool is not asyncpg's, which takes twice as long over lending a connection as it takes to read an article.
    """

    def __init__(self, url: URL, *, pool_size: int, timeout: float, prepared: bool = True) -> None:
        _, address = DIALECT.create_connect_args(url)  # type: ignore[no-untyped-call]
        milliseconds = str(int(timeout * 1000))
        self.size, self._timeout, self._prepared = pool_size, timeout, prepared
        self._turns = asyncio.Semaphore(pool_size)
        self.connections: set[Connection] = set()
        self._free: list[Connection] = []
        self._settings = address | {
            "timeout": timeout,
            # The server's deadline comes first; this one is for a server that has gone silent.
            "command_timeout": timeout + 1,
            "record_class": Row,
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
        async with self.connect() as connection:
            with naming_errors():
                # What is prepared for this time alone must not be run on another connection.
                async with nullcontext() if self._prepared else connection.transaction(readonly=True):
                    rows: Sequence[Row] = await connection.fetch(sql, *arguments)
                return rows

    async def write(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Row]:
        """The rows of one statement that is a transaction of its own. Raises `Unavailable`.

        It is one round trip, as reading is.
        """
        sql, arguments = prepare(statement, parameters)
        async with self.connect() as connection:
            with naming_errors():
                async with nullcontext() if self._prepared else connection.transaction():
                    rows: Sequence[Row] = await connection.fetch(sql, *arguments)
                return rows

    def connect(self) -> "Lent":
        """A connection of asyncpg for a while: `async with`. Raises `Unavailable`."""
        return Lent(self)

    async def acquire(self) -> Connection:
        """A connection, which has to be released. Raises `Unavailable`."""
        with naming_errors():
            if self._turns.locked():
                async with asyncio.timeout(self._timeout):
                    await self._turns.acquire()
            else:
                await self._turns.acquire()
            try:
                while self._free:
                    if not (connection := self._free.pop()).is_closed():
                        return connection
                    self.connections.discard(connection)
                connection = await asyncpg.connect(**self._settings)
            except BaseException:
                self._turns.release()
                raise
            self.connections.add(connection)
            if log.isEnabledFor(logging.DEBUG):
                # Of each statement, and not of what is in it.
                connection.add_query_logger(lambda said: log.debug("%s", said.query))
            return connection

    def release(self, connection: Connection, *, broken: bool = False) -> None:
        """Give a connection back. One that is broken, or in the middle of something, is not used again."""
        if connection not in self.connections:  # It was lent before `close`.
            connection.terminate()
            return
        if broken or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
            self.connections.discard(connection)
        else:
            self._free.append(connection)
        self._turns.release()

    async def close(self) -> None:
        """Close every connection, once it is given back, and soon in any case."""
        try:
            async with asyncio.timeout(self._timeout):
                for _ in range(self.size):
                    await self._turns.acquire()
                for connection in self.connections:
                    await connection.close()
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            for connection in self.connections:
                connection.terminate()
        self._turns, self.connections, self._free = asyncio.Semaphore(self.size), set(), []


class Lent:
    """A connection for a while."""

    __slots__ = ("_connection", "_database")

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __aenter__(self) -> Connection:
        self._connection = await self._database.acquire()
        return self._connection

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Whoever is cancelled, or has waited for too long, may leave a statement behind that is still running.
        broken = kind is not None and (issubclass(kind, Unavailable) or not issubclass(kind, Exception))
        self._database.release(self._connection, broken=broken)


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

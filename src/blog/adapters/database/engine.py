"""Where SQL is run, and where what can go wrong on the way gets its name.

Statements are written with SQLAlchemy, compiled once each, and run by asyncpg, which keeps them prepared.
"""

import asyncio
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, Executable, Insert, func, select
from sqlalchemy.dialects.postgresql import asyncpg as dialects
from sqlalchemy.exc import DBAPIError

from blog.adapters.database.pool import IDLE_SECONDS, Connection, ConnectionPool
from blog.domain.errors import Unavailable

# SQLSTATE classes and codes (PostgreSQL, appendix A) by which the server says "not now": connection exceptions,
# insufficient resources, operator intervention (a shutdown, a cancelled statement), a lock that was not to be had,
# a rollback for somebody else's sake, a session that idled too long, a standby that cannot write yet, a disk
# that failed. And by which it says "not you": a user or a password that is refused, a database that is not there, a
# privilege that is missing, tables that are not there or in a schema that this user may not use. An operator changes
# those while the service runs.
_NOT_NOW = (
    *("08", "53", "57", "55P03", "40001", "40P01", "25P03", "25P04", "25006", "58030"),
    *("28", "3D000", "42501", "42P01"),
)

DIALECT = dialects.dialect()  # type: ignore[no-untyped-call]
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


SESSION: Mapping[str, str] = {
    "application_name": "blog",
    "timezone": "UTC",
    # How near a title has to be in spelling to be found where no word is.
    "pg_trgm.word_similarity_threshold": "0.45",
}
_TIME = select(func.clock_timestamp())
TIMEOUTS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
"""What a session is told besides, each in milliseconds."""


class UnknownParameter(Unavailable):
    """A pooler refuses a parameter of the session."""

    def __init__(self, name: str) -> None:
        # Those that PgBouncer knows by itself need no mention.
        others = ",".join(sorted({name, *TIMEOUTS, *SESSION} - {"application_name", "timezone"}))
        super().__init__(
            f"The pooler refuses the parameter {name}. In PgBouncer's configuration, set "
            f'ignore_startup_parameters = {others}; "PgBouncer" in docs/operating.md says what takes their place.'
        )


class Database(ConnectionPool):
    """One PostgreSQL, at most `pool_size` connections to it, and one more for what must not wait.

    `timeout` is the most seconds that having a connection or running a statement may take, each. `writes` is how many
    of the connections transactions may hold; by default all but a fifth. `prepared` is whether statements are kept
    prepared from one transaction to the next, as poolers that hand each transaction another connection do not bear.
    """

    def __init__(
        self,
        url: URL,
        *,
        pool_size: int,
        timeout: float,
        writes: int | None = None,
        prepared: bool = True,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        writes = pool_size - pool_size // 5 if writes is None else writes
        super().__init__(size=pool_size, writes=writes, timeout=timeout, idle_seconds=idle_seconds)
        _, address = DIALECT.create_connect_args(url)  # type: ignore[no-untyped-call]
        self._prepared = prepared
        self._kept: Connection | None = None
        self._turn = asyncio.Lock()
        self._settings = address | {
            "timeout": timeout,
            # The server's deadline comes first; this one is for a server that has gone silent.
            "command_timeout": timeout + 1,
            "record_class": Row,
            **({} if prepared else {"statement_cache_size": 0}),
            "server_settings": {**dict.fromkeys(TIMEOUTS, str(int(timeout * 1000))), **SESSION},
        }

    async def read(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Row]:
        """The rows of one statement that changes nothing. Every read runs through here. Raises `Unavailable`.

        Without a transaction around it, it is one round trip.
        """
        sql, arguments = prepare(statement, parameters)
        async with self.connect() as connection:
            return await self._fetch(connection, sql, arguments)

    async def write(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Row]:
        """The rows of one statement that is a transaction of its own. Raises `Unavailable`.

        It is one round trip, as reading is.
        """
        sql, arguments = prepare(statement, parameters)
        async with self.connect(writing=True) as connection:
            with translate_errors():
                async with nullcontext() if self._prepared else connection.transaction():
                    rows: Sequence[Row] = await connection.fetch(sql, *arguments)
                return rows

    async def read_soon(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Row]:
        """The same for what must not wait behind requests: on a free connection, or else on the one that is kept."""
        if (connection := self.take()) is None:
            return await self.read_kept(statement, parameters)
        sql, arguments = prepare(statement, parameters)
        async with ConnectionLease(self, connection) as leased:
            return await self._fetch(leased, sql, arguments)

    async def read_kept(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Row]:
        """The same on the connection that is kept, and opened where there is none. Raises `Unavailable`."""
        sql, arguments = prepare(statement, parameters)
        turn = self._turn
        with translate_errors():
            async with asyncio.timeout(self.timeout):
                await turn.acquire()
        try:
            if self._kept is None or self._kept.is_closed():
                with translate_errors():
                    self._kept = await self.open()
            return await self._fetch(self._kept, sql, arguments)
        except Unavailable as error:
            self._drop_kept()
            if not isinstance(error.__cause__, asyncpg.TooManyConnectionsError):
                raise
        except asyncio.CancelledError:
            self._drop_kept()
            raise
        finally:
            turn.release()
        return await self.read(statement, parameters)

    async def time(self) -> datetime:
        """What PostgreSQL's clock says. Raises `Unavailable`."""
        ((moment,),) = await self.read_kept(_TIME, {})
        assert isinstance(moment, datetime)  # noqa: S101 - that is its type
        return moment

    def _drop_kept(self) -> None:
        if self._kept:
            self._kept.terminate()
            self._kept = None

    async def _fetch(self, connection: Connection, sql: str, arguments: list[Any]) -> Sequence[Row]:
        with translate_errors():
            # What is prepared for this time alone must not be run on another connection.
            async with nullcontext() if self._prepared else connection.transaction(readonly=True):
                rows: Sequence[Row] = await connection.fetch(sql, *arguments)
            return rows

    def connect(self, *, writing: bool = False) -> "ConnectionLease":
        """A connection of asyncpg for a while: `async with`. Raises `Unavailable`."""
        return ConnectionLease(self, writing=writing)

    async def acquire(self, *, writing: bool = False) -> Connection:
        """A connection, which has to be released. Raises `Unavailable`."""
        with translate_errors():
            return await self.obtain(writing=writing)

    async def open(self) -> Connection:
        connection = await asyncpg.connect(**self._settings)
        if log.isEnabledFor(logging.DEBUG):
            # Of each statement, and not of what is in it.
            connection.add_query_logger(lambda said: log.debug("%s", said.query))
        return connection

    async def close(self) -> None:
        """Close every connection, once it is given back, and soon in any case."""
        self._drop_kept()
        self._turn = asyncio.Lock()
        await super().close()


class ConnectionLease:
    """A connection for a while."""

    __slots__ = ("_connection", "_database", "_writing")

    def __init__(self, database: Database, connection: Connection | None = None, *, writing: bool = False) -> None:
        self._database, self._connection, self._writing = database, connection, writing

    async def __aenter__(self) -> Connection:
        if self._connection is None:
            self._connection = await self._database.acquire(writing=self._writing)
        return self._connection

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Whoever is cancelled, or has waited for too long, may leave a statement behind that is still running.
        broken = kind is not None and (issubclass(kind, Unavailable) or not issubclass(kind, Exception))
        self._database.release(self._connection, broken=broken)
        self._connection = None


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn a database that is away, full, overloaded or closed to us into `Unavailable`. Leave other faults alone."""
    try:
        yield
    except asyncpg.InterfaceError as error:
        # What asyncpg says of a connection that has closed, which goes back to the pool then, and of nothing else.
        if not re.search("closed|closing|released", str(error)):
            raise
        raise Unavailable from error
    except (asyncpg.PostgresError, DBAPIError) as error:
        if not sqlstate(error).startswith(_NOT_NOW):
            raise
        if refused := re.search("unsupported startup parameter: ([^\\s'\"]+)", str(error)):
            raise UnknownParameter(refused[1]) from error
        raise Unavailable from error
    except (OSError, TimeoutError, asyncpg.InternalClientError) as error:
        # The last is a connection that ended just when something was asked on it.
        raise Unavailable from error


def sqlstate(error: BaseException) -> str:
    """The five characters by which PostgreSQL names an error, or nothing."""
    return str(getattr(getattr(error, "orig", error), "sqlstate", None) or "")

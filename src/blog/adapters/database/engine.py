"""Where SQL is run, and where what can go wrong on the way gets its name."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Executable, Row, event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine

from blog.domain.errors import Unavailable

# SQLSTATE classes and codes (PostgreSQL, appendix A) by which the server says "not now": connection exceptions,
# insufficient resources, operator intervention (a shutdown, a cancelled statement), a lock that was not to be had,
# a rollback for somebody else's sake, a session that idled too long, a standby that cannot write yet, a disk
# that failed.
_NOT_NOW = ("08", "53", "57", "55P03", "40001", "40P01", "25P03", "25P04", "25006", "58030")


class Database:
    """A pool of connections to one PostgreSQL.

    `timeout` is the most seconds that connecting, waiting for a free connection or a statement may take, each.
    """

    def __init__(self, url: URL, *, pool_size: int, timeout: float) -> None:
        milliseconds = str(int(timeout * 1000))
        self.engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=timeout,
            # An error's text ends in the log, where addresses and hashes have no place.
            hide_parameters=True,
            connect_args={
                "timeout": timeout,
                # The server's deadline comes first; this one is for a server that has gone silent.
                "command_timeout": timeout + 1,
                "server_settings": {
                    "application_name": "blog",
                    "statement_timeout": milliseconds,
                    "lock_timeout": milliseconds,
                    "idle_in_transaction_session_timeout": milliseconds,
                    "timezone": "UTC",
                    # How near a title has to be in spelling to be found where no word is.
                    "pg_trgm.word_similarity_threshold": "0.45",
                },
            },
        )
        # A connection that the server has closed, as on a restart, is replaced before a statement is lost to it.
        event.listen(self.engine.sync_engine, "checkout", refuse_closed)
        # A read is one statement: without a transaction around it, it is also one round trip.
        self._reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    async def read(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Row[Any]]:
        """The rows of one statement that changes nothing. Every read runs through here. Raises `Unavailable`."""
        with naming_errors():
            async with self._reading.connect() as connection:
                return (await connection.execute(statement, parameters)).all()

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def refuse_closed(connection: Any, *_: object) -> None:  # noqa: ANN401
    """Have the pool connect anew where the server has closed a connection.

    The connection hears of it by itself. Asking the server each time, as `pool_pre_ping` does, takes three round
    trips with asyncpg: the beginning of a transaction, an empty statement and the end.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


@contextmanager
def naming_errors() -> Iterator[None]:
    """Turn a database that is away, full or overloaded into `Unavailable`, and leave any other fault alone."""
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated or sqlstate(error).startswith(_NOT_NOW):
            raise Unavailable from error
        raise
    except (OSError, TimeoutError, PoolTimeoutError) as error:
        raise Unavailable from error


def sqlstate(error: DBAPIError) -> str:
    """The five characters by which PostgreSQL names an error, or nothing."""
    return str(getattr(error.orig, "sqlstate", None) or "")


def violated_constraint(error: DBAPIError) -> str | None:
    """The name of the constraint that a statement broke."""
    cause = error.orig.__cause__ if error.orig else None
    return getattr(cause, "constraint_name", None)

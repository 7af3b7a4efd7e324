"""How migrations are run, by `blog db` and by Alembic's own command from a clone.

Each migration is a transaction of its own, so that one may build its indexes outside of it. Two upgrades that run at
the same time apply each migration once.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from alembic import context
from sqlalchemy import URL, Connection, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from blog.adapters.database.engine import sqlstate
from blog.adapters.database.schema import ENCODING, SERVER_ENCODING, WrongEncoding
from blog.adapters.database.tables import metadata

# Any number, as long as it stays the same: it names the lock among a database's advisory locks.
LOCK = 0x_B106_0000
PATIENCE_SECONDS = 60
LOCK_NOT_AVAILABLE, TOO_MANY_CONNECTIONS = "55P03", "53300"
# A migration that waits for a table makes every later reader of it wait too. So it soon gives up, lets them pass and
# asks again.
LOCK_TIMEOUT, PAUSE_SECONDS = "1s", 0.5


def migrate(connection: Connection) -> None:
    """Apply what was asked for. After a lock time-out, go on with the first migration that was not committed."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with context.begin_transaction():
                context.run_migrations()
        except DBAPIError as error:
            if sqlstate(error) != LOCK_NOT_AVAILABLE or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return


async def hold_lock(connection: AsyncConnection) -> None:
    """Wait until no other upgrade runs, and keep the next one waiting until this connection closes.

    It asks in short transactions, because an index that is built CONCURRENTLY waits for every long one. The lock is
    one of a transaction and not of a session, because a pooler may give each transaction another session.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            await connection.execute(text("SET LOCAL lock_timeout = '200ms'"))
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            # Comes last: until the next statement PostgreSQL keeps the snapshot of a SELECT, which a build of an
            # index CONCURRENTLY would wait for.
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        except DBAPIError as error:
            await connection.rollback()
            if sqlstate(error) != LOCK_NOT_AVAILABLE or time.monotonic() > deadline:
                raise
        else:
            return


def pooled(engine: AsyncEngine) -> None:
    """Have nothing outlive its transaction, because a pooler may give each transaction another session.

    So the lock time-out is one of each transaction and not of the session, whose parameters a pooler refuses or
    ignores. And nothing is asked about the types of JSON, outside of any transaction: no migration reads them.
    """

    async def nothing(_: object) -> None:
        """Leave the connection as it is."""

    def limit(connection: Connection) -> None:
        cursor = connection.connection.cursor()
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        cursor.close()

    dialect: Any = engine.dialect
    dialect.setup_asyncpg_json_codec = dialect.setup_asyncpg_jsonb_codec = nothing
    event.listen(engine.sync_engine, "begin", limit)


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection, once PostgreSQL has room for it: services give back soon what they do not use."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            connection = await engine.connect()
        except DBAPIError as error:
            if sqlstate(error) != TOO_MANY_CONNECTIONS or time.monotonic() > deadline:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            break
    try:
        yield connection
    finally:
        await connection.close()


async def connect(url: URL, *, prepared: bool, encoding: str | None) -> None:
    """Run the migrations on a connection of their own, if the database has this encoding."""
    unprepared: dict[str, Any] = {
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        # A name may be another's on the session that the pooler gives next.
        "prepared_statement_name_func": lambda: "",
    }
    engine = create_async_engine(
        url,
        poolclass=NullPool,
        # A transaction that keeps its snapshot, as the others do, would be waited for by the index that this very
        # program builds CONCURRENTLY.
        isolation_level="READ COMMITTED",
        connect_args={
            "timeout": 10,
            **({"server_settings": {"lock_timeout": LOCK_TIMEOUT}} if prepared else unprepared),
        },
    )
    if not prepared:
        pooled(engine)
    try:
        async with connected(engine) as guard, connected(engine) as connection:
            found = (await guard.execute(SERVER_ENCODING)).scalar_one()
            if encoding and found != encoding:
                raise WrongEncoding(found)
            await hold_lock(guard)
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


def main() -> None:
    """Find the database and migrate it."""
    attributes = context.config.attributes
    if url := attributes.get("url"):
        asyncio.run(connect(url, prepared=attributes["prepared"], encoding=attributes.get("encoding")))
        return
    # Only here: an embedding service that names its database has no use for a container and settings.
    from blog.container import running_database
    from blog.settings import Settings

    with running_database(Settings.load(), say=context.config.print_stdout) as settings:
        if settings.database_url:
            prepared = attributes["prepared"] = settings.database_prepared_statements
            asyncio.run(connect(settings.database_url, prepared=prepared, encoding=ENCODING))


main()

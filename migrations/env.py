"""How migrations are run, by `blog db` and by Alembic's own command from a clone.

Each migration is a transaction of its own, so that one may build its indexes outside of it. Two upgrades that run at
the same time apply each migration once.
"""

import asyncio
import time

from alembic import context
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from blog.adapters.database.engine import sqlstate
from blog.adapters.database.tables import metadata

# Any number, as long as it stays the same: it names the lock among a database's advisory locks.
LOCK = 0x_B106_0000
PATIENCE_SECONDS = 60
LOCK_NOT_AVAILABLE = "55P03"
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


async def connect(url: URL) -> None:
    """Run the migrations on a connection of their own."""
    engine = create_async_engine(
        url,
        poolclass=NullPool,
        # A transaction that keeps its snapshot, as the others do, would be waited for by the index that this very
        # program builds CONCURRENTLY.
        isolation_level="READ COMMITTED",
        connect_args={"timeout": 10, "server_settings": {"lock_timeout": LOCK_TIMEOUT}},
    )
    try:
        async with engine.connect() as guard, engine.connect() as connection:
            await hold_lock(guard)
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


def main() -> None:
    """Find the database and migrate it."""
    if url := context.config.attributes.get("url"):
        asyncio.run(connect(url))
        return
    # Only here: an embedding service that names its database has no use for a container and settings.
    from blog.container import running_database
    from blog.settings import Settings

    with running_database(Settings.load(), say=context.config.print_stdout) as settings:
        if settings.database_url:
            asyncio.run(connect(settings.database_url))


main()

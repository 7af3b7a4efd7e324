"""How migrations are run, by `blog db` and by Alembic's own command from a clone.

All that one call applies is one transaction, under a lock: two upgrades at once apply once.
"""

import asyncio

from alembic import context
from sqlalchemy import URL, Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from blog.adapters.database.tables import metadata

# Any number, as long as it stays the same: it names the lock among a database's advisory locks.
LOCK = 0x_B106_0000
LOCK_SECONDS = 60


def migrate(connection: Connection) -> None:
    """Apply what was asked for."""
    context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
    with context.begin_transaction():
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        # A migration that waits for a table makes everybody after it wait too, so it gives up soon.
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        context.run_migrations()


async def connect(url: URL) -> None:
    """Run the migrations on a connection of their own."""
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": 10})
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
            await connection.commit()
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

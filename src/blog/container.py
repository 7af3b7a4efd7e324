"""Which adapter stands behind which port. The only file that knows dependency-injector."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from anyascii import anyascii
from dependency_injector import containers, providers
from sqlalchemy import make_url

from blog.adapters.common_passwords import CommonPasswords
from blog.adapters.comparing import PooledComparer
from blog.adapters.database import (
    Database,
    DatabaseArticleQueries,
    DatabaseLoginLimits,
    DatabaseTransaction,
    DatabaseUserQueries,
    backups,
)
from blog.adapters.database.clocks import ClockWatch
from blog.adapters.database.inspection import Room, room
from blog.adapters.database.programs import BackupError, PostgresPrograms
from blog.adapters.database.schema import DatabaseReadiness, NoSuchRevision, Schema, SchemaBehind, SchemaState
from blog.adapters.embedded_postgres import (
    CONNECTIONS,
    EmbeddedPostgresError,
    embedded_postgres,
    program_folders,
)
from blog.adapters.markdown import RustMarkdown
from blog.adapters.memory import (
    MemoryArticleQueries,
    MemoryLoginLimits,
    MemoryReadiness,
    MemoryStore,
    MemoryTransaction,
    MemoryUserQueries,
)
from blog.adapters.passwords import BcryptHasher
from blog.adapters.tokens import LEEWAY, JwtAccessTokens, JwtPreviewTokens
from blog.application.accounts import Accounts
from blog.application.administering import Administering
from blog.application.authenticating import Authenticating
from blog.application.blog import Blog
from blog.application.previewing import Previewing
from blog.application.publishing import Publishing
from blog.application.remembering import Remembering
from blog.application.revising import Revising
from blog.application.reworking import Reworking
from blog.settings import Settings

__all__ = [
    "CONNECTIONS",
    "BackupError",
    "Container",
    "EmbeddedPostgresError",
    "NoSuchRevision",
    "SchemaBehind",
    "SchemaState",
    "backups",
    "check_encoding",
    "check_version",
    "close",
    "current_database",
    "in_memory",
    "postgres_programs",
    "room_for_connections",
    "running_database",
    "schema_faults",
    "schema_state",
    "watch",
]


T = TypeVar("T")


def utc_now() -> datetime:
    return datetime.now(UTC)


class Container(containers.DeclarativeContainer):
    """A blog over PostgreSQL. Every part is made when it is first asked for, once."""

    settings = providers.Dependency(instance_of=Settings)
    now = providers.Object(utc_now)

    database = providers.Singleton(
        Database,
        settings.provided.database_url,
        pool_size=settings.provided.connections_for_requests,
        writes=settings.provided.connections_for_writes,
        timeout=settings.provided.database_timeout_seconds,
        prepared=settings.provided.database_prepared_statements,
    )
    schema = providers.Singleton(Schema)
    clocks = providers.Singleton(ClockWatch, database, now=now, tolerated=LEEWAY)
    readiness = providers.Singleton(DatabaseReadiness, database, schema, clocks)
    transaction = providers.Factory(DatabaseTransaction, database)
    reading = providers.Factory(DatabaseTransaction, database, writing=False)
    article_queries = providers.Singleton(DatabaseArticleQueries, database, now)
    user_queries = providers.Singleton(DatabaseUserQueries, database)

    hasher = providers.Singleton(BcryptHasher)
    tokens = providers.Singleton(
        JwtAccessTokens,
        key=settings.provided.secret_key,
        previous=settings.provided.secret_key_previous,
        algorithm=settings.provided.algorithm,
        lifetime=providers.Factory(timedelta, minutes=settings.provided.access_token_expire_minutes),
        now=now,
    )

    preview_tokens = providers.Singleton(
        JwtPreviewTokens,
        key=settings.provided.secret_key,
        previous=settings.provided.secret_key_previous,
        algorithm=settings.provided.algorithm,
    )
    markdown = providers.Singleton(RustMarkdown)
    comparer = providers.Singleton(PooledComparer)

    blocklist = providers.Singleton(CommonPasswords)
    blocklist_in_use = providers.Callable(
        lambda on, blocklist: blocklist if on else None, settings.provided.password_blocklist, blocklist
    )
    login_limits = providers.Singleton(DatabaseLoginLimits, database, now, key=settings.provided.secret_key)
    limits_in_use = providers.Callable(
        lambda on, limits: limits if on else None, settings.provided.rate_limits, login_limits
    )

    accounts = providers.Singleton(
        Accounts,
        transaction=transaction.provider,
        hasher=hasher,
        now=now,
        blocklist=blocklist_in_use,
        limits=limits_in_use,
    )
    administering = providers.Singleton(
        Administering, transaction=transaction.provider, hasher=hasher, now=now, blocklist=blocklist_in_use
    )
    authenticating = providers.Singleton(
        Authenticating,
        transaction=transaction.provider,
        users=user_queries,
        hasher=hasher,
        tokens=tokens,
        limits=limits_in_use,
    )
    publishing = providers.Singleton(
        Publishing,
        transaction=transaction.provider,
        markdown=markdown,
        now=now,
        transliterate=providers.Object(anyascii),
    )
    revising = providers.Singleton(
        Revising,
        transaction=transaction.provider,
        reading=reading.provider,
        markdown=markdown,
        comparer=comparer,
        now=now,
    )
    reworking = providers.Singleton(
        Reworking, transaction=transaction.provider, reading=reading.provider, markdown=markdown, now=now
    )
    previewing = providers.Singleton(
        Previewing,
        transaction=transaction.provider,
        reading=reading.provider,
        articles=article_queries,
        tokens=preview_tokens,
        now=now,
    )
    remembering = providers.Singleton(Remembering, transaction=transaction.provider, now=now)
    blog = providers.Singleton(
        Blog,
        accounts=accounts,
        authenticating=authenticating,
        publishing=publishing,
        revising=revising,
        reworking=reworking,
        previewing=previewing,
        remembering=remembering,
        article_queries=article_queries,
        user_queries=user_queries,
        readiness=readiness,
        now=now,
    )


def in_memory(settings: Settings) -> Container:
    """The same blog, kept in the memory of the process."""
    container = Container(settings=settings)
    # An attribute of the container, so that resetting its singletons empties the blog.
    container.store = store = providers.Singleton(MemoryStore)
    container.readiness.override(providers.Singleton(MemoryReadiness))
    container.transaction.override(providers.Factory(MemoryTransaction, store))
    container.reading.override(providers.Factory(MemoryTransaction, store))
    container.article_queries.override(providers.Singleton(MemoryArticleQueries, store, container.now))
    container.login_limits.override(providers.Singleton(MemoryLoginLimits, container.now))
    container.user_queries.override(providers.Singleton(MemoryUserQueries, store))
    return container


async def close(container: Container) -> None:
    """Let go of what a container holds: threads and connections."""
    container.hasher().close()
    container.markdown().close()
    container.comparer().close()
    if container.settings().database_url:
        await container.database().close()


@contextmanager
def running_database(
    settings: Settings,
    *,
    say: Callable[[str], None],
    lost: Callable[[EmbeddedPostgresError], None] | None = None,
) -> Iterator[Settings]:
    """The settings with the address of a database that runs: the one that is set, or the blog's own.

    Its own is started where no other process has, and stopped on leaving. With `lost` it is taken over from another
    process that stops; a thread calls `lost` if it cannot be. Raises `EmbeddedPostgresError`.
    """
    if settings.database_url is not None:
        yield settings
        return
    with embedded_postgres(settings.data_folder, say=say, lost=lost) as url, _without_libpq_variables():
        yield replace(settings, database_url=make_url(url))


@contextmanager
def _without_libpq_variables() -> Iterator[None]:
    """Forget PGSERVICE, PGSSLMODE and so on, which speak of another server than the blog's own."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PG")}
    try:
        yield
    finally:
        os.environ.update(kept)


@contextmanager
def current_database(
    settings: Settings,
    *,
    say: Callable[[str], None],
    lost: Callable[[EmbeddedPostgresError], None] | None = None,
) -> Iterator[Settings]:
    """The settings of a database that runs, as `running_database` gives them, and that has every migration.

    The blog's own is upgraded. Raises `SchemaBehind` where a configured one lacks migrations, `WrongEncoding` where
    it is not in UTF-8, and `Unavailable`.
    """
    its_own = settings.database_url is None
    with running_database(settings, say=say, lost=lost) as running:
        container = Container(settings=running)
        if not its_own:
            check_encoding(container)
        state = schema_state(container)
        if state is SchemaState.BEHIND and not its_own:
            raise SchemaBehind
        if state is SchemaState.BEHIND:
            say("Bringing the database up to date …")
            container.schema().upgrade(running.database_url, say=say)
        elif state is SchemaState.AHEAD:
            say("The database was migrated by a newer version of this program; going on with what is known here.")
        yield running


async def watch(container: Container) -> None:
    """What a process does all the time beside its requests: compare its clock with that of the database."""
    if container.settings().database_url:
        await container.clocks().watch()


def check_encoding(container: Container) -> None:
    """Refuse a database that is not in UTF-8. Blocks. Raises `WrongEncoding`, and `Unavailable`."""
    _ask_schema(container, lambda schema, database: schema.check_encoding(database))


def room_for_connections(container: Container) -> Room:
    """How many connections the container's database has for it. Blocks. Raises `Unavailable`."""
    return _ask_schema(container, lambda _, database: room(database))


def schema_state(container: Container) -> SchemaState:
    """How the schema of the container's database stands. Blocks. Raises `Unavailable`."""
    return _ask_schema(container, lambda schema, database: schema.state(database))


def schema_faults(container: Container) -> list[str]:
    """What keeps the container's database from working as its migrations make it. Blocks. Raises `Unavailable`."""
    return _ask_schema(container, lambda schema, database: schema.faults(database))


def check_version(container: Container) -> None:
    """Refuse a database that is behind and cannot be upgraded, with the reason. Blocks. Raises `Unavailable`."""
    _ask_schema(container, lambda schema, database: schema.check_version(database))


def _ask_schema(container: Container, question: Callable[[Schema, Database], Awaitable[T]]) -> T:
    async def answer() -> T:
        database = container.database()
        try:
            return await question(container.schema(), database)
        finally:
            await database.close()

    return asyncio.run(answer())


def postgres_programs(settings: Settings, *, its_own: bool) -> PostgresPrograms:
    """PostgreSQL's programs for the database in use, whose address the settings have by now.

    For the blog's own, those that run it come first; for another, the system's, because a wheel's know no TLS.
    """
    folders = program_folders()
    if not its_own:
        folders.sort(key=lambda folder: "site-packages" in folder.parts)
    assert settings.database_url is not None  # noqa: S101 - it runs
    return PostgresPrograms(settings.database_url, folders)

"""Readers and writers go on while a database is upgraded."""

import asyncio
import shutil
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from blog.adapters.database import schema
from blog.adapters.database.schema import Schema
from tests.integration.databases import execute, query, upgrade

IN_USE = "0004"
"""From this revision on, no upgrade stops readers or writers."""

ROWS = 2000
PATIENCE = 60.0  # seconds
WHILE_SECONDS = 5
"""The limit of a statement in the service, by default."""

ADD = (
    "INSERT INTO articles (title, content, tags, content_html, excerpt, word_count, tag_keys, author_id, slug,"
    " featured, version, edition, text_version, created_at, updated_at)"
    " SELECT 'Title ' || n, 'Some words ' || n, '{{}}', '', '', 2, '{{}}', id, 'slug-' || n,"
    " false, 1, '1-a', 1, now(), now() FROM users, generate_series({first}, {last}) AS n"
)


@pytest.fixture
async def used(empty: URL) -> URL:
    """A database of an earlier version, with articles."""
    upgrade(empty, IN_USE)
    await execute(
        empty,
        "INSERT INTO users (email, email_key, username, username_key, password_hash, created_at, updated_at)"
        " VALUES ('ada@x', 'ada@x', 'Ada', 'ada', 'hash', now(), now())",
        ADD.format(first=1, last=ROWS),
    )
    return empty


class Upgrade(threading.Thread):
    """An upgrade that runs beside the test."""

    def __init__(self, url: URL) -> None:
        super().__init__(daemon=True)
        self._url = url
        self.failure: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            Schema().upgrade(self._url)
        except BaseException as failure:  # shown by `ends`
            self.failure = failure

    async def ends(self) -> None:
        await asyncio.to_thread(self.join, PATIENCE)
        assert not self.is_alive(), "The upgrade does not end."
        assert self.failure is None


@asynccontextmanager
async def transaction(url: URL, statement: str) -> AsyncIterator[None]:
    """A transaction of somebody who has run a statement and is in no hurry."""
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text(statement))
        yield
    await engine.dispose()


async def becomes_true(url: URL, question: str, upgrading: Upgrade) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await query(url, question):
        assert upgrading.is_alive(), f"The upgrade has ended: {upgrading.failure}"
        assert time.monotonic() < deadline, question
        await asyncio.sleep(0.02)


async def read_and_write(url: URL, number: int) -> None:
    """What readers and writers do. Whoever waits for longer than a while fails."""
    limit = f"SET statement_timeout = '{WHILE_SECONDS}s'"
    await execute(url, limit, "SELECT count(*) FROM articles WHERE search @@ 'words'::tsquery")
    await execute(url, limit, ADD.format(first=ROWS + number, last=ROWS + number))
    await execute(url, limit, f"UPDATE articles SET title = 'Changed' WHERE id = {number}")  # noqa: S608


async def test_they_go_on_while_an_index_waits_to_be_built(used: URL) -> None:
    async with transaction(used, "UPDATE articles SET title = 'Slow' WHERE id = 1"):
        upgrading = Upgrade(used)
        # It waits for the slow writer, and for as long as that takes.
        await becomes_true(used, "SELECT 1 FROM pg_stat_progress_create_index", upgrading)
        for number in range(1, 4):
            await read_and_write(used, number + 1)
        assert upgrading.is_alive()
        searched = "SELECT count(*) FROM articles WHERE search @@ 'slow'::tsquery"
        assert await query(used, searched) == [0]
    await upgrading.ends()
    assert await query(used, "SELECT version_num FROM alembic_version") == [Schema().head]
    assert await query(used, "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid") == []


async def test_they_go_on_while_a_lock_is_not_to_be_had(
    used: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(used)
    folder = shutil.copytree(schema.PACKAGE.parents[1] / "migrations", tmp_path / "migrations")
    (folder / "versions" / "9999_more.py").write_text(
        '"""One more column."""\nimport sqlalchemy as sa\nfrom alembic import op\n'
        f'revision, down_revision = "9999", {Schema().head!r}\n'
        'def upgrade() -> None: op.add_column("articles", sa.Column("more", sa.Text))\n'
    )
    monkeypatch.setattr(schema, "PACKAGE", tmp_path)
    # A reader who has begun and does not end keeps the upgrade from the lock that altering a table needs. Everybody
    # who comes after the upgrade waits behind it.
    async with transaction(used, "SELECT count(*) FROM articles"):
        upgrading = Upgrade(used)
        for number in range(1, 4):
            waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE%'"
            await becomes_true(used, waiting, upgrading)
            await read_and_write(used, number + 1)
        assert upgrading.is_alive()
    await upgrading.ends()
    assert await query(used, "SELECT version_num FROM alembic_version") == ["9999"]


async def test_an_interrupted_build_begins_again(used: URL) -> None:
    # What an interrupted CREATE INDEX CONCURRENTLY leaves behind.
    await execute(used, "CREATE INDEX ix_articles_search_new ON articles (id)")
    upgrade(used)
    definition = "SELECT indexdef FROM pg_indexes WHERE indexname LIKE 'ix_articles_search%'"
    (index,) = await query(used, definition)
    assert "gin (search, (ARRAY[(id >> 13)]))" in index


def test_later_migrations_build_indexes_while_tables_are_used() -> None:
    migrations = ScriptDirectory.from_config(Schema().config()).walk_revisions(IN_USE, "head")
    for migration in migrations:
        if migration.revision > IN_USE:
            source = Path(migration.path).read_text(encoding="utf-8")
            assert "op.create_index" not in source, f"{migration.revision}: call build_index, as CONTRIBUTING says."
            assert "op.drop_index" not in source, (
                f"{migration.revision}: call drop_index or replace_index, as CONTRIBUTING says."
            )

"""The migrations: up and down over rows, against the tables that the code knows, and by whichever command."""

import asyncio
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, inspect, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from blog.adapters.database import Database, schema
from blog.adapters.database.schema import Schema, SchemaBehind, SchemaState
from blog.adapters.database.tables import metadata
from blog.application.queries import Include
from blog.container import Container
from blog.domain.articles import ArticleNotFound, Content
from blog.domain.slugs import Slug
from blog.entrypoints.http.app import build
from blog.settings import Settings
from tests.builders import Clock
from tests.integration.conftest import aside
from tests.integration.databases import downgrade, execute, query, run, upgrade
from tests.support import KEY

CLONE = Path(__file__).parents[2]
CODE = CLONE / "src" / "blog" / "adapters" / "database"
SCRIPTS = ScriptDirectory.from_config(Schema().config())
REVISIONS = list(SCRIPTS.walk_revisions())[::-1]

# What each migration was when it landed. Databases have applied it, and will not again.
LANDED = {
    "0001": "1dfa5da96ac08f74825d3ea8b69e243810cd1673b5d364071411d3245db51f70",
    "0002": "ce7583da87bb6910f4aed23b1cd0bffa40956da031fc0b271c732afc5700b734",
    "0003": "87113acf89663aa917ffd0d14ea02a15088972a67bf2b09b7d23ff3e94ea8891",
    "0004": "53e540725009e107a86988430a71baa1036f64c62fbeca3252974434d4bddbb0",
    "0005": "541b639384c3d0ac7caca298ff29ee65bf13285bf3ae1f19f84484a471deb6e8",
    "0006": "08098a4ee71a9fedd6e01dd8fdf5e1ef81b681670765f55563d4abc06c5205c6",
    "0007": "8b91759d1d7a43cb5ea4a520ec9a9239713d4de670cf6e06c5e27c50829c9c35",
    "0008": "8e779b7f8ba1ad594a0efa5f5e7f454cc82323fc6f01eb6b5504f7b3b295887f",
    "0009": "19b316b91ca3bb42bcff7b9ccfe464e7560fbb708ea12e3f2dcba1fd8ee57228",
    "0010": "05721d7f90f897201abc81ab69bc9d0e1b9b4cc87bbdd16f79efc32b8d40f765",
    "0011": "229e6252fee45c2b5de8fae7bc177e1c0f36592164f3c5cfb43068ce2478aea2",
}

# Rows for each revision, over which the later ones are applied: at least one in every table that it makes.
ROWS: dict[str, list[str]] = {
    "0001": [
        "INSERT INTO users (email, email_key, username, username_key, password_hash, created_at, updated_at)"
        " VALUES ('Ada@x', 'ada@x', 'Ada', 'ada', 'hash', now(), now())",
        "INSERT INTO articles (title, content, published, author_id, created_at, updated_at)"
        " SELECT 'Title', 'Content', true, id, now(), now() FROM users",
    ],
    "0002": [
        "INSERT INTO articles (title, content, tags, content_html, excerpt, word_count, tag_keys, author_id, slug,"
        " featured, publish_at, version, edition, text_version, created_at, updated_at)"
        " SELECT 'Later', 'Content', '{Tag}', '<p>', '', 1, '{tag}', id, 'later', true, now() + '1 day', 1, '1-a', 1,"
        " now(), now() FROM users",
        "INSERT INTO working_copies (article_id, based_on, title, content, tags, content_html, excerpt, word_count,"
        " version, edition, updated_at)"
        " SELECT id, 1, 'New', 'Content', '{}', '<p>', '', 1, 1, '1-b', now() FROM articles",
        "INSERT INTO previews (id, article_id, of, created_at, expires_at)"
        " SELECT id, id, 'article', now(), now() FROM articles",
        "INSERT INTO replies (caller, route, key, fingerprint, status, headers, body, at)"
        " SELECT id, 'POST /articles', 'key', '', 201, '{}', '', now() FROM users",
    ],
    "0003": ["UPDATE articles SET language = 'en-GB'"],
    "0007": [
        "UPDATE users SET disabled_at = now()",
        "INSERT INTO login_failures (key, count, at) VALUES ('client', 5, now())",
        "INSERT INTO login_pairs (key, signed_in_at, tries, since) VALUES ('pair', now(), 5, now())",
    ],
}

# Everything that a schema is made of, a line each.
SCHEMA = """
WITH tables AS (
    SELECT oid, relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND relname <> 'alembic_version'
)
SELECT concat_ws(' ', 'column', relname, attname, format_type(atttypid, atttypmod), attnotnull, attidentity::text,
                 pg_get_expr(adbin, adrelid))
FROM tables JOIN pg_attribute ON attrelid = oid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attnum > 0 AND NOT attisdropped
UNION ALL
SELECT concat_ws(' ', 'constraint', relname, conname, pg_get_constraintdef(pg_constraint.oid))
FROM tables JOIN pg_constraint ON conrelid = tables.oid
UNION ALL
SELECT 'trigger ' || pg_get_triggerdef(pg_trigger.oid)
FROM tables JOIN pg_trigger ON tgrelid = tables.oid WHERE NOT tgisinternal
UNION ALL
SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'
UNION ALL
SELECT 'sequence ' || sequencename FROM pg_sequences WHERE schemaname = 'public'
UNION ALL
SELECT 'type ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
UNION ALL
SELECT 'function ' || pg_proc.oid::regprocedure FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""


async def schema_of(url: URL) -> set[str]:
    return set(await query(url, SCHEMA))


def alembic(url: URL, *arguments: str) -> subprocess.Popen[str]:
    """Alembic's own command, as it is run in a clone."""
    settings = {this.name.upper() for this in fields(Settings)}
    environment = {name: value for name, value in os.environ.items() if name not in settings}
    environment |= {"DATABASE_URL": url.render_as_string(hide_password=False), "SECRET_KEY": KEY}
    return subprocess.Popen(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=CLONE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(command: subprocess.Popen[str]) -> str:
    """What the command said, once it has ended well."""
    output, _ = command.communicate(timeout=60)
    assert command.returncode == 0, output
    return output


def test_a_migration_that_landed_is_never_edited() -> None:
    landed = {
        revision.revision: hashlib.sha256(Path(revision.path).read_bytes()).hexdigest() for revision in REVISIONS
    }
    assert landed == LANDED, (
        "Databases that have applied a migration will not apply it again. If you edited one, put it back and write "
        "a new one: alembic revision --rev-id … -m '…'. If you wrote a new one and it lands with this change, add it "
        f"to LANDED: {landed}"
    )


def test_files_tell_the_ids_of_the_migrations_in_their_order() -> None:
    ids = [revision.revision for revision in REVISIONS]
    files = [Path(revision.path).name.partition("_")[0] for revision in REVISIONS]
    assert files == ids == sorted(ids), "Migrations are numbered: alembic revision --rev-id 0006 -m '…'"
    assert Schema().head == ids[-1]


async def test_up_and_down_and_up_again_with_rows(empty: URL) -> None:
    before: dict[str, set[str]] = {}
    for revision in REVISIONS:
        before[revision.revision] = await schema_of(empty)
        upgrade(empty, revision.revision)
        await execute(empty, *ROWS.get(revision.revision, ()))
        tables = await run(empty, lambda connection: inspect(connection).get_table_names())
        bare = [table for table in tables if not await query(empty, f"SELECT 1 FROM {table} LIMIT 1")]  # noqa: S608
        assert bare == [], f"Add rows for these tables to ROWS[{revision.revision!r}]."

    for revision in reversed(REVISIONS):
        after = await schema_of(empty)
        downgrade(empty)
        assert await schema_of(empty) == before[revision.revision]
        upgrade(empty, revision.revision)
        assert await schema_of(empty) == after
        downgrade(empty)
    assert await query(empty, "SELECT * FROM alembic_version") == []

    upgrade(empty)
    assert await query(empty, "SELECT * FROM alembic_version") == [Schema().head]


TITLES = [
    "On engines",
    "Ünïcode & Straße!",
    "Под снегом",
    "42",
    "…",
    "new",
    "-a--b-",
    "x" * 200,
    "x" * 79 + " y",
    "İIK\u0131\u212a",
    "Title",
    "Title",
]


async def test_what_was_written_before_there_were_slugs_is_found_as_it_was(
    empty: URL, behind: Container, clock: Clock
) -> None:
    upgrade(empty, "0001")
    await execute(empty, ROWS["0001"][0])
    for number, title in enumerate(TITLES):
        await execute(
            empty,
            "INSERT INTO articles (title, content, published, author_id, created_at, updated_at)"  # noqa: S608
            f" SELECT '{title}', E'\\n<b>Some</b> \\n\\n words & more\\n', {number % 3 > 0}, id,"
            f" timestamptz '2020-01-01' + {number} * interval '1 day', '2021-01-01' FROM users",
        )
    (author,) = await query(empty, "SELECT id FROM users")
    before = await query(empty, "SELECT published FROM articles ORDER BY id")
    clock.moment = datetime.now(UTC)

    for _ in range(2):
        upgrade(empty)
        queries = behind.article_queries()
        everything = (await queries.page(viewer=author, skip=0, limit=100)).articles[::-1]
        assert [article.title for article in everything] == TITLES
        assert [article.published for article in everything] == before
        assert len({article.slug for article in everything}) == len(TITLES)
        public = (await queries.page(viewer=None, skip=0, limit=100)).articles[::-1]
        assert [article.id for article in public] == [article.id for article in everything if article.published]
        for article in everything:
            assert Slug(article.slug).endswith(f"-{article.id}")
            assert article.published_at == article.publish_at == (article.created_at if article.published else None)
            assert (article.summary, article.excerpt) == (None, "<b>Some</b> words & more")
            assert article.word_count == 4
            assert (article.tags, article.featured, article.version) == ([], False, 1)
            shown = await queries.get(article.id, viewer=author, include=[Include.CONTENT_HTML])
            assert shown.content_html == "<pre>\n&lt;b&gt;Some&lt;/b&gt; \n\n words &amp; more\n</pre>"
            async with behind.transaction() as tx:
                kept = await tx.articles.get(article.id, actor=author, at=clock())
                revision = await tx.articles.revision(article.id, 1)
            assert revision.manuscript == kept.manuscript
            assert (revision.by, revision.at, revision.changed) == (author, article.updated_at, ())
            if article.published:
                assert (await queries.get(Slug(article.slug), viewer=None)).id == article.id
            else:
                with pytest.raises(ArticleNotFound):
                    await queries.get(Slug(article.slug), viewer=None)
        downgrade(empty, "0001")
        assert await query(empty, "SELECT published FROM articles ORDER BY id") == before

    # Whoever goes on with it goes on as with any other.
    upgrade(empty)
    publishing = behind.publishing()
    for article in everything:
        edited = await publishing.edit(actor=author, article=article.id, content=Content("*New*"), published=True)
        assert (edited.slug, edited.version) == (article.slug, 2)
        assert (await queries.get(Slug(edited.slug), viewer=None)).excerpt == "New"


async def test_a_summary_that_was_derived_is_derived_again_and_one_of_its_authors_stays(empty: URL) -> None:
    upgrade(empty, "0007")
    await execute(empty, *ROWS["0001"][:1])
    texts = [
        ("Derived.", "Derived.", "Derived. More"),
        ("Of its own.", "Derived.", "Derived. More"),
        (None, "Derived.", "Derived. More"),
    ] * 400  # which takes several parts
    for table, key, extra in (
        (
            "articles (id, slug, featured, tag_keys, author_id, text_version, created_at, edition, content_html,"
            " word_count, updated_at, version, tags, title, summary, excerpt, content)",
            "n, 's', false, '{}', users.id, 1, now(), '1-a', '', 1, now(), 2, '{}', 't'",
            "summary, excerpt, content",
        ),
        (
            "working_copies (article_id, based_on, edition, content_html, word_count, updated_at, version, tags,"
            " title, summary, excerpt, content)",
            "n, 1, '1-a', '', 1, now(), 2, '{}', 't'",
            "summary, excerpt, content",
        ),
        (
            "revisions (article_id, version, by, at, changed, tags, title, summary, content)",
            "n, 1, 1, now(), '{}', '{}', 't'",
            "summary, content",
        ),
        (
            "revisions (article_id, version, by, at, changed, tags, title, summary, content)",
            "n, 2, 1, now(), '{}', '{}', 't'",
            "summary, 'Derived. Otherwise'",
        ),
    ):
        rows = ", ".join(
            f"({n}, {'NULL' if s is None else repr(s)}, '{e}', '{c}')" for n, (s, e, c) in enumerate(texts, 1)
        )
        await execute(
            empty,
            f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT {key}, {extra}"  # noqa: S608
            f" FROM users, (VALUES {rows}) AS texts (n, summary, excerpt, content)",
        )
    upgrade(empty)
    for table, number, condition in (
        ("articles", "id", ""),
        ("working_copies", "article_id", ""),
        ("revisions", "article_id", "WHERE version = 1"),
    ):
        kept = await query(empty, f"SELECT summary FROM {table} {condition} ORDER BY {number}")  # noqa: S608
        assert kept == [None, "Of its own.", None] * 400
    # Of another text, nobody knows what was derived.
    other = "SELECT summary FROM revisions WHERE version = 2 ORDER BY article_id"
    assert await query(empty, other) == ["Derived.", "Of its own.", None] * 400
    assert await query(empty, "SELECT DISTINCT version FROM articles") == [2]


async def test_taking_it_back_shows_nothing_that_is_hidden(empty: URL) -> None:
    upgrade(empty)
    await execute(empty, *ROWS["0001"][:1])
    moments = ("NULL, NULL", "now(), NULL", "now(), now() + '1 day'", "now() + '1 day', NULL", "now(), now()")
    columns = "publish_at, unpublish_at, title, content, content_html, excerpt, slug, edition, tags, tag_keys"
    for number, moment in enumerate(moments):
        await execute(
            empty,
            f"INSERT INTO articles ({columns}, word_count, version, text_version, featured, author_id, created_at,"  # noqa: S608
            f" updated_at) SELECT {moment}, '{number}', '', '', '', '', '', '{{}}', '{{}}', 1, 1, 1, true, id, now(),"
            " now() FROM users",
        )
    downgrade(empty, "0001")
    published = "SELECT title FROM articles WHERE published ORDER BY title"
    assert await query(empty, published) == ["1", "2"]


async def test_they_make_what_the_code_knows(migrated: URL, empty: URL) -> None:
    # What searching reads is a function's, and so is where an article is out.
    numbers = ("0003", "0004", "0006", "0007")
    reading, slugs, search, logins = (SCRIPTS.get_revision(number).module for number in numbers)
    vector = search.VECTOR.format(stems=search.STEMS)
    await execute(empty, "CREATE EXTENSION pg_trgm", reading.CONFIGURATION, vector)
    await run(empty, metadata.create_all)
    await execute(empty, slugs.SLUG, logins.ADMIT)
    assert await schema_of(migrated) == await schema_of(empty)


async def test_alembic_would_change_nothing(migrated: URL) -> None:
    def differences(connection: Connection) -> Any:
        return compare_metadata(
            MigrationContext.configure(connection, opts={"compare_server_default": True}), metadata
        )

    assert await run(migrated, differences) == []


async def test_names_follow_the_convention(migrated: URL) -> None:
    convention: dict[str, Any] = {**metadata.naming_convention}

    def name(kind: str, table: str, columns: list[Any]) -> str:
        names = "_".join(columns)
        words = {"column_0_name": columns[0], "column_0_N_name": names, "constraint_name": ""}
        return str(convention[kind] % {"table_name": table, **words})

    def check(connection: Connection) -> None:
        inspector = inspect(connection)
        for table in set(inspector.get_table_names()) - {"alembic_version"}:
            key = inspector.get_pk_constraint(table)
            assert key["name"] == name("pk", table, key["constrained_columns"])
            for foreign in inspector.get_foreign_keys(table):
                assert foreign["name"] == name("fk", table, foreign["constrained_columns"])
            for unique in inspector.get_unique_constraints(table):
                assert unique["name"] == name("uq", table, unique["column_names"])
            for constraint in inspector.get_check_constraints(table):
                assert str(constraint["name"]).startswith(name("ck", table, [""]))
            for index in inspector.get_indexes(table):
                # An expression may have a name, or none.
                expected = name("ix", table, [column or r"?(\w+)?" for column in index["column_names"]])
                if index.get("dialect_options", {}).get("postgresql_where"):
                    # One of some rows only says which, between the table and the columns.
                    expected = expected.replace(f"ix_{table}_", rf"ix_{table}_\w+_")
                assert "duplicates_constraint" in index or re.fullmatch(expected, str(index["name"]))

    await run(migrated, check)


async def test_names_in_the_code_exist(migrated: URL) -> None:
    code = "".join(file.read_text() for file in CODE.glob("*.py"))
    used = set(re.findall(r'"((?:pk|fk|uq|ix|ck)_\w+)"', code)) | set(re.findall(r'Sequence\("(\w+)"\)', code))
    assert {"fk_articles_author_id", "uq_users_email_key", "articles_id_seq"} <= used, "This test does not see them."
    assert used <= set(
        await query(
            migrated,
            "SELECT conname::text FROM pg_constraint WHERE connamespace = 'public'::regnamespace UNION ALL"
            " SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace",
        )
    )


async def test_two_upgrades_at_once_apply_once(empty: URL) -> None:
    # The number by which they wait for one another is in migrations/env.py. It has to stay: versions meet.
    engine = create_async_engine(empty, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({0x_B106_0000})"))
        upgrades = [alembic(empty, "upgrade", "head") for _ in range(2)]
        deadline = time.monotonic() + 60
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
        while len(await query(empty, waiting)) < len(upgrades):
            assert time.monotonic() < deadline, "They do not wait."
            assert all(upgrade.poll() is None for upgrade in upgrades), "They do not wait."
            await asyncio.sleep(0.05)
        assert await schema_of(empty) == set()
    await engine.dispose()

    for command in upgrades:
        said(command)
    assert await query(empty, "SELECT * FROM alembic_version") == [Schema().head]


async def test_a_downgrade_says_what_it_takes_back_and_what_is_left(
    empty: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(CLONE / "migrations", tmp_path / "migrations")
    (folder / "versions" / "9999_more.py").write_text(
        f'"""More of everything."""\nrevision, down_revision = "9999", {Schema().head!r}\n'
        "def upgrade() -> None: ...\ndef downgrade() -> None: ...\n"
    )
    monkeypatch.setattr(schema, "PACKAGE", tmp_path)
    titles = [f"{revision.revision} ({str(revision.doc).rstrip('.')})" for revision in REVISIONS[::-1]]
    more, blog = "9999 (More of everything)", ", ".join(titles)
    upgrade(empty)
    assert downgrade(empty) == [f"Taking back {more}, which leaves the schema of {REVISIONS[-1].revision}."]
    upgrade(empty)
    assert downgrade(empty, "base") == [
        f"Taking back {more}, {blog}, which leaves nothing of the blog, neither tables nor rows."
    ]
    assert downgrade(empty, "base") == ["There is nothing to take back."]

    def too_late(words: str) -> None:
        raise RuntimeError(words)

    upgrade(empty)
    before = await schema_of(empty)
    with pytest.raises(RuntimeError, match="Taking back"):
        aside(lambda: Schema().downgrade(empty, "base", say=too_late))
    assert await schema_of(empty) == before


async def test_an_upgrade_that_fails_leaves_nothing(empty: URL) -> None:
    # Half-way through the first migration, which makes the users first.
    await execute(empty, "CREATE TABLE articles (somebody_elses int)")
    before = await schema_of(empty)
    with pytest.raises(ProgrammingError, match=r'relation "articles" already exists'):
        upgrade(empty)
    assert await schema_of(empty) == before

    await execute(empty, "DROP TABLE articles")
    upgrade(empty)


async def test_alembics_own_command_works_in_a_clone(empty: URL) -> None:
    assert all(revision.revision in said(alembic(empty, "history")) for revision in REVISIONS)
    said(alembic(empty, "upgrade", "head"))
    assert "No new upgrade operations detected." in said(alembic(empty, "check"))
    said(alembic(empty, "downgrade", "-1"))
    assert await query(empty, "SELECT * FROM alembic_version") == [revision.revision for revision in REVISIONS[-2:-1]]


async def test_a_schema_is_behind_current_or_ahead(behind: Container, empty: URL) -> None:
    database: Database = behind.database()
    known: Schema = behind.schema()
    assert await known.state(database) is SchemaState.BEHIND
    upgrade(empty)
    assert await known.state(database) is SchemaState.CURRENT
    await execute(empty, "UPDATE alembic_version SET version_num = 'from the future'")
    assert await known.state(database) is SchemaState.AHEAD
    await behind.readiness().check()
    await execute(empty, "DELETE FROM alembic_version")
    assert await known.state(database) is SchemaState.BEHIND


async def test_a_blog_is_not_ready_before_it_has_every_migration(behind: Container, empty: URL) -> None:
    with pytest.raises(SchemaBehind):
        await behind.readiness().check()
    transport = httpx.ASGITransport(build(behind))
    async with httpx.AsyncClient(transport=transport, base_url="http://blog.test") as client:
        answer = await client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["detail"] == "The database lacks migrations. Run: blog db upgrade"
        assert int(answer.headers["retry-after"]) > 0
        upgrade(empty)
        assert (await client.get("/health/ready")).status_code == 200

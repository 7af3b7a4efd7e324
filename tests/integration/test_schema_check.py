"""What `blog db check` sees beside the revision of a database."""

import os
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from blog.adapters.database import schema
from blog.adapters.database.inspection import describe
from blog.adapters.database.schema import SchemaState, WrongEncoding
from blog.container import Container, close
from tests.builders import Clock
from tests.integration.conftest import execute as execute_outside_transactions
from tests.integration.conftest import new_database
from tests.integration.databases import can_connect, execute, upgrade
from tests.integration.service import blog
from tests.support import quick


async def test_what_a_check_expects_is_what_they_make(behind: Container, empty: URL) -> None:
    upgrade(empty)
    found = sorted(await describe(behind.database()))
    if os.environ.get("ACCEPT_SCHEMA"):
        schema.DESCRIPTION.write_text("".join(f"{line}\n" for line in found), encoding="utf-8")
    expected = schema.DESCRIPTION.read_text(encoding="utf-8").splitlines()
    assert found == expected, "To accept what migrations make now: ACCEPT_SCHEMA=1 make integration ARGS='-k expects'"


@pytest.fixture(scope="module")
def template(server: URL) -> Iterator[URL]:
    """A database with every migration, of which others are copies."""
    with new_database(server) as url:
        upgrade(url)
        yield url


@pytest.fixture
def whole(server: URL, template: URL) -> Iterator[URL]:
    """A database with every migration, of this test alone."""
    name = f"blog_test_{secrets.token_hex(8)}"
    execute_outside_transactions(server, f"CREATE DATABASE {name} TEMPLATE {template.database}")
    yield server.set(database=name)
    execute_outside_transactions(server, f"DROP DATABASE {name} WITH (FORCE)")


async def faults(url: URL, clock: Clock) -> str:
    """What a check finds, a line each."""
    address = url.render_as_string(hide_password=False)
    container = quick(lambda settings: Container(settings=settings), clock, DATABASE_URL=address)
    try:
        assert await container.schema().state(container.database()) is SchemaState.CURRENT
        return "\n".join(await container.schema().faults(container.database()))
    finally:
        await close(container)


OVERLOAD = (
    "CREATE FUNCTION blog_configuration(language varchar) RETURNS regconfig LANGUAGE sql AS"
    " $$ SELECT 'pg_catalog.english'::regconfig $$"
)
TRIGGER = (
    "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL;END'; "
    "CREATE TRIGGER t BEFORE INSERT ON users EXECUTE FUNCTION keep()"
)
USER = (
    "INSERT INTO users (id, username, username_key, email, email_key, password_hash, created_at, updated_at)"
    " VALUES (7, 'ada', 'ada', 'a@b.example', 'a@b.example', '', now(), now())"
)


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("ALTER TABLE slugs DROP CONSTRAINT fk_slugs_article_id", "missing: constraint fk_slugs_article_id"),
        (
            "ALTER TABLE slugs DROP CONSTRAINT fk_slugs_article_id, ADD CONSTRAINT fk_slugs_article_id FOREIGN KEY"
            " (article_id) REFERENCES articles ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED NOT VALID",
            "missing: constraint fk_slugs_article_id",
        ),
        ("ALTER TABLE users DROP CONSTRAINT uq_users_email_key", "missing: constraint uq_users_email_key"),
        ("DROP INDEX ix_articles_title", "missing: index ix_articles_title"),
        ("ALTER TABLE users ALTER email TYPE varchar(100)", "missing: column users.email"),
        ("ALTER TABLE articles ALTER title DROP NOT NULL", "missing: column articles.title"),
        ("ALTER TABLE articles ALTER search DROP EXPRESSION", "missing: column articles.search"),
        ("DROP TABLE previews", "missing: constraint pk_previews"),
        ("DROP FUNCTION blog_slug", "missing: function blog_slug"),
        (
            "CREATE OR REPLACE FUNCTION blog_configuration(language text) RETURNS regconfig LANGUAGE sql"
            " IMMUTABLE PARALLEL SAFE AS $$ SELECT 'pg_catalog.english'::regconfig $$",
            "missing: function blog_configuration",
        ),
        ("ALTER FUNCTION blog_vector SET search_path = public", "missing: function blog_vector"),
        ("DROP EXTENSION pg_trgm CASCADE", "missing: extension pg_trgm"),
        (
            "ALTER TABLE users ALTER id SET GENERATED ALWAYS",
            "unexpected: column users.id bigint not null identity always",
        ),
        ("ALTER SEQUENCE users_id_seq INCREMENT 2", "missing: sequence of users.id"),
        ("ALTER SEQUENCE users_id_seq MAXVALUE 1000", "unexpected: sequence of users.id bigint from 1 to 1000 by 1"),
        ("ALTER SEQUENCE users_id_seq CYCLE", "missing: sequence of users.id"),
        (USER, "wrong: sequence of users.id goes on with 1, and there is 7"),
        (f"{USER}; SELECT setval('users_id_seq', 6)", "wrong: sequence of users.id goes on with 7, and there is 7"),
        ("SELECT setval('users_id_seq', 9223372036854775807)", "wrong: sequence of users.id has come to its end"),
        (
            TRIGGER,
            "unexpected: trigger t on users",
        ),
        ("CREATE RULE r AS ON INSERT TO users DO INSTEAD NOTHING", "unexpected: rule r on users"),
        ("ALTER TABLE users ENABLE ROW LEVEL SECURITY", "unexpected: row level security on users enabled"),
        ("ALTER TABLE users FORCE ROW LEVEL SECURITY", "unexpected: row level security on users forced"),
        ("CREATE POLICY p ON users USING (false)", "unexpected: policy p on users"),
        ("ALTER TABLE users ADD CONSTRAINT c CHECK (id > 0)", "unexpected: constraint c on users CHECK"),
        ("ALTER TABLE articles ADD CONSTRAINT c UNIQUE (title)", "unexpected: constraint c on articles UNIQUE"),
        (
            "ALTER TABLE articles ADD CONSTRAINT c EXCLUDE (title WITH =)",
            "unexpected: constraint c on articles EXCLUDE",
        ),
        (
            "ALTER TABLE articles ADD CONSTRAINT c FOREIGN KEY (version) REFERENCES users",
            "unexpected: constraint c on articles FOREIGN KEY",
        ),
        ("CREATE UNIQUE INDEX i ON articles (title)", "unexpected: index i on articles UNIQUE btree (title)"),
        ("ALTER TABLE users ADD extra text NOT NULL", "unexpected: column users.extra text not null"),
        ("ALTER TABLE login_pairs SET UNLOGGED", "unexpected: unlogged table login_pairs"),
        (OVERLOAD, "unexpected: function blog_configuration(language character varying)"),
        ("ALTER FUNCTION blog_slug SECURITY DEFINER", "missing: function blog_slug"),
    ],
)
async def test_a_check_names_what_does_not_work(whole: URL, clock: Clock, fault: str, named: str) -> None:
    assert await faults(whole, clock) == ""
    await execute(whole, *fault.split("; "))
    assert named in await faults(whole, clock)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER INDEX ix_articles_title SET (fastupdate = off)",
        "ALTER INDEX ix_articles_out_created_at_id SET (fillfactor = 70)",
        "ALTER INDEX pk_users SET (fillfactor = 70)",
        "CREATE INDEX i ON articles (word_count)",
        "ALTER TABLE users ADD extra text",
        "ALTER TABLE users ADD extra text NOT NULL DEFAULT ''",
        "CREATE TABLE mine (id int UNIQUE CHECK (id > 0), by bigint REFERENCES users ON DELETE CASCADE)",
        "CREATE FUNCTION blog_mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        f"{USER}; ALTER SEQUENCE users_id_seq RESTART WITH 8",
        f"{USER}; SELECT setval('users_id_seq', 7)",
        "SELECT nextval('users_id_seq')",
        "ALTER SEQUENCE users_id_seq CACHE 10",
        f"{TRIGGER}; ALTER TABLE users DISABLE TRIGGER t",
    ],
)
async def test_a_check_leaves_to_an_owner_what_changes_nothing(whole: URL, clock: Clock, change: str) -> None:
    await execute(whole, *change.split("; "))
    assert await faults(whole, clock) == ""


async def test_a_check_names_a_session_that_only_reads(whole: URL, clock: Clock) -> None:
    await execute(whole, f"ALTER DATABASE {whole.database} SET default_transaction_read_only = on")
    assert "wrong: default_transaction_read_only is on" in await faults(whole, clock)


@pytest.fixture
async def superuser(whole: URL) -> URL:
    url = whole.set(username="postgres")
    if not await can_connect(url):
        pytest.skip("this PostgreSQL has no superuser without a password, who alone can do this")
    return url


@pytest.fixture
async def writer(superuser: URL) -> AsyncIterator[URL]:
    """Someone who may read and write rows, and nothing else."""
    name = f"blog_writer_{secrets.token_hex(8)}"
    await execute(
        superuser,
        f"CREATE ROLE {name} LOGIN PASSWORD 'secret'",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}",
        "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC",
        f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {name}",
        "REVOKE USAGE ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA public TO {name}",
        "REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM PUBLIC",
    )
    yield superuser.set(username=name, password="secret")
    await execute(superuser, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@pytest.mark.parametrize(
    ("right", "named"),
    [
        *((f"{right} ON users", f"{right} on the table users") for right in ("SELECT", "INSERT", "UPDATE", "DELETE")),
        ("EXECUTE ON FUNCTION blog_slug", "EXECUTE on the function blog_slug"),
        ("USAGE ON SEQUENCE users_id_seq", "USAGE on the sequence users_id_seq"),
    ],
)
async def test_a_check_names_a_right_that_its_user_lacks(
    superuser: URL, writer: URL, clock: Clock, right: str, named: str
) -> None:
    assert await faults(writer, clock) == ""
    await execute(superuser, f"REVOKE {right} FROM {writer.username}")
    assert await faults(writer, clock) == f"missing: the right to {named}"


async def test_a_sequence_is_looked_at_by_someone_who_may_only_use_it(
    superuser: URL, writer: URL, clock: Clock
) -> None:
    await execute(superuser, USER)
    assert "sequence of users.id was never used, and there is 7" in await faults(writer, clock)
    await execute(superuser, "SELECT setval('users_id_seq', 6)")
    assert "sequence of users.id goes on with 7, and there is 7" in await faults(writer, clock)
    await execute(superuser, "SELECT setval('users_id_seq', 7)")
    assert await faults(writer, clock) == ""


async def test_a_check_names_a_schema_that_its_user_may_not_use(superuser: URL, writer: URL, tmp_path: Path) -> None:
    await execute(superuser, f"REVOKE USAGE ON SCHEMA public FROM {writer.username}")
    checked = blog("db", "check", cwd=tmp_path, database_url=writer.render_as_string(hide_password=False))
    assert checked.returncode == 1
    assert f"GRANT USAGE ON SCHEMA public TO {writer.username}" in checked.stderr


async def test_a_check_names_indexes_that_were_not_built_and_a_constraint_that_is_off(
    superuser: URL, clock: Clock
) -> None:
    await execute(
        superuser,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN"
        " ('ix_articles_title'::regclass, 'pk_users'::regclass, 'uq_users_email_key'::regclass)",
        "ALTER TABLE slugs DISABLE TRIGGER ALL",
    )
    found = await faults(superuser, clock)
    for subject in (
        *("index ix_articles_title", "constraint fk_slugs_article_id"),
        *("constraint pk_users", "constraint uq_users_email_key"),
    ):
        assert f"missing: {subject}" in found
        assert f"unexpected: {subject}" in found


async def test_tables_without_a_version_are_named_and_not_to_be_upgraded(whole: URL, tmp_path: Path) -> None:
    url = whole.render_as_string(hide_password=False)
    for lost in ("DROP TABLE alembic_version", "DELETE FROM alembic_version"):
        await execute(whole, lost)
        checked = blog("db", "check", cwd=tmp_path, database_url=url)
        assert (checked.returncode, checked.stdout) == (1, "")
        assert "does not say in alembic_version" in checked.stderr
        (command,) = re.findall(r'--command "(.*)"', checked.stderr)
        await execute(whole, *command.split("; "))
        checked = blog("db", "check", cwd=tmp_path, database_url=url)
        assert (checked.returncode, checked.stdout) == (0, "The schema is current.\n"), checked.stderr
    await execute(whole, "DROP TABLE alembic_version", "DROP TABLE previews")
    checked = blog("db", "check", cwd=tmp_path, database_url=url)
    assert checked.returncode == 1
    assert "restore a backup" in checked.stderr
    assert "alembic_version VALUES" not in checked.stderr


async def test_another_encoding_is_named_by_a_check_and_refused_by_the_migrations(server: URL, clock: Clock) -> None:
    name = f"blog_test_{secrets.token_hex(8)}"
    execute_outside_transactions(server, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'")
    try:
        url = server.set(database=name)
        with pytest.raises(WrongEncoding, match="SQL_ASCII"):
            upgrade(url)
        address = url.render_as_string(hide_password=False)
        container = quick(lambda settings: Container(settings=settings), clock, DATABASE_URL=address)
        assert "missing: encoding UTF8" in await container.schema().faults(container.database())
        await close(container)
    finally:
        execute_outside_transactions(server, f"DROP DATABASE {name} WITH (FORCE)")

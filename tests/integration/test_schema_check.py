"""What `blog db check` sees beside the revision of a database."""

import os
import secrets

import pytest
from sqlalchemy import URL

from blog.adapters.database import schema
from blog.adapters.database.inspection import describe
from blog.adapters.database.schema import SchemaState, WrongEncoding
from blog.container import Container, close
from tests.builders import Clock
from tests.integration.conftest import execute as execute_outside_transactions
from tests.integration.databases import can_connect, execute, upgrade
from tests.support import quick


async def test_what_a_check_expects_is_what_they_make(behind: Container, empty: URL) -> None:
    upgrade(empty)
    found = sorted(await describe(behind.database()))
    if os.environ.get("ACCEPT_SCHEMA"):
        schema.DESCRIPTION.write_text("".join(f"{line}\n" for line in found), encoding="utf-8")
    expected = schema.DESCRIPTION.read_text(encoding="utf-8").splitlines()
    assert found == expected, "To accept what migrations make now: ACCEPT_SCHEMA=1 make integration ARGS='-k expects'"


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("ALTER TABLE slugs DROP CONSTRAINT fk_slugs_article_id", "constraint fk_slugs_article_id"),
        (
            "ALTER TABLE slugs DROP CONSTRAINT fk_slugs_article_id, ADD CONSTRAINT fk_slugs_article_id FOREIGN KEY"
            " (article_id) REFERENCES articles ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED NOT VALID",
            "constraint fk_slugs_article_id",
        ),
        ("ALTER TABLE users DROP CONSTRAINT uq_users_email_key", "constraint uq_users_email_key"),
        ("DROP INDEX ix_articles_title", "index ix_articles_title"),
        ("ALTER TABLE users ALTER email TYPE varchar(100)", "column users.email"),
        ("ALTER TABLE articles ALTER title DROP NOT NULL", "column articles.title"),
        ("ALTER TABLE articles ALTER search DROP EXPRESSION", "column articles.search"),
        ("DROP TABLE previews", "constraint pk_previews"),
        ("DROP FUNCTION blog_slug", "function blog_slug"),
        (
            "CREATE OR REPLACE FUNCTION blog_configuration(language text) RETURNS regconfig LANGUAGE sql"
            " IMMUTABLE PARALLEL SAFE AS $$ SELECT 'pg_catalog.english'::regconfig $$",
            "function blog_configuration",
        ),
        ("ALTER FUNCTION blog_vector SET search_path = public", "function blog_vector"),
        ("DROP EXTENSION pg_trgm CASCADE", "extension pg_trgm"),
    ],
)
async def test_a_check_names_what_is_missing(behind: Container, empty: URL, fault: str, named: str) -> None:
    upgrade(empty)
    assert await behind.schema().missing(behind.database()) == []
    await execute(empty, fault)
    assert named in "\n".join(await behind.schema().missing(behind.database()))
    assert await behind.schema().state(behind.database()) is SchemaState.CURRENT


async def test_a_check_names_an_index_that_was_not_built_and_a_constraint_that_is_off(
    behind: Container, empty: URL
) -> None:
    upgrade(empty)
    superuser = empty.set(username="postgres")
    if not await can_connect(superuser):
        pytest.skip("this PostgreSQL has no superuser without a password, who alone can break it like this")
    await execute(
        superuser,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_articles_title'::regclass",
        "ALTER TABLE slugs DISABLE TRIGGER ALL",
    )
    missing = "\n".join(await behind.schema().missing(behind.database()))
    assert "index ix_articles_title" in missing
    assert "constraint fk_slugs_article_id" in missing


async def test_another_encoding_is_named_by_a_check_and_refused_by_the_migrations(server: URL, clock: Clock) -> None:
    name = f"blog_test_{secrets.token_hex(8)}"
    execute_outside_transactions(server, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'")
    try:
        url = server.set(database=name)
        with pytest.raises(WrongEncoding, match="SQL_ASCII"):
            upgrade(url)
        address = url.render_as_string(hide_password=False)
        container = quick(lambda settings: Container(settings=settings), clock, DATABASE_URL=address)
        assert "encoding UTF8" in await container.schema().missing(container.database())
        await close(container)
    finally:
        execute_outside_transactions(server, f"DROP DATABASE {name} WITH (FORCE)")

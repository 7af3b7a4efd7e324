"""Backups: a dump, a replica and what our commands restore are the whole blog."""

import asyncio
import os
import re
import secrets
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import URL, Connection, make_url, text

from blog.adapters.database.backups import TABLES, Statements
from blog.adapters.database.programs import PostgresPrograms
from blog.adapters.embedded_postgres import embedded_postgres, program_folders, programs
from blog.container import Container, close
from blog.entrypoints.http.app import build
from tests.builders import NOON, Clock
from tests.contracts.asking import edit, found, sign_in, signed_in, write
from tests.integration.conftest import aside, new_database
from tests.integration.conftest import execute as execute_outside_transactions
from tests.integration.databases import execute, query, run, upgrade
from tests.integration.service import COMMAND, Service, alive, blog, environment, eventually, kill, processes
from tests.support import quick

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"
TEXTS = {
    "On engines": "The *engine* weaves algebraic patterns, it's said.\r\n\n    code\t& <b>more</b> 👩‍🔬 \\N \\. ''",
    "Über die Maschine": "Die Maschine webt algebraische Muster wie der Webstuhl Blumen.",
    "機械について": "機械は代数的な模様を織る。\n\n\\.\n\nEnd.",
}
WORDS = ["engine", "weaves algebraic", "Maschine", "webt", '"algebraic patterns"', "機械", "-engine"]


@asynccontextmanager
async def blog_on(url: URL, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    """The API over a database, a day after it was last used: the clock moves whenever it is looked at."""
    clock.advance(days=1)
    address = url.render_as_string(hide_password=False)
    container = quick(lambda settings: Container(settings=settings), clock, DATABASE_URL=address)
    transport = httpx.ASGITransport(build(container))
    async with httpx.AsyncClient(transport=transport, base_url="http://blog.test") as client:
        yield client
    await close(container)


async def fill(url: URL, clock: Clock) -> None:
    """Something in every table: drafts, revisions, a slug that moved, a working copy, a preview, a stored reply."""
    async with blog_on(url, clock) as client:
        ada, bob = await sign_in(client, "Ada"), await sign_in(client, "Bob")
        for author in (ada, bob):
            for number, (title, content) in enumerate(TEXTS.items()):
                language = ("en", "de", "ja")[number]
                tags = [title, "Jacquard"]
                await write(client, author, title=title, content=content, language=language, tags=tags, summary=title)
        article = await write(client, ada, published=None, publish_at="2001-02-03T04:05:06Z", title="Moves")
        await edit(client, ada, article, slug="moved-on", note="Why it moved")
        await write(client, bob, published=False, title="A draft of Bob's")
        await client.delete(f"/articles/{(await write(client, ada, title='Deleted'))['id']}", headers=ada)
        one = f"/articles/{article['id']}"
        assert (await client.patch(f"{one}/working-copy", json={"title": "Next"}, headers=ada)).status_code == 200
        assert (await client.post(f"{one}/previews", json={"of": "article"}, headers=ada)).status_code == 201
        once = {**bob, "Idempotency-Key": '"once"'}
        assert (await client.post("/articles", json={"title": "Once", "content": "x" * 20}, headers=once)).is_success
    await execute(
        url,
        "INSERT INTO login_failures (key, count, at) VALUES ('client', 5, now())",
        "INSERT INTO login_pairs (key, signed_in_at, tries, since) VALUES ('pair', now(), 5, now())",
    )


async def rows(url: URL) -> dict[str, list[str]]:
    """Everything in a database: each row of each table, and where each sequence stands."""

    def read(connection: Connection) -> dict[str, list[str]]:
        def lines(statement: str) -> list[str]:
            return list(connection.execute(text(statement)).scalars())

        there = set(lines("SELECT tablename FROM pg_tables")) & TABLES
        kept = {table: lines(f"SELECT t::text FROM {table} AS t ORDER BY 1") for table in sorted(there)}  # noqa: S608
        sequences = lines("SELECT quote_ident(sequencename) FROM pg_sequences ORDER BY 1")
        return kept | {name: lines(f"SELECT (last_value, is_called)::text FROM {name}") for name in sequences}  # noqa: S608

    return await run(url, read)


async def readings(url: URL, clock: Clock) -> dict[str, Any]:
    """What readers and an author find: searches, entity tags, and the numbers that come next."""
    clock.moment = NOON + timedelta(days=30)
    async with blog_on(url, clock) as client:
        ada = await signed_in(client, "Ada")
        searches = {words: await found(client, f"/articles?q={words}&fields=id,title") for words in WORDS}
        articles = await found(client, "/articles?limit=100", ada)
        tags = {
            one["id"]: (await client.get(f"/articles/{one['id']}", headers=ada)).headers["ETag"] for one in articles
        }
        moved = (await client.get("/articles/moves")).headers["Location"]
        feed = (await client.get("/feed.atom")).content
        # Last, because it is a change.
        following = (await write(client, ada))["id"], (await sign_in(client, "Eve"))["Authorization"][:6]
        return {"searches": searches, "tags": tags, "moved": moved, "feed": feed, "next": following}


@pytest.fixture
def other(server: URL) -> Iterator[URL]:
    """Another database without any table."""
    with new_database(server) as url:
        yield url


def program(url: URL, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs on a database, as its owner would."""
    with_it = PostgresPrograms(url, program_folders())
    return with_it.run([with_it.no_older_than_server("pg_dump").with_name(name), *map(str, arguments)])


def shell(script: str, *, cwd: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run what somebody would type."""
    command = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=60, check=False)


# What any dump and any replica hold


@pytest.mark.parametrize("kind", ["custom", "plain"])
async def test_a_dump_restores_every_row(kind: str, empty: URL, other: URL, clock: Clock, tmp_path: Path) -> None:
    upgrade(empty)
    await fill(empty, clock)
    before = await rows(empty)
    assert all(before[table] for table in TABLES)
    file = tmp_path / "dump"
    assert program(empty, "pg_dump", f"--format={kind}", f"--file={file}").returncode == 0
    restored = (
        program(
            other, "pg_restore", "--exit-on-error", "--no-owner", "--no-comments", f"--dbname={other.database}", file
        )
        if kind == "custom"
        else program(other, "psql", "--no-psqlrc", "--quiet", f"--file={file}")
    )
    assert (restored.returncode, restored.stderr) == (0, "")
    assert await rows(other) == before
    assert await readings(other, clock) == await readings(empty, clock)
    assert await lacking(other, clock) == []


async def lacking(url: URL, clock: Clock) -> list[str]:
    """What `blog db check` says."""
    address = url.render_as_string(hide_password=False)
    container = quick(lambda settings: Container(settings=settings), clock, DATABASE_URL=address)
    faults: list[str] = await container.schema().faults(container.database())
    await close(container)
    return faults


async def test_logical_replication_sends_every_row(clock: Clock, tmp_path: Path) -> None:
    with embedded_postgres(tmp_path, durable=False) as address:
        execute_outside_transactions(
            make_url(address).set(username="postgres"), "ALTER SYSTEM SET wal_level = logical"
        )
    with embedded_postgres(tmp_path, durable=False) as address:
        source = make_url(address)
        superuser = source.set(username="postgres")
        with new_database(source) as target:
            upgrade(source)
            upgrade(target)
            await execute(target, "DELETE FROM alembic_version")
            await fill(source, clock)
            await execute(superuser, "CREATE PUBLICATION blog FOR ALL TABLES")
            await query(superuser, "SELECT pg_create_logical_replication_slot('blog', 'pgoutput')")
            there = superuser.set(database=target.database)
            host = dict(source.query)["host"]
            execute_outside_transactions(
                there,
                f"CREATE SUBSCRIPTION blog CONNECTION 'host={host} user=postgres dbname=blog' PUBLICATION blog"
                " WITH (create_slot = false, slot_name = 'blog')",
            )
            expected = {table: (await rows(source))[table] for table in TABLES}
            try:
                await arrives(target, expected)
                # Changes come another way than what was there before.
                async with blog_on(source, clock) as client:
                    ada = await signed_in(client, "Ada")
                    written = await write(client, ada, title="A later one", content="Written while it is replicated.")
                    await edit(client, ada, written, content="Changed while it is replicated.")
                expected = {table: (await rows(source))[table] for table in TABLES}
                await arrives(target, expected)
            finally:
                execute_outside_transactions(there, "DROP SUBSCRIPTION blog")


async def arrives(url: URL, expected: dict[str, list[str]]) -> None:
    """Wait until these rows are there."""
    async with asyncio.timeout(30):
        while {table: (await rows(url))[table] for table in TABLES} != expected:  # noqa: ASYNC110 - it is PostgreSQL's
            await asyncio.sleep(0.05)


async def test_the_changelog_rescues_dumps_from_before(empty: URL, other: URL, clock: Clock, tmp_path: Path) -> None:
    upgrade(empty)
    await fill(empty, clock)
    aside(lambda: Container().schema().downgrade(empty, "0005"))
    before = await rows(empty)
    file = tmp_path / "blog.dump"
    assert program(empty, "pg_dump", "--format=custom", f"--file={file}").returncode == 0
    (rescue,) = re.findall(r"```sh\n(.*?ALTER FUNCTION blog_vector.*?)```", CHANGELOG.read_text(), re.DOTALL)
    with_it = PostgresPrograms(other, program_folders())
    path = f"{with_it.psql().parent}:{os.environ['PATH']}"
    ran = shell(rescue, cwd=tmp_path, variables={**os.environ, **with_it._database, "PATH": path})
    assert ran.returncode == 0, ran.stderr
    assert await rows(other) == before
    upgrade(other)
    assert await lacking(other, clock) == []


# The commands


def address(url: URL) -> str:
    """A database as `DATABASE_URL` names it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def did(ran: subprocess.CompletedProcess[str]) -> str:
    """What a command said that did its work."""
    assert ran.returncode == 0, ran.stderr
    return ran.stderr + ran.stdout


def left_in(folder: Path) -> list[str]:
    """The names of all files there."""
    return [path.name for path in folder.iterdir()]


def refused(ran: subprocess.CompletedProcess[str], *words: str) -> None:
    """That a command refused, in one sentence after what it said of its steps."""
    assert ran.returncode == 1, ran.stderr
    *_, sentence = ran.stderr.splitlines()
    assert sentence.startswith("blog: ")
    assert "Traceback" not in ran.stderr
    for word in words:
        assert word in sentence


async def test_a_backup_moves_from_the_embedded_postgresql_to_another_and_back(
    empty: URL, clock: Clock, tmp_path: Path
) -> None:
    with embedded_postgres(tmp_path / "here", durable=False) as here:
        upgrade(make_url(here))
        await fill(make_url(here), clock)
        before = await rows(make_url(here))
    said = did(blog("backup", "blog.backup", cwd=tmp_path, blog_data_dir=tmp_path / "here"))
    assert "Saving the table articles" in said
    assert (tmp_path / "blog.backup").stat().st_mode & 0o777 == 0o600

    said = did(blog("restore", "blog.backup", cwd=tmp_path, database_url=address(empty)))
    assert "Loading the table articles" in said
    assert await rows(empty) == before
    assert "current" in did(blog("db", "check", cwd=tmp_path, database_url=address(empty)))

    did(blog("backup", "again.backup", cwd=tmp_path, database_url=address(empty)))
    did(blog("restore", "again.backup", cwd=tmp_path, blog_data_dir=tmp_path / "there"))
    with embedded_postgres(tmp_path / "there", durable=False) as there:
        assert await rows(make_url(there)) == before
        assert await readings(make_url(there), clock) == await readings(empty, clock)


async def written(url: URL) -> list[str]:
    """The articles without what searching reads, for which each major version has other stemmers."""
    return await query(url, "SELECT (to_jsonb(a) - 'search')::text FROM articles AS a ORDER BY 1")


@pytest.fixture
def another_major(other_programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[URL]:
    """A database without any table, on a PostgreSQL of another major version than the embedded one."""
    with monkeypatch.context() as patched:
        patched.setattr(programs, "program_folders", lambda: [other_programs])
        with embedded_postgres(tmp_path / "another", durable=False) as url:
            yield make_url(url)


async def test_a_backup_moves_to_another_major_version_and_back(
    another_major: URL, empty: URL, other: URL, clock: Clock, tmp_path: Path
) -> None:
    majors = [int((await query(url, "SHOW server_version_num"))[0]) // 10_000 for url in (empty, another_major)]
    assert majors[0] != majors[1]
    upgrade(empty)
    await fill(empty, clock)
    before = await rows(empty)
    did(blog("backup", "one.backup", cwd=tmp_path, database_url=address(empty)))
    did(blog("restore", "one.backup", cwd=tmp_path, database_url=address(another_major)))
    assert await written(another_major) == await written(empty)
    assert await lacking(another_major, clock) == []
    did(blog("backup", "two.backup", cwd=tmp_path, database_url=address(another_major)))
    did(blog("restore", "two.backup", cwd=tmp_path, database_url=address(other)))
    assert await rows(other) == before
    assert await readings(other, clock) == await readings(empty, clock)


def test_a_backup_is_made_of_data_of_another_major_version(
    other_programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(programs, "program_folders", lambda: [other_programs])
        with embedded_postgres(tmp_path / "old", durable=False) as url:
            upgrade(make_url(url))
    did(blog("backup", "blog.backup", cwd=tmp_path, blog_data_dir=tmp_path / "old"))
    did(blog("restore", "blog.backup", cwd=tmp_path, blog_data_dir=tmp_path / "new"))
    old, new = ([path.name for path in (tmp_path / name).glob("postgresql-[0-9]*")] for name in ("old", "new"))
    assert old != new
    assert "current" in did(blog("db", "check", cwd=tmp_path, blog_data_dir=tmp_path / "new"))


async def test_a_backup_from_before_is_restored_and_upgraded(empty: URL, clock: Clock, tmp_path: Path) -> None:
    upgrade(empty)
    await fill(empty, clock)
    aside(lambda: Container().schema().downgrade(empty, "0005"))
    before = await written(empty)
    did(blog("backup", "old.backup", cwd=tmp_path, database_url=address(empty)))
    said = did(blog("restore", "old.backup", cwd=tmp_path, blog_data_dir=tmp_path / "data"))
    assert re.search("Applying .*0006", said)
    with embedded_postgres(tmp_path / "data", durable=False) as url:
        assert [one for one in await written(make_url(url)) if one not in before] == []
        assert len(await written(make_url(url))) == len(before)
        assert await lacking(make_url(url), clock) == []


async def test_pipes_carry_a_backup(empty: URL, other: URL, clock: Clock, tmp_path: Path) -> None:
    upgrade(empty)
    await fill(empty, clock)
    pipe = f'DATABASE_URL="$FROM" "{COMMAND}" backup - | DATABASE_URL="$TO" "{COMMAND}" restore -'
    piped = shell(pipe, cwd=tmp_path, variables=environment({"from": address(empty), "to": address(other)}))
    assert (piped.returncode, piped.stdout) == (0, ""), piped.stderr
    assert await rows(other) == await rows(empty)


async def test_nothing_is_replaced_unasked(empty: URL, other: URL, clock: Clock, tmp_path: Path) -> None:
    upgrade(empty)
    upgrade(other)
    await fill(empty, clock)
    before = await rows(empty)
    file = tmp_path / "blog.backup"
    file.write_text("something of mine")
    run_here: Callable[..., subprocess.CompletedProcess[str]] = lambda *arguments, url: blog(  # noqa: E731
        *arguments, cwd=tmp_path, database_url=address(url)
    )
    refused(run_here("backup", file, url=empty), str(file), "exists", "--force")
    assert file.read_text() == "something of mine"
    did(run_here("backup", "--force", file, url=empty))
    refused(run_here("restore", file, url=other), "articles", "--force")
    assert await query(other, "SELECT count(*) FROM users") == [0]
    did(run_here("restore", "--force", file, url=other))
    assert await rows(other) == before
    refused(run_here("backup", "--force", tmp_path, url=empty), str(tmp_path))
    refused(run_here("backup", tmp_path / "missing" / "file", url=empty), "folder that exists")
    assert left_in(tmp_path) == ["blog.backup"]


async def test_a_restore_says_what_the_backup_has_besides_a_blog(empty: URL, other: URL, tmp_path: Path) -> None:
    upgrade(empty)
    await execute(empty, "ALTER TABLE users ADD CONSTRAINT by_hand CHECK (id > 0)")
    did(blog("backup", "file", cwd=tmp_path, database_url=address(empty)))
    restored = blog("restore", "file", cwd=tmp_path, database_url=address(other))
    assert restored.returncode == 0, restored.stderr
    assert "unexpected: constraint by_hand" in restored.stderr


async def test_a_failed_restore_leaves_the_database_as_it_was(
    empty: URL, other: URL, clock: Clock, tmp_path: Path
) -> None:
    upgrade(empty)
    await fill(empty, clock)
    before = await rows(empty)
    did(blog("backup", "good", cwd=tmp_path, database_url=address(empty)))
    good = (tmp_path / "good").read_bytes()
    restore = ["restore", "--force"]

    # Cut off within the data, whose table of contents is whole.
    (tmp_path / "short").write_bytes(good[:-2000])
    refused(blog(*restore, "short", cwd=tmp_path, database_url=address(empty)), "short", "as it was")
    (tmp_path / "rubbish").write_bytes(b"PGDMP" + bytes(range(256)))
    refused(blog(*restore, "rubbish", cwd=tmp_path, database_url=address(empty)), "no backup")
    (tmp_path / "nothing").write_bytes(b"")
    refused(blog(*restore, "nothing", cwd=tmp_path, database_url=address(empty)), "no backup")
    refused(blog(*restore, "missing", cwd=tmp_path, database_url=address(empty)), "no file missing")

    # Another's table that depends on the blog's is not dropped for it.
    await execute(
        empty, "CREATE TABLE mine (article_id bigint REFERENCES articles)", "INSERT INTO mine VALUES (NULL)"
    )
    refused(blog(*restore, "good", cwd=tmp_path, database_url=address(empty)), "depend")
    assert await query(empty, "SELECT count(*) FROM mine") == [1]

    # A backup of something else.
    await execute(other, "CREATE TABLE articles (id int)")
    assert program(other, "pg_dump", "--format=custom", f"--file={tmp_path / 'else'}").returncode == 0
    refused(blog(*restore, "else", cwd=tmp_path, database_url=address(empty)), "no backup of a blog")
    assert await rows(empty) == before


async def test_tables_of_others_are_saved_and_left_alone(empty: URL, tmp_path: Path) -> None:
    upgrade(empty)
    await execute(empty, 'CREATE TABLE bookmarks (article_id bigint REFERENCES articles, "a b" text)')
    await execute(empty, "INSERT INTO bookmarks VALUES (NULL, 'mine')")
    did(blog("backup", "blog.backup", cwd=tmp_path, database_url=address(empty)))
    await execute(empty, "UPDATE bookmarks SET \"a b\" = 'later'")
    await execute(empty, "CREATE TABLE unrelated (x int)", "INSERT INTO unrelated VALUES (1)")
    did(blog("restore", "--force", "blog.backup", cwd=tmp_path, database_url=address(empty)))
    assert await query(empty, 'SELECT "a b" FROM bookmarks') == ["mine"]
    assert await query(empty, "SELECT x FROM unrelated") == [1]


async def test_a_service_goes_on_over_a_restore(tmp_path: Path) -> None:
    with Service(tmp_path / "data") as service, service.client() as client:
        ada = service.register()
        article = {"title": "On engines", "content": "The engine weaves patterns.", "published": True}
        one = client.post("/articles", json=article, headers=ada)
        there = one.headers["Location"]
        did(blog("backup", "blog.backup", cwd=tmp_path, blog_data_dir=tmp_path / "data"))
        tags = {one.headers["ETag"], client.get(there).headers["ETag"]}
        later = client.patch(there, json={"title": "Changed later"}, headers=ada)
        tags.add(later.headers["ETag"])
        did(blog("restore", "--force", "blog.backup", cwd=tmp_path, blog_data_dir=tmp_path / "data"))
        assert client.get(there).json()["title"] == "On engines"
        assert client.get("/articles?q=engine").json()[0]["title"] == "On engines"

        # Whoever read what the restore took away does not overwrite what was written since.
        since = client.patch(there, json={"title": "Changed since"}, headers=ada)
        assert since.status_code == 200
        assert since.json()["version"] == later.json()["version"]
        assert since.headers["ETag"] not in tags
        stale = client.patch(there, json={"title": "x"}, headers={**ada, "If-Match": later.headers["ETag"]})
        assert stale.status_code == 412
        assert client.get(there, headers={"If-None-Match": later.headers["ETag"]}).status_code == 200


async def test_a_killed_restore_takes_nothing_away(empty: URL, clock: Clock, tmp_path: Path) -> None:
    upgrade(empty)
    await fill(empty, clock)
    before = await rows(empty)
    did(blog("backup", "blog.backup", cwd=tmp_path, database_url=address(empty)))
    with locked(empty):
        restoring = start("restore", "--force", "blog.backup", cwd=tmp_path, database_url=address(empty))
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        asked = PostgresPrograms(empty, program_folders())
        eventually(lambda: asked.query(waiting), "it waits for the table")
        children = [process.pid for process in processes() if process.parent == restoring.pid]
        assert children
        kill(restoring.pid)
        restoring.wait()
    eventually(lambda: not alive(*children), "its programs end with it")
    assert await rows(empty) == before


def start(*arguments: str, cwd: Path, **settings: object) -> "subprocess.Popen[bytes]":
    """Start a command, and don't wait for it."""
    return subprocess.Popen([COMMAND, *arguments], cwd=cwd, env=environment(settings), stderr=subprocess.DEVNULL)


@contextmanager
def locked(url: URL, statement: str = "SELECT count(*) FROM articles") -> Iterator[None]:
    """Keep everybody from dropping the articles."""
    psql = PostgresPrograms(url, program_folders())
    process = subprocess.Popen(
        [psql.psql(), "--no-psqlrc", "--quiet", "--tuples-only"],
        env={**os.environ, **psql._database},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"BEGIN; {statement}; SELECT 1;\n".encode())
    process.stdin.flush()
    assert process.stdout.readline().strip()
    try:
        yield
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)


def test_the_shell_is_psql_on_the_database_in_use(tmp_path: Path, empty: URL) -> None:
    ran = blog("db", "shell", "-Atc", "SELECT 6 * 7", cwd=tmp_path, database_url=address(empty))
    assert (ran.returncode, ran.stdout) == (0, "42\n")
    ran = blog("db", "shell", "--", "-Atc", "SELECT current_user", cwd=tmp_path, blog_data_dir=tmp_path / "data")
    assert (ran.returncode, ran.stdout) == (0, "blog\n")
    failed = blog("db", "shell", "--", "-c", "nonsense", cwd=tmp_path, database_url=address(empty))
    assert failed.returncode == 1
    assert "syntax error" in failed.stderr


@pytest.mark.parametrize("command", [["backup", "x"], ["restore", "x"], ["db", "shell", "-c", "SELECT 1"]])
def test_a_database_that_is_away_is_named(command: list[str], empty: URL, tmp_path: Path) -> None:
    upgrade(empty)
    if command[0] == "restore":
        did(blog("backup", "x", cwd=tmp_path, database_url=address(empty)))
    away = "postgresql://ada:hush@127.0.0.1:1/blog"
    ran = blog(*command, cwd=tmp_path, database_url=away)
    assert ran.returncode in (1, 2)
    assert "Traceback" not in ran.stderr
    assert "hush" not in ran.stderr
    assert "onnection refused" in ran.stderr


async def test_a_database_of_another_encoding_is_refused_before_anything_is_done(
    server: URL, empty: URL, tmp_path: Path
) -> None:
    upgrade(empty)
    did(blog("backup", "x", cwd=tmp_path, database_url=address(empty)))
    name = f"blog_test_{secrets.token_hex(8)}"
    execute_outside_transactions(server, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'")
    url = server.set(database=name)
    try:
        refused(blog("restore", "x", cwd=tmp_path, database_url=address(url)), "SQL_ASCII", "UTF8")
        assert await query(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []
    finally:
        execute_outside_transactions(server, f"DROP DATABASE {name} WITH (FORCE)")


def test_a_backup_goes_into_a_file_that_grows(empty: URL, tmp_path: Path) -> None:
    upgrade(empty)
    did(blog("backup", "whole", cwd=tmp_path, database_url=address(empty)))
    variables = environment({"database_url": address(empty)})
    ran = shell(f'echo before >file; "{COMMAND}" backup - >>file', cwd=tmp_path, variables=variables)
    assert ran.returncode == 0, ran.stderr
    sizes = [(tmp_path / name).stat().st_size for name in ("whole", "file")]
    assert abs(sizes[1] - sizes[0]) < 1000
    full = shell(f'"{COMMAND}" backup - >/dev/full', cwd=tmp_path, variables=variables)
    assert full.returncode == 1
    assert "No space left" in full.stderr.splitlines()[-1]


def test_a_backup_needs_a_blog(empty: URL, tmp_path: Path) -> None:
    refused(blog("backup", "x", cwd=tmp_path, database_url=address(empty)), "no blog")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("major", [15, 17])
def test_what_a_server_does_not_know_is_left_out_of_a_restore_and_data_never_are(major: int, tmp_path: Path) -> None:
    header = "SET transaction_timeout = 0;\n"
    numbered = "ALTER TABLE ONLY public.users ALTER COLUMN id SET (pg_attver=22569000);\n"
    told = f"SET lock_timeout = 0;\n{header}CREATE TABLE public.users ();\n{numbered}"
    data = f"COPY public.users (id) FROM stdin;\n{header}{numbered}" + "x" * 2**17 + "\n\\.\n"
    (tmp_path / "told").write_text(told + data)
    with (
        PostgresPrograms(make_url("postgresql+asyncpg://nobody@/nowhere"), program_folders()).start(
            ["cat", tmp_path / "told"], stdout=subprocess.PIPE
        ) as (source, messages),
        (tmp_path / "passed").open("wb") as passed,
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=passed) as target,
    ):
        statements = Statements(target, older_than_17=major < 17)
        statements.add_all(source, messages, say=print)
        statements.end()
    known = "" if major < 17 else header
    expected = f"SET lock_timeout = 0;\n{known}CREATE TABLE public.users ();\n{data}"
    assert (tmp_path / "passed").read_text() == expected


# What a hostile or unlucky caller does


async def test_nothing_is_lost_where_nobody_listens(empty: URL, other: URL, tmp_path: Path) -> None:
    upgrade(empty)
    did(blog("backup", "good", cwd=tmp_path, database_url=address(empty)))
    await execute(empty, "DROP TABLE replies")
    variables = environment({"database_url": address(empty)})
    deaf = shell(f'set +e; ("{COMMAND}" db check 2>&1; echo $? >code) | true', cwd=tmp_path, variables=variables)
    assert deaf.returncode == 0
    assert (tmp_path / "code").read_text() == "1\n"
    full = shell(f'set +e; "{COMMAND}" db check >/dev/full; echo $?', cwd=tmp_path, variables=variables)
    assert (full.stdout, "Traceback" in full.stderr) == ("1\n", False)
    restoring = f'set +e; ("{COMMAND}" restore --force good 2>&1; echo $? >code) | true'
    shell(restoring, cwd=tmp_path, variables=variables)
    assert (tmp_path / "code").read_text() == "0\n"
    assert await query(empty, "SELECT count(*) FROM replies") == [0]
    migrating = f'("{COMMAND}" db upgrade; echo $? >code) | true'
    shell(migrating, cwd=tmp_path, variables=environment({"database_url": address(other)}))
    assert (tmp_path / "code").read_text() == "0\n"
    assert await query(other, "SELECT count(*) FROM articles") == [0]


def test_closed_streams_do_not_get_into_a_backup(empty: URL, tmp_path: Path) -> None:
    upgrade(empty)
    variables = environment({"database_url": address(empty)})
    ran = shell(f'"{COMMAND}" backup - 2>&- >closed', cwd=tmp_path, variables=variables)
    assert ran.returncode == 0
    assert (tmp_path / "closed").read_bytes().startswith(b"PGDMP")
    nothing = shell(f'"{COMMAND}" restore - <&-', cwd=tmp_path, variables=variables)
    assert nothing.returncode == 1
    assert "Traceback" not in nothing.stderr


@pytest.mark.parametrize(
    ("before", "settings"),
    [
        (["CREATE SCHEMA blog"], "search_path = blog, public"),
        (
            ["CREATE SCHEMA extensions", "CREATE EXTENSION pg_trgm SCHEMA extensions"],
            "search_path = public, extensions",
        ),
    ],
    ids=["the blog in a schema of its own", "extensions in a schema of their own"],
)
async def test_other_schemas_than_public_are_restored(
    empty: URL, other: URL, clock: Clock, tmp_path: Path, before: list[str], settings: str
) -> None:
    for url in (empty, other):
        await execute(url, f"ALTER DATABASE {url.database} SET {settings}")
    await execute(empty, *before)
    upgrade(empty)
    await fill(empty, clock)
    expected = await rows(empty)
    did(blog("backup", "x", cwd=tmp_path, database_url=address(empty)))
    did(blog("restore", "--force", "x", cwd=tmp_path, database_url=address(empty)))
    assert await rows(empty) == expected
    did(blog("restore", "x", cwd=tmp_path, database_url=address(other)))
    assert await rows(other) == expected


async def test_an_extension_in_another_schema_is_named(empty: URL, other: URL, tmp_path: Path) -> None:
    upgrade(empty)
    did(blog("backup", "x", cwd=tmp_path, database_url=address(empty)))
    await execute(other, "CREATE SCHEMA elsewhere", "CREATE EXTENSION pg_trgm SCHEMA elsewhere")
    refused(
        blog("restore", "x", cwd=tmp_path, database_url=address(other)), "pg_trgm", "elsewhere", "SET SCHEMA public"
    )


async def test_only_what_the_backup_has_is_replaced_whatever_its_name(empty: URL, other: URL, tmp_path: Path) -> None:
    upgrade(empty)
    await execute(empty, 'CREATE TABLE "order items" (x int)', 'CREATE TABLE "a""b\'c" (id bigint REFERENCES users)')
    await execute(empty, "CREATE VIEW titles AS SELECT title FROM articles")
    did(blog("backup", "x", cwd=tmp_path, database_url=address(empty)))
    did(blog("restore", "--force", "x", cwd=tmp_path, database_url=address(empty)))
    assert await query(empty, 'SELECT count(*) FROM "a""b\'c"') == [0]
    await execute(other, 'CREATE TABLE "order" (x int)', 'INSERT INTO "order" VALUES (1)')
    await execute(other, "CREATE FUNCTION blog_custom() RETURNS int LANGUAGE sql AS 'SELECT 7'")
    did(blog("restore", "--force", "x", cwd=tmp_path, database_url=address(other)))
    assert await query(other, 'SELECT x FROM "order"') == [1]
    assert await query(other, "SELECT blog_custom()") == [7]
    # What depends on it and is not in the backup stays, and is named.
    await execute(other, "CREATE VIEW mine AS SELECT title FROM articles")
    refused(blog("restore", "--force", "x", cwd=tmp_path, database_url=address(other)), "mine depends on")


def gone(*pids: int) -> bool:
    """Whether all of these processes have ended."""
    return not alive(*pids)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_command_that_is_ended_leaves_nothing_behind(empty: URL, tmp_path: Path, number: int) -> None:
    upgrade(empty)
    did(blog("backup", "good", cwd=tmp_path, database_url=address(empty)))
    (tmp_path / "tmp").mkdir()
    for arguments in (["backup", "new"], ["restore", "--force", "good"]):
        with locked(empty, "LOCK TABLE articles"):
            running = start(*arguments, cwd=tmp_path, database_url=address(empty), tmpdir=tmp_path / "tmp")
            asked = PostgresPrograms(empty, program_folders())
            waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            eventually(partial(asked.query, waiting), "it waits for the table")
            children = [process.pid for process in processes() if process.parent == running.pid]
            running.send_signal(number)
            assert running.wait(10) == 128 + number
            eventually(partial(gone, *children), "its programs end with it")
        assert sorted(left_in(tmp_path)) == ["good", "tmp"]
        assert left_in(tmp_path / "tmp") == []


def test_variables_of_libpq_do_not_mislead_the_embedded_postgresql(tmp_path: Path) -> None:
    misleading = {"pgservice": "foo", "pgtargetsessionattrs": "standby", "pgsslmode": "verify-full", "pghost": "x"}
    settings = {"blog_data_dir": tmp_path / "data", **misleading}
    did(blog("db", "upgrade", cwd=tmp_path, **settings))
    did(blog("backup", "x", cwd=tmp_path, **settings))
    did(blog("db", "check", cwd=tmp_path, **settings))


def test_names_that_cannot_be_files_are_named(empty: URL, tmp_path: Path) -> None:
    upgrade(empty)
    for command in ("backup", "restore"):
        refused(blog(command, "x" * 300, cwd=tmp_path, database_url=address(empty)), "too long")
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept" / "target")
    did(blog("backup", "link", cwd=tmp_path, database_url=address(empty)))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "kept" / "target").stat().st_size > 1000

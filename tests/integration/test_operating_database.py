"""What docs/operating.md says is done as it says: roles, PgBouncer, several hosts."""

import asyncio
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from blog.adapters.embedded_postgres import program_folders
from tests.integration.conftest import execute
from tests.integration.databases import can_connect, query
from tests.integration.elsewhere import Elsewhere
from tests.integration.service import PASSWORD, SECRET_KEY, Service, blog, eventually, free_port
from tests.integration.test_unavailable import Proxy

PAGE = (Path(__file__).parents[2] / "docs/operating.md").read_text(encoding="utf-8")
IGNORED = "ignore_startup_parameters = "


def blocks(section: str, language: str) -> list[str]:
    """The code of a section of the page that a test runs."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return re.findall(rf"<!-- A test runs this. -->\n```{language}\n(.*?)```", text, re.DOTALL)


class Roles:
    """The roles and the database of the page, on the server of the tests, under names of their own."""

    def __init__(self, server: URL) -> None:
        self._names = {name: f"{name}_{secrets.token_hex(8)}" for name in ("blog_owner", "blog_service", "blog")}
        self.superuser = server.set(username="postgres")
        self.owner, self.service = (
            server.set(
                username=self._names[role], password=f"{role.removeprefix('blog_')}-password", database=self.name
            )
            for role in ("blog_owner", "blog_service")
        )

    @property
    def name(self) -> str:
        return self._names["blog"]

    def named(self, text: str) -> str:
        """A text of the page with these names."""
        return re.sub(r"\bblog(_owner|_service)?\b", lambda found: self._names[found[0]], text)

    def run(self, sql: str) -> None:
        """Have psql run what stands on the page, as a superuser."""
        psql = next(folder / "psql" for folder in program_folders() if (folder / "psql").exists())
        host, port = self.superuser.query["host"], self.superuser.query["port"]
        done = subprocess.run(
            [psql, "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--host={host}", f"--port={port}", "--username=postgres"],
            input=self.named(sql),
            env={"PATH": os.environ["PATH"], "PGDATABASE": "postgres"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def drop(self) -> None:
        execute(self.superuser, f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
        for role in ("blog_owner", "blog_service"):
            execute(self.superuser, f"DROP ROLE IF EXISTS {self._names[role]}")


@pytest.fixture
async def roles(server: URL) -> Any:
    """The roles as the page makes them, before any migration."""
    roles = Roles(server)
    if not await can_connect(roles.superuser):
        pytest.skip("this PostgreSQL has no superuser without a password, who alone can make roles")
    try:
        roles.run(blocks("Roles", "sql")[0])
        yield roles
    finally:
        roles.drop()


def address(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def works(service: Service) -> None:
    """Register, log in, write, search, change, delete and read."""
    signed_in = service.register()
    with service.client() as client:
        client.headers.update(signed_in)
        written = []
        for title in ("On looms", "Algebraic patterns"):
            reply = client.post(
                "/articles", json={"title": title, "content": "The engine weaves.", "published": True, "tags": ["x"]}
            )
            assert reply.status_code == 201, reply.text
            written.append(reply.headers["Location"])
        kept, deleted = written
        assert client.patch(kept, json={"summary": "A summary."}).status_code == 200
        assert client.patch(f"{kept}/working-copy", json={"content": "It weaves."}).status_code == 200
        assert client.get(f"{kept}/revisions").status_code == 200
        found = client.get("/articles", params={"q": "engine", "fields": "title"}).json()
        assert {article["title"] for article in found} == {"On looms", "Algebraic patterns"}
        # Spelled nearly so: it takes the threshold of the session.
        found = client.get("/articles", params={"q": "algebrai patern", "fields": "title"}).json()
        assert [article["title"] for article in found] == ["Algebraic patterns"]
        assert client.delete(deleted).status_code == 204
        assert client.get(deleted).status_code == 404
        assert client.get(kept).json()["summary"] == "A summary."
        for path in ("/articles?count=true", "/tags", "/feed.atom", "/sitemap.xml", "/users/ada", "/health/ready"):
            assert client.get(path).status_code == 200, path
        assert client.request("DELETE", "/users/me", json={"password": PASSWORD}).status_code == 204
        client.headers.pop("Authorization")
        assert client.get(kept).status_code == 404


def test_the_owner_migrates_and_a_role_that_only_writes_rows_serves(roles: Roles, tmp_path: Path) -> None:
    as_owner, as_service = {"database_url": address(roles.owner)}, {"database_url": address(roles.service)}
    assert blog("db", "upgrade", cwd=tmp_path, **as_service).returncode == 1
    upgraded = blog("db", "upgrade", cwd=tmp_path, **as_owner)
    assert upgraded.returncode == 0, upgraded.stderr
    roles.run(blocks("Roles", "sql")[1])
    for settings in (as_owner, as_service):
        checked = blog("db", "check", cwd=tmp_path, **settings)
        assert (checked.returncode, checked.stdout) == (0, "The schema is current.\n"), checked.stderr
    with Service(tmp_path / "data", **as_service, secret_key=SECRET_KEY) as service:  # type: ignore[arg-type]
        works(service)
        assert not service.complaints
    # It may change no table, not even the one that says how far the migrations have come.
    for statement in ("CREATE TABLE mine ()", "DROP TABLE articles", "TRUNCATE users", "DELETE FROM alembic_version"):
        with pytest.raises(Exception, match=r"permission denied|must be owner"):
            execute(roles.service, statement)
    downgraded = blog("db", "downgrade", "base", cwd=tmp_path, **as_owner)
    assert downgraded.returncode == 0, downgraded.stderr


def test_a_blog_keeps_its_owner_when_a_superuser_restores_it(roles: Roles, tmp_path: Path) -> None:
    superuser = {"database_url": address(roles.superuser.set(database=roles.name))}
    for command, settings in (
        (["db", "upgrade"], {"database_url": address(roles.owner)}),
        (["backup", "blog.backup"], superuser),
        (["restore", "--force", "blog.backup"], superuser),
        (["db", "check"], {"database_url": address(roles.service)}),
        (["db", "downgrade", "base"], {"database_url": address(roles.owner)}),
    ):
        done = blog(*command, cwd=tmp_path, **settings)
        assert done.returncode == 0, done.stderr


def test_a_schema_that_is_closed_while_the_service_runs_is_a_503_until_it_is_open(
    roles: Roles, tmp_path: Path
) -> None:
    upgraded = blog("db", "upgrade", cwd=tmp_path, database_url=address(roles.owner))
    assert upgraded.returncode == 0, upgraded.stderr
    superuser = roles.superuser.set(database=roles.name)
    paths = ("/articles", "/articles/1", "/tags", "/health/ready")
    settings = {"database_url": address(roles.service), "secret_key": SECRET_KEY}
    with Service(tmp_path / "data", **settings) as service, service.client() as client:  # type: ignore[arg-type]
        execute(superuser, f"REVOKE USAGE ON SCHEMA public FROM PUBLIC, {roles.service.username}")
        assert [client.get(path).status_code for path in paths] == [503] * len(paths)
        execute(superuser, f"GRANT USAGE ON SCHEMA public TO {roles.service.username}")
        assert [client.get(path).status_code for path in paths] == [200, 404, 200, 200]


@contextmanager
def pgbouncer(roles: Roles, folder: Path, *, change: tuple[str, str] = ("", "")) -> Iterator[int]:
    """PgBouncer as the page has it, but for where things are; the answer is its port."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    (configuration,) = blocks("PgBouncer", "ini")
    port, users, file = free_port(), folder / "userlist.txt", folder / "pgbouncer.ini"
    users.write_text("".join(f'"{role.username}" "{role.password}"\n' for role in (roles.owner, roles.service)))
    for page, here in (
        ("blog = host=127.0.0.1 port=5432 dbname=blog", f"{roles.name} = host={roles.superuser.query['host']}"),
        ("listen_port = 6432", f"listen_port = {port}\nunix_socket_dir =\nlogfile =\npidfile ="),
        ("/etc/pgbouncer/userlist.txt", str(users)),
        change,
    ):
        assert page in configuration
        configuration = configuration.replace(page, here)
    file.write_text(configuration)
    # It does not run as root, and the socket of the tests' PostgreSQL is private to whoever runs them.
    as_nobody = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"] if os.geteuid() == 0 else []
    log = folder / "pgbouncer.log"
    with log.open("w") as output:
        process = subprocess.Popen([*as_nobody, program, str(file)], stdout=output, stderr=output)
    try:

        def listens() -> bool:
            assert process.poll() is None, log.read_text()
            return f"listening on 127.0.0.1:{port}" in log.read_text()

        eventually(listens, "PgBouncer listens")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def through(url: URL, port: int) -> str:
    return address(url.set(host="127.0.0.1", port=port, query={}))


def test_behind_pgbouncer_everything_works_as_the_page_has_it(roles: Roles, tmp_path: Path) -> None:
    for sql in blocks("PgBouncer", "sql"):
        roles.run(sql)
    with pgbouncer(roles, tmp_path) as port:
        as_owner = {"database_url": through(roles.owner, port), "database_prepared_statements": "false"}
        as_service = {"database_url": through(roles.service, port), "database_prepared_statements": "false"}

        def upgrade(_: int) -> subprocess.CompletedProcess[str]:
            return blog("db", "upgrade", cwd=tmp_path, **as_owner)

        with ThreadPoolExecutor(2) as threads:
            for upgraded in threads.map(upgrade, range(2)):
                assert upgraded.returncode == 0, upgraded.stderr
                assert "The schema is current." in upgraded.stdout
        for settings in (as_owner, as_service):
            checked = blog("db", "check", cwd=tmp_path, **settings)
            assert (checked.returncode, checked.stdout) == (0, "The schema is current.\n"), checked.stderr
        with Service(tmp_path / "data", workers=2, secret_key=SECRET_KEY, **as_service) as service:  # type: ignore[arg-type]
            works(service)
            assert not service.complaints
        for command in (("downgrade", "-1"), ("upgrade",), ("downgrade", "base")):
            done = blog("db", *command, cwd=tmp_path, **as_owner)
            assert done.returncode == 0, done.stderr


async def test_a_migration_behind_pgbouncer_soon_gives_up_a_lock_and_asks_again(roles: Roles, tmp_path: Path) -> None:
    """Its time-out is not one of the session, which PgBouncer would ignore: readers queue up behind it meanwhile."""
    waiting = (
        "SELECT query_start FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with pgbouncer(roles, tmp_path) as port:
        as_owner = {"database_url": through(roles.owner, port), "database_prepared_statements": "false"}
        upgrade = partial(asyncio.to_thread, partial(blog, cwd=tmp_path, **as_owner), "db", "upgrade")
        assert (await upgrade("0001")).returncode == 0
        engine = create_async_engine(roles.superuser.set(database=roles.name), poolclass=NullPool)
        elsewhere = Elsewhere(engine.execution_options(isolation_level="AUTOCOMMIT"))
        async with elsewhere.holding("LOCK TABLE users, articles IN ACCESS SHARE MODE"), asyncio.timeout(60):
            upgrading = asyncio.create_task(upgrade())
            attempts = set[object]()
            while len(attempts - {None}) < 2:
                attempts.add(await elsewhere.ask(waiting))
                await asyncio.sleep(0.05)
        upgraded = await upgrading
        assert upgraded.returncode == 0, upgraded.stderr


def test_a_parameter_that_pgbouncer_refuses_is_named(roles: Roles, tmp_path: Path) -> None:
    refused = blocks("PgBouncer", "ini")[0].partition(IGNORED)[2].strip().split(",")
    assert len(refused) == 4
    for name in refused:
        others = ",".join(other for other in refused if other != name)
        with pgbouncer(roles, tmp_path, change=(",".join(refused), others)) as port:
            settings = {"database_url": through(roles.service, port), "secret_key": SECRET_KEY}
            for command in ("db check", f"serve --port {free_port()}")[: 2 if name == refused[0] else 1]:
                result = blog(*command.split(), cwd=tmp_path, database_prepared_statements="false", **settings)
                assert result.returncode == 1
                (sentence,) = result.stderr.splitlines()
                for words in (f"parameter {name}", f"{IGNORED}{','.join(refused)}", "docs/operating.md", "PgBouncer"):
                    assert words in sentence


@pytest.mark.usefixtures("container")  # Which leaves no row of another test, whose ids a check would find.
async def test_several_hosts_are_tried_in_turn(migrated: URL, tmp_path: Path) -> None:
    async with Proxy(migrated).listening() as there:
        here = f"host=127.0.0.1:{free_port()}&host={there.host}:{there.port}"
        url = f"postgresql://{migrated.username}@/{migrated.database}?{here}&target_session_attrs=primary"
        checked = await asyncio.to_thread(blog, "db", "check", cwd=tmp_path, database_url=url)
        assert (checked.returncode, checked.stdout) == (0, "The schema is current.\n"), checked.stderr
        upgraded = await asyncio.to_thread(blog, "db", "upgrade", cwd=tmp_path, database_url=url)
        assert upgraded.returncode == 0, upgraded.stderr
    assert await query(migrated, "SELECT count(*) FROM alembic_version") == [1]
    # The address has the form that the page shows.
    assert "?host=db1:5432&host=db2:5432&target_session_attrs=primary" in PAGE

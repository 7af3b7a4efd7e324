"""The migrations, and whether a database has them.

Alembic is imported where something is migrated: a blog that has every migration starts, and runs, without it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, Select, String, column, select, table, text

from blog.adapters.database.clocks import ClockWatch
from blog.adapters.database.engine import Database, translate_errors
from blog.adapters.database.inspection import (
    closed_schema,
    describe,
    reads_only,
    rights_missing,
    sequences_behind,
    tables_there,
)
from blog.domain.errors import Unavailable

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.runtime.migration import RevisionStep
    from alembic.script import ScriptDirectory

PACKAGE = Path(__file__).parents[2]
DESCRIPTION = Path(__file__).with_name("schema.txt")
"""What `describe` answers for a database with every migration, a line each."""
ENCODING = "UTF8"
SERVER_ENCODING = text("SHOW server_encoding")
VERSIONS: Select[str] = select(column("version_num", String)).select_from(table("alembic_version"))


class SchemaBehind(Unavailable):
    sentence = "The database lacks migrations. Run: blog db upgrade"


class WrongEncoding(Unavailable):
    """The database is not in UTF-8, which every text of the blog is."""

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"The database has the encoding {encoding}, and the blog needs UTF8: in another, texts are refused and "
            f"searches miss words. Create one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and name "
            f"it in DATABASE_URL."
        )


SET_VERSION = (
    "CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32) PRIMARY KEY); "
    "INSERT INTO alembic_version VALUES ('{}')"
)


class Unversioned(Unavailable):
    """There are tables of the blog, but nothing says which migrations made them."""

    def __init__(self, tables: list[str], revision: str | None) -> None:
        remedy = (
            f"They are those of the migration {revision}, with everything that belongs to them: restore a backup, or "
            f"have the database say so, as the owner of the tables. Run: blog db shell --command "
            f'"{SET_VERSION.format(revision)}"'
            if revision
            else "They are not whole, or of another version: restore a backup, or name another database in "
            "DATABASE_URL."
        )
        super().__init__(
            f"The database has tables of the blog's names ({', '.join(tables)}), but does not say in alembic_version "
            f"which migrations made them, so `blog db upgrade` would fail. {remedy}"
        )


class ClosedSchema(Unavailable):
    """The blog's tables are where this user may not look."""

    def __init__(self, name: str, role: str) -> None:
        super().__init__(
            f"The user {role} may not use the schema {name}, where the blog's tables are. Run, as the owner of the "
            f"schema: GRANT USAGE ON SCHEMA {name} TO {role};"
        )


class NoSuchRevision(Exception):
    """Migrations cannot go where they were told to; its text is Alembic's."""


class SchemaState(Enum):
    """How a database's schema stands to what this program knows."""

    CURRENT = "current"
    BEHIND = "behind"
    AHEAD = "ahead"
    """A newer program has migrated it; an older one goes on with it, as it must while a new one is rolled out."""


class Schema:
    """The migrations that travel with the program."""

    def __init__(self) -> None:
        installed = PACKAGE / "migrations"
        self._folder = installed if installed.is_dir() else PACKAGE.parents[1] / "migrations"
        # Files begin with the ids of the migrations in them, which are numbers in the order of the migrations.
        known = sorted(file.name.partition("_")[0] for file in (self._folder / "versions").glob("*.py"))
        self.head, self._known = known[-1], frozenset(known)

    def config(self, url: URL | None = None, **attributes: object) -> "Config":
        """What Alembic's commands take; `url` is the database they work on. `migrations/env.py` reads the rest."""
        from alembic.config import Config

        config = Config(attributes={"url": url, **attributes})
        config.set_main_option("script_location", str(self._folder).replace("%", "%%"))
        return config

    def upgrade(
        self,
        url: URL | None,
        revision: str = "head",
        *,
        prepared: bool = True,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Apply migrations. Blocks. Raises `Unavailable` or `NoSuchRevision`, and `WrongEncoding` before it begins.

        `say` hears which, before any is applied. `prepared` is that of `Database`.
        """

        def steps(script: "ScriptDirectory", applied: str) -> "list[RevisionStep]":
            found = script._upgrade_revs(revision, applied)
            ids = [step.revision.revision for step in found]
            if len(ids) > 1:
                say(f"Applying {len(ids)} migrations, {ids[0]} to {ids[-1]} …")
            elif found:
                say(f"Applying the migration {_titles(found)} …")
            return found

        self._run(url, revision, steps, prepared=prepared, encoding=ENCODING)

    def downgrade(
        self, url: URL | None, revision: str, *, prepared: bool = True, say: Callable[[str], None] = lambda _: None
    ) -> None:
        """Take migrations back, as `upgrade` applies them. `say` hears which, and what is left, before any is."""

        def steps(script: "ScriptDirectory", applied: str) -> "list[RevisionStep]":
            found = script._downgrade_revs(revision, applied)
            if not found:
                say("There is nothing to take back.")
            elif left := found[-1].to_revisions:
                say(f"Taking back {_titles(found)}, which leaves the schema of {', '.join(left)}.")
            else:
                say(f"Taking back {_titles(found)}, which leaves nothing of the blog, neither tables nor rows.")
            return found

        self._run(url, revision, steps, prepared=prepared)

    def _run(
        self,
        url: URL | None,
        revision: str,
        steps: "Callable[[ScriptDirectory, str], list[RevisionStep]]",
        **attributes: object,
    ) -> None:
        """Run what `steps` finds between what is applied and `revision`.

        What Alembic's own `command.upgrade` and `command.downgrade` do, but for what is said in between.
        """
        from alembic.runtime.environment import EnvironmentContext
        from alembic.script import ScriptDirectory

        config = self.config(url, **attributes)
        script = ScriptDirectory.from_config(config)
        # After a lock time-out the rest is found again, and need not be said again.
        found = lru_cache(lambda applied: steps(script, applied))
        context = EnvironmentContext(config, script, fn=lambda applied, _: found(applied), destination_rev=revision)
        with translate_errors(), naming_refusals(), context:
            script.run_env()

    def history(self) -> None:
        """Print the migrations, the newest first."""
        from alembic import command

        command.history(self.config())

    async def faults(self, database: Database) -> list[str]:
        """What keeps a database with every migration from working as they make it. Raises `Unavailable`.

        Its revision alone does not say so: a restore that fails in part leaves the revision and loses the rest. Each
        begins with what it is: missing, unexpected or wrong.
        """
        missing, unexpected = await self._differences(database)
        functions = {_subject(line).split()[1] for line in _expected() if line.startswith("function ")}
        rights = await rights_missing(database, functions)
        wrong = await sequences_behind(database)
        if await reads_only(database):
            wrong.append("default_transaction_read_only is on for this user, database or server")
        return [
            *(f"missing: {line}" for line in missing),
            *(f"unexpected: {line}" for line in unexpected),
            *(f"missing: the right to {line}" for line in rights),
            *(f"wrong: {line}" for line in wrong),
        ]

    async def _differences(self, database: Database) -> tuple[list[str], list[str]]:
        """What the database lacks of what migrations make, and what it has instead, or beside it and to its harm."""
        expected, found = _expected(), await describe(database)
        missing = expected - found.keys()
        # What stands in the place of something, and overloads of functions. Other functions are somebody else's.
        replaced = {_subject(line) for line in missing}
        functions = {_subject(line) for line in expected if line.startswith("function ")}
        unexpected = {
            line
            for line in found.keys() - expected
            if _subject(line) in replaced | functions or (found[line] and not line.startswith("function "))
        }
        return sorted(missing), sorted(unexpected)

    async def check_version(self, database: Database) -> None:
        """Whether a database that is behind can be upgraded. Raises `Unavailable`, of which some say why not."""
        if await self._versions(database):
            return
        if closed := await closed_schema(database):
            raise ClosedSchema(*closed)
        if tables := await tables_there(database):
            missing, _ = await self._differences(database)
            raise Unversioned(tables, None if missing else self.head)

    async def _versions(self, database: Database) -> set[str]:
        try:
            return {row.version_num for row in await database.read_soon(VERSIONS, {})}
        except Unavailable as error:
            if isinstance(error.__cause__, asyncpg.UndefinedTableError):
                return set()
            raise

    async def check_encoding(self, database: Database) -> None:
        """Raises `WrongEncoding`, and `Unavailable`."""
        ((encoding,),) = await database.read(SERVER_ENCODING, {})
        if encoding != ENCODING:
            raise WrongEncoding(encoding)

    async def state(self, database: Database) -> SchemaState:
        """Whether the database has every migration. Does not wait behind requests. Raises `Unavailable`."""
        versions = await self._versions(database)
        if versions - self._known:
            return SchemaState.AHEAD
        return SchemaState.CURRENT if versions == {self.head} else SchemaState.BEHIND


def _expected() -> set[str]:
    return set(DESCRIPTION.read_text(encoding="utf-8").splitlines())


def _subject(line: str) -> str:
    """What a line describes: the kind and the name."""
    if line.startswith(("function ", "encoding ")):
        return line.partition("(")[0] if line.startswith("function ") else "encoding"
    return " ".join(line.split(" ", 3)[: 3 if line.startswith("sequence of ") else 2])


def _titles(steps: "Iterable[RevisionStep]") -> str:
    return ", ".join(f"{step.revision.revision} ({step.revision.doc.rstrip('.')})" for step in steps)


@contextmanager
def naming_refusals() -> Iterator[None]:
    """Turn what Alembic says of a revision that it does not find into `NoSuchRevision`."""
    from alembic.util import CommandError

    try:
        yield
    except CommandError as error:
        raise NoSuchRevision(str(error)) from error


class DatabaseReadiness:
    """Ready is a database that answers, has every migration, and agrees with this machine what time it is."""

    def __init__(self, database: Database, schema: Schema, clocks: ClockWatch | None = None) -> None:
        self._database, self._schema, self._clocks = database, schema, clocks

    async def check(self) -> None:
        if await self._schema.state(self._database) is SchemaState.BEHIND:
            raise SchemaBehind
        if self._clocks:
            await self._clocks.check()

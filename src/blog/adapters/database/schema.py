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
from blog.adapters.database.inspection import describe
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

    async def missing(self, database: Database) -> list[str]:
        """What a database with every migration lacks, or has otherwise, of what they make. Raises `Unavailable`.

        Its revision alone does not say so: a restore that fails in part leaves the revision and loses the rest.
        """
        expected = set(DESCRIPTION.read_text(encoding="utf-8").splitlines())
        return sorted(expected - await describe(database))

    async def check_encoding(self, database: Database) -> None:
        """Raises `WrongEncoding`, and `Unavailable`."""
        ((encoding,),) = await database.read(SERVER_ENCODING, {})
        if encoding != ENCODING:
            raise WrongEncoding(encoding)

    async def state(self, database: Database) -> SchemaState:
        """Whether the database has every migration. Does not wait behind requests. Raises `Unavailable`."""
        try:
            versions = {row.version_num for row in await database.read_soon(VERSIONS, {})}
        except asyncpg.UndefinedTableError:
            versions = set()
        if versions - self._known:
            return SchemaState.AHEAD
        return SchemaState.CURRENT if versions == {self.head} else SchemaState.BEHIND


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

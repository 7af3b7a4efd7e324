"""The migrations, and whether a database has them."""

from collections.abc import Callable
from enum import Enum
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
from alembic import command
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Select, String, column, select, table

from blog.adapters.database.engine import Database, naming_errors
from blog.domain.errors import Unavailable

PACKAGE = Path(__file__).parents[2]
VERSIONS: Select[str] = select(column("version_num", String)).select_from(table("alembic_version"))


class SchemaBehind(Unavailable):
    sentence = "The database lacks migrations. Run: blog db upgrade"


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
        script = ScriptDirectory(str(self._folder))
        self.head = script.get_current_head()
        self._known = {revision.revision for revision in script.walk_revisions()}

    def config(self, url: URL | None = None) -> Config:
        """What Alembic's commands take; `url` is the database they work on."""
        config = Config(attributes={"url": url})
        config.set_main_option("script_location", str(self._folder).replace("%", "%%"))
        return config

    def upgrade(self, url: URL | None, revision: str = "head") -> None:
        """Apply migrations. Blocks. Raises `Unavailable`, or Alembic's `CommandError` for want of such a revision."""
        with naming_errors():
            command.upgrade(self.config(url), revision)

    def downgrade(self, url: URL | None, revision: str, *, say: Callable[[str], None] = lambda _: None) -> None:
        """Take migrations back, as `upgrade` applies them. `say` is told which, and what is left, before any is."""
        config = self.config(url)
        script = ScriptDirectory.from_config(config)

        def take_back(applied: str, _: MigrationContext) -> list[RevisionStep]:
            steps = script._downgrade_revs(revision, applied)
            titles = [f"{step.revision.revision} ({step.revision.doc.rstrip('.')})" for step in steps]
            if not steps:
                say("There is nothing to take back.")
            elif left := steps[-1].to_revisions:
                say(f"Taking back {', '.join(titles)}, which leaves the schema of {', '.join(left)}.")
            else:
                say(f"Taking back {', '.join(titles)}, which leaves nothing of the blog, neither tables nor rows.")
            return steps

        # What Alembic's own `command.downgrade` does, but for the words: said here, they are of what is done.
        with naming_errors(), EnvironmentContext(config, script, fn=take_back, destination_rev=revision):
            script.run_env()

    def history(self) -> None:
        """Print the migrations, the newest first."""
        command.history(self.config())

    async def state(self, database: Database) -> SchemaState:
        """Whether the database has every migration. Raises `Unavailable`."""
        try:
            versions = {row.version_num for row in await database.read(VERSIONS, {})}
        except asyncpg.UndefinedTableError:
            versions = set()
        if versions - self._known:
            return SchemaState.AHEAD
        return SchemaState.CURRENT if versions == {self.head} else SchemaState.BEHIND


class DatabaseReadiness:
    """Ready is a database that answers and has every migration."""

    def __init__(self, database: Database, schema: Schema) -> None:
        self._database, self._schema = database, schema

    async def check(self) -> None:
        if await self._schema.state(self._database) is SchemaState.BEHIND:
            raise SchemaBehind

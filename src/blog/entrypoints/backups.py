"""What `blog backup`, `blog restore` and `blog db shell` do."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from blog.container import (
    BackupError,
    Container,
    SchemaBehind,
    SchemaState,
    backups,
    check_encoding,
    postgres_programs,
    running_database,
    schema_faults,
    schema_state,
)
from blog.settings import Settings

STANDARD_STREAM = "-"


def backup(*, file: str, force: bool) -> None:
    """Write a backup of the database in use."""
    configured = Settings.load()
    path = Path(file)
    if file != STANDARD_STREAM and path.exists() and not (force and path.is_file()):
        raise BackupError(f"{file} exists already. Name another file, or add --force to replace a file.")
    with running_database(configured, say=_say) as settings:
        programs = postgres_programs(settings, its_own=configured.database_url is None)
        if not backups.TABLES & backups.tables(programs):
            raise BackupError("The database holds no blog, so there is nothing to back up.")
        if file == STANDARD_STREAM:
            backups.save_to(programs, sys.stdout.buffer, say=_say)
            return
        backups.save(programs, path.absolute(), say=_say)
    _say(
        f"The backup is in {file} ({backups.readable_size(path.stat().st_size)}). Keep it where only you may read it."
    )


def restore(*, file: str, force: bool) -> None:
    """Put a backup in the place of the blog in the database in use."""
    configured = Settings.load()
    its_own = configured.database_url is None
    with _readable(file) as path, running_database(configured, say=_say) as settings:
        programs = postgres_programs(settings, its_own=its_own)
        archive = backups.read(programs, path)
        in_the_way = backups.tables(programs) & (backups.TABLES | archive.tables)
        if in_the_way and not force:
            raise BackupError(
                f"The database holds a blog already, or tables of the same names ({', '.join(sorted(in_the_way))}). "
                f"Restore into an empty database, or add --force to replace them."
            )
        container = Container(settings=settings)
        check_encoding(container)
        backups.restore(programs, archive, say=_say)
        state = schema_state(container)
        if state is SchemaState.BEHIND and its_own:
            container.schema().upgrade(settings.database_url, say=_say)
            state = schema_state(container)
        faults = schema_faults(container) if state is SchemaState.CURRENT else []
    if any(not fault.startswith("unexpected: ") for fault in faults):
        raise BackupError(f"The backup was restored, but is incomplete ({'; '.join(faults)}). Restore another.")
    _say("The backup is restored.")
    # It was so when the backup was made.
    for fault in faults:
        _say(fault)
    if state is SchemaState.BEHIND:
        _say(SchemaBehind.sentence)
    elif state is SchemaState.AHEAD:
        _say("A newer version of this program made the backup. Upgrade the program.")


def shell(*, arguments: Sequence[str]) -> int:
    """Open psql on the database in use."""
    configured = Settings.load()
    with running_database(configured, say=_say) as settings:
        return postgres_programs(settings, its_own=configured.database_url is None).shell(arguments)


@contextmanager
def _readable(file: str) -> Iterator[Path]:
    """Yield the file; of standard input a copy, because it is read twice."""
    if file != STANDARD_STREAM:
        path = Path(file)
        if not path.is_file():
            raise BackupError(f"There is no file {file}. Name one that `blog backup` wrote.")
        yield path.absolute()
        return
    with tempfile.NamedTemporaryFile(prefix="blog-restore-") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)


def _say(sentence: str) -> None:
    # Standard output may be the backup, or what psql finds.
    print(sentence, file=sys.stderr, flush=True)

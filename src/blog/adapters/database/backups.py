"""Backups of a database, as archives in pg_dump's custom format, which other programs can restore too."""

import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from blog.adapters.database.programs import (
    CONNECTION,
    TICK_SECONDS,
    BackupError,
    Command,
    Messages,
    PostgresPrograms,
    reason_in,
)
from blog.adapters.database.tables import metadata

Say = Callable[[str], None]

TABLES = frozenset({*metadata.tables, "alembic_version"})
"""The tables of the blog."""

LOCK_TIMEOUT = "30s"

# An older backup does not have every function of the database that it replaces.
_DROP_FUNCTIONS = r"""
DO $$
DECLARE its_name regprocedure;
BEGIN
    FOR its_name IN
        SELECT oid FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND proname LIKE 'blog\_%'
    LOOP
        EXECUTE 'DROP FUNCTION ' || its_name;
    END LOOP;
END
$$;
"""

# Before migration 0006 a function did not find another one of the blog's with an empty search_path, which is what
# pg_restore sets.
_LET_OLD_FUNCTIONS_FIND = """
DO $$
DECLARE its_name regprocedure; its_schema name;
BEGIN
    FOR its_name, its_schema IN
        SELECT pg_proc.oid, nspname FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE proname = 'blog_vector' AND prosrc LIKE '%blog_configuration(%'
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I', its_name, its_schema);
    END LOOP;
END
$$;
"""

# pg_restore sets to its default what servers before PostgreSQL 17 do not know.
_UNKNOWN_BEFORE_17 = b"SET transaction_timeout = 0;\n"
# Some servers number the versions of columns for themselves, and others refuse to be told.
_NUMBERED_COLUMN = re.compile(rb"ALTER TABLE ONLY \S+ ALTER COLUMN \S+ SET \(pg_attver=\d+\);\n")


@dataclass(frozen=True, slots=True)
class Archive:
    """A backup that can be read."""

    file: Path
    entries: tuple[str, ...]
    """Its table of contents, as pg_restore lists it."""

    @property
    def tables(self) -> frozenset[str]:
        """The names of its tables."""
        return frozenset(self._names(r"TABLE (?!DATA )\S+"))

    @property
    def qualified_tables(self) -> list[str]:
        """The same with their schemas, as SQL has them."""
        found = (re.match(r"[\d; ]+ TABLE (?!DATA )(\S+) (\S+)", entry) for entry in self.entries)
        return [f"{_quoted(entry[1])}.{_quoted(entry[2])}" for entry in found if entry]

    @property
    def extensions(self) -> list[str]:
        """The names of the extensions that it needs."""
        return self._names("EXTENSION -")

    @property
    def restorable(self) -> list[str]:
        """The entries for pg_restore.

        Extensions are left out, because a superuser may have made them and alone may drop them, and so is the schema
        `public`, which every database has.
        """
        return [entry for entry in self.entries if not re.match(r"[\d; ]+ (EXTENSION|SCHEMA - public )", entry)]

    def _names(self, kind: str) -> list[str]:
        found = (re.match(rf"[\d; ]+ {kind} (\S+)", entry) for entry in self.entries)
        return [entry[1] for entry in found if entry]


def tables(programs: PostgresPrograms) -> frozenset[str]:
    """The names of the tables in a database. Raises `BackupError`."""
    named = "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    return frozenset(programs.query(named).splitlines())


def save(programs: PostgresPrograms, file: Path, *, say: Say) -> None:
    """Write a backup of the whole database, which takes the place of the file when it is complete.

    It holds the database as it is at one moment, whatever is written meanwhile. Blocks. Raises `BackupError`.
    """
    with _replacing(file) as new, programs.start([*_dump(programs), f"--file={new}"]) as (dump, messages):
        _tell_tables(messages, size=lambda: new.stat().st_size, say=say)
        _check(dump.wait(), messages)
        read(programs, new)


def save_to(programs: PostgresPrograms, stream: IO[bytes], *, say: Say) -> None:
    """Write such a backup to a stream."""
    # Not by pg_dump itself: it would go back in a stream that is a file, and what is appended to a file stays twice.
    with programs.start(_dump(programs), stdout=subprocess.PIPE) as (dump, messages):
        assert dump.stdout  # noqa: S101 - a pipe
        copying = _Copying(dump.stdout, stream)
        _tell_tables(messages, size=lambda: copying.passed, say=say)
        copying.join()
        if copying.failure:
            raise BackupError(
                f"The backup cannot be written ({copying.failure.strerror}). Mend that, and run this again."
            )
        _check(dump.wait(), messages)


def _dump(programs: PostgresPrograms) -> Command:
    options = ["--format=custom", "--verbose", "--no-password", f"--lock-wait-timeout={LOCK_TIMEOUT}"]
    return [programs.no_older_than_server("pg_dump"), *options, f"--dbname={CONNECTION}"]


def _tell_tables(messages: Messages, *, size: Callable[[], int], say: Say) -> None:
    for line in messages:
        if table := re.search(r'dumping contents of table "(?:[^".]+\.)?([^"]+)"', line):
            say(f"Saving the table {table[1]} …")
        elif not line:
            say(f"… {readable_size(size())} so far")


def _check(exit_code: int, messages: Messages) -> None:
    if exit_code:
        raise BackupError(f"The backup was not made ({messages.reason}). Mend that, and run this again.")


class _Copying(threading.Thread):
    """Copies what a program writes."""

    def __init__(self, source: IO[bytes], target: IO[bytes]) -> None:
        super().__init__(name="backup", daemon=True)
        self._source, self._target = source, target
        self.passed = 0
        """How many bytes."""
        self.failure: OSError | None = None
        self.start()

    def run(self) -> None:
        with self._source:
            try:
                while chunk := self._source.read(2**16):
                    self._target.write(chunk)
                    self.passed += len(chunk)
                self._target.flush()
            except OSError as error:
                self.failure = error


def read(programs: PostgresPrograms, file: Path) -> Archive:
    """Read the table of contents of a backup. Blocks. Raises `BackupError`, also where it is of no blog."""
    listing = programs.run([programs.newest("pg_restore"), "--list", file])
    if listing.returncode:
        raise BackupError(
            f"{file} is no backup that can be read here ({reason_in(listing.stderr)}). Name a complete file of "
            f"`blog backup` or of `pg_dump --format=custom`."
        )
    archive = Archive(file, tuple(line for line in listing.stdout.splitlines() if line and not line.startswith(";")))
    if lacking := {"alembic_version", "articles", "users"} - archive.tables:
        raise BackupError(f"{file} is no backup of a blog: it lacks the table {min(lacking)}. Name another file.")
    return archive


def restore(programs: PostgresPrograms, archive: Archive, *, say: Say) -> None:
    """Put a backup in the place of the blog in a database, and of whatever else has the same name there.

    All of it is one transaction: until it is complete, and where it fails, the database stays as it was. Blocks.
    Raises `BackupError`.
    """
    psql: Command = [programs.psql(), "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"]
    why = ""
    with (
        _restorable(programs, archive) as pg_restore,
        programs.start([*psql, CONNECTION], stdin=subprocess.PIPE) as (target, refused),
    ):
        statements = Statements(target, older_than_17=programs.server_major() < 17)
        statements.add(_preamble(archive))
        for section, then in (("pre-data", _LET_OLD_FUNCTIONS_FIND), ("data", ""), ("post-data", "")):
            with programs.start([*pg_restore, f"--section={section}"], stdout=subprocess.PIPE) as (source, said):
                statements.add_all(source, said, say=say)
            if source.returncode:
                why = said.reason
                break
            statements.add(then)
        else:
            # Only a complete archive is committed: without this PostgreSQL takes everything back.
            statements.add("COMMIT;")
        statements.end()
        for line in refused:
            if not line:
                say("… it goes on")
    if target.returncode:
        why = refused.reason
    if why:
        raise BackupError(
            f"{archive.file} was not restored, and the database is as it was ({why}). Mend that, or restore into an "
            f"empty database."
        )
    say("Collecting statistics …")
    programs.query("ANALYZE", seconds=None)


@contextmanager
def _restorable(programs: PostgresPrograms, archive: Archive) -> Iterator[Command]:
    """Yield the command that writes the statements of an archive to standard output."""
    leave = [f"--no-{what}" for what in ("owner", "privileges", "comments", "publications", "subscriptions")]
    with tempfile.NamedTemporaryFile("w", prefix="blog-restore-") as entries:
        entries.write("\n".join(archive.restorable))
        entries.flush()
        program = programs.newest("pg_restore")
        how = ["--clean", "--if-exists", "--verbose", "--file=-", f"--use-list={entries.name}"]
        yield [program, *how, *leave, archive.file]


class Statements:
    """Statements on their way into psql, which may end at any of them."""

    def __init__(self, psql: "subprocess.Popen[bytes]", *, older_than_17: bool) -> None:
        assert psql.stdin  # noqa: S101 - a pipe
        self._target, self._unknown = psql.stdin, _UNKNOWN_BEFORE_17 if older_than_17 else b""
        self._passed = 0

    def add(self, statements: str) -> None:
        """Add some."""
        with suppress(BrokenPipeError):
            self._target.write(statements.encode() + b"\n")

    def add_all(self, source: "subprocess.Popen[bytes]", messages: Messages, *, say: Say) -> None:
        """Add what a program writes, and say how far it has come."""
        assert source.stdout  # noqa: S101 - a pipe
        copying = threading.Thread(target=self._copy, args=(source.stdout,), name="restore", daemon=True)
        copying.start()
        building = False
        for line in messages:
            if table := re.search(r'processing data for table "(?:[^".]+\.)?([^"]+)"', line):
                say(f"Loading the table {table[1]} …")
            elif not building and re.search("creating (CONSTRAINT|INDEX)", line):
                building = True
                say("Building indexes and constraints …")
            elif not line:
                say(f"… {readable_size(self._passed)} so far")
        while copying.is_alive():
            copying.join(TICK_SECONDS)
            if copying.is_alive():
                say("… it goes on")

    def end(self) -> None:
        """Add no more."""
        with suppress(BrokenPipeError):
            self._target.close()

    def _copy(self, source: IO[bytes]) -> None:
        """Copy what a program writes, without what the server does not know, which comes before any data."""
        with source, suppress(BrokenPipeError):
            for line in source:
                if line.startswith(b"COPY "):
                    self._target.write(line)
                    break
                if line != self._unknown and not _NUMBERED_COLUMN.fullmatch(line):
                    self._target.write(line)
            while chunk := source.read(2**16):
                self._target.write(chunk)
                self._passed += len(chunk)


def _preamble(archive: Archive) -> str:
    """What comes before the archive's own statements, in the same transaction."""
    extensions = "".join(f"CREATE EXTENSION IF NOT EXISTS {_quoted(name)};\n" for name in archive.extensions)
    # In one statement, because they refer to one another.
    tables = ", ".join([*sorted(TABLES), *archive.qualified_tables])
    return (
        f"BEGIN;\nSET LOCAL client_min_messages = warning;\nSET LOCAL lock_timeout = '{LOCK_TIMEOUT}';\n"
        f"{extensions}DROP TABLE IF EXISTS {tables};\n{_DROP_FUNCTIONS}"
    )


@contextmanager
def _replacing(file: Path) -> Iterator[Path]:
    """Yield a new file, which takes the place of this one in the end, whole and on the disk. Or nothing is left."""
    try:
        # Nobody else may read it: it holds e-mail addresses and hashes of passwords.
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name[:100]}.")
        new = Path(name)
        try:
            yield new
            os.fsync(descriptor)
            new.replace(file)
        finally:
            os.close(descriptor)
            new.unlink(missing_ok=True)
    except OSError as error:
        raise BackupError(
            f"{file} cannot be written ({error.strerror}). Name a file in a folder that exists, has room and lets "
            f"this user write."
        ) from error


def _quoted(name: str) -> str:
    return f'"{name}"'


def readable_size(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / 10**6:,.1f} MB" if size >= 10**6 else f"{size / 1000:,.0f} kB"

"""Backups of a database, as archives in pg_dump's custom format, which other programs can restore too."""

import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
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
from blog.adapters.database.schema import DESCRIPTION
from blog.adapters.database.tables import metadata

Say = Callable[[str], None]

TABLES = frozenset({*metadata.tables, "alembic_version"})
"""The tables of the blog."""

LOCK_TIMEOUT = "30s"
_PSQL_REFUSED = 3  # psql's exit code where PostgreSQL refuses a statement

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
    def extensions(self) -> list[str]:
        """The names of the extensions that it needs."""
        return self._names("EXTENSION -")

    @property
    def shared(self) -> list[str]:
        """The entries of what others may have made and may use: extensions and schemas. None of it is dropped."""
        return [entry for entry in self.entries if re.match(r"[\d; ]+ (EXTENSION|SCHEMA) ", entry)]

    @property
    def own(self) -> list[str]:
        """All other entries."""
        return [entry for entry in self.entries if entry not in set(self.shared)]

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
        raise BackupError(f"The backup was not made ({messages.reason(exit_code)}). Mend that, and run this again.")


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
    _check_extensions(programs, archive)
    psql: Command = [programs.psql(), "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"]
    why, committing = "", False
    with (
        _listed(archive.own) as own,
        programs.start([*psql, CONNECTION], stdin=subprocess.PIPE) as (target, refused),
    ):
        pg_restore = [*_pg_restore(programs), f"--use-list={own}", archive.file]
        statements = Statements(target, older_than_17=programs.server_major() < 17)
        statements.add(_preamble(programs, archive, pg_restore))
        for section, then in (("pre-data", _LET_OLD_FUNCTIONS_FIND), ("data", ""), ("post-data", "")):
            command = [*pg_restore, "--verbose", f"--section={section}"]
            with programs.start(command, stdout=subprocess.PIPE) as (source, said):
                statements.add_all(source, said, say=say)
            # Of a closed pipe it dies where psql has refused something.
            if source.returncode:
                why = "" if source.returncode == -signal.SIGPIPE else said.reason(source.returncode)
                break
            statements.add(then)
        else:
            # Only a complete archive is committed: without this PostgreSQL takes everything back.
            committing = True
            statements.add("COMMIT;")
        statements.end()
        for line in refused:
            if not line:
                say("… it goes on")
    if target.returncode and committing and target.returncode != _PSQL_REFUSED:
        raise BackupError(
            f"Nobody knows whether {archive.file} was restored ({refused.reason(target.returncode)}): the connection "
            f"ended while PostgreSQL was told to keep it. Look at the database with blog db shell."
        )
    if target.returncode or not committing:
        why = why or refused.reason(target.returncode)
        raise BackupError(
            f"{archive.file} was not restored, and the database is as it was ({why}). Mend that, or restore into an "
            f"empty database."
        )
    say("Collecting statistics …")
    try:
        programs.query("ANALYZE", seconds=None)
    except BackupError:
        say("PostgreSQL did not collect statistics now. It does so later.")


def _pg_restore(programs: PostgresPrograms) -> Command:
    """The command that writes statements to standard output."""
    leave = [f"--no-{what}" for what in ("owner", "privileges", "comments", "publications", "subscriptions")]
    return [programs.newest("pg_restore"), "--file=-", *leave]


@contextmanager
def _listed(entries: Sequence[str]) -> Iterator[str]:
    """Yield the name of a file with these entries of a table of contents."""
    with tempfile.NamedTemporaryFile("w", prefix="blog-restore-") as file:
        file.write("\n".join(entries))
        file.flush()
        yield file.name


def _preamble(programs: PostgresPrograms, archive: Archive, pg_restore: Command) -> str:
    """What comes before the archive's own statements, in the same transaction."""
    # In the order in which they may be dropped, and with their names as SQL has them.
    drops = _written(programs, [*pg_restore, "--clean", "--if-exists", "--schema-only"]).partition("--\n-- Name: ")[0]
    with _listed(archive.shared) as shared:
        command = [*_pg_restore(programs), f"--use-list={shared}", archive.file]
        makes = _written(programs, command)
    for schema in programs.query("SELECT quote_ident(nspname) FROM pg_namespace").splitlines():
        makes = makes.replace(f"\nCREATE SCHEMA {schema};\n", "\n")
    newer = ", ".join(sorted(TABLES - archive.tables))
    # Who owned the blog goes on owning it, though somebody else, a superuser for example, restores it.
    owner = programs.query(
        "SELECT quote_ident(tableowner) FROM pg_tables WHERE tablename = 'alembic_version' LIMIT 1"
    )
    functions = re.findall(
        r"^function (blog_\w+\(.*?\)) returns", DESCRIPTION.read_text(encoding="utf-8"), re.MULTILINE
    )
    return "\n".join(
        [
            f"BEGIN; SET LOCAL client_min_messages = warning; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';",
            f"SET LOCAL ROLE {owner};" if owner else "",
            # What a newer version has added refers to the rest.
            f"DROP TABLE IF EXISTS {newer};" if newer else "",
            _known(drops, programs),
            "RESET search_path;",
            *(f"DROP FUNCTION IF EXISTS {function};" for function in functions),
            _known(makes, programs),
        ]
    )


def _known(statements: str, programs: PostgresPrograms) -> str:
    """Without a setting that the server does not know, and without what only psql knows."""
    if programs.server_major() < 17:
        statements = statements.replace(_UNKNOWN_BEFORE_17.decode(), "")
    return re.sub(r"^\\(un)?restrict .*$", "", statements, flags=re.MULTILINE)


def _written(programs: PostgresPrograms, command: Command) -> str:
    ran = programs.run(command)
    if ran.returncode:
        raise BackupError(f"The backup cannot be read ({reason_in(ran.stderr)}). Name another file.")
    return ran.stdout


def _check_extensions(programs: PostgresPrograms, archive: Archive) -> None:
    """Refuse a database that has an extension in another schema than the archive, which would not find it there."""
    with _listed(archive.shared) as shared:
        makes = _written(programs, [*_pg_restore(programs), f"--use-list={shared}", archive.file])
    wanted = dict(re.findall(r'^CREATE EXTENSION IF NOT EXISTS "?([^" ]+)"? WITH SCHEMA (.+);$', makes, re.MULTILINE))
    there = "SELECT quote_ident(extname), extnamespace::regnamespace FROM pg_extension"
    for line in programs.query(there).splitlines():
        name, _, schema = line.partition("|")
        if wanted.get(name, schema) != schema:
            raise BackupError(
                f"The extension {name} is in the schema {schema} of the database, and in {wanted[name]} in the "
                f"backup. Move it, with ALTER EXTENSION {name} SET SCHEMA {wanted[name]}, or restore into another "
                f"database."
            )


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


@contextmanager
def _replacing(file: Path) -> Iterator[Path]:
    """Yield a new file, which takes the place of this one in the end, whole and on the disk. Or nothing is left."""
    file = file.resolve()  # A link stays one.
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


def readable_size(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / 10**6:,.1f} MB" if size >= 10**6 else f"{size / 1000:,.0f} kB"

"""What a database consists of, what its sequences and rights are, and how much room it has for connections."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Select,
    String,
    TextClause,
    column,
    func,
    literal_column,
    select,
    table,
    text,
)

from blog.adapters.database.engine import Database, Row
from blog.adapters.database.tables import metadata

# Sequences are found first, because PostgreSQL fails if it asks for the right to a sequence of what is none.
_TABLES = """
    WITH tables AS (
        SELECT oid, relname, relrowsecurity, relforcerowsecurity, relpersistence FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
            AND relname = ANY (CAST(:tables AS text[]))
    ),
    sequences AS MATERIALIZED (
        SELECT pg_class.oid, tables.relname AS owner, attname, pg_class.relname, relpersistence = 'u' AS unlogged,
            pg_sequence.*
        FROM (SELECT oid, relname FROM tables) AS tables
            JOIN pg_depend ON refobjid = tables.oid AND refclassid = 'pg_class'::regclass
                AND classid = 'pg_class'::regclass AND deptype = 'i'
            JOIN pg_class ON pg_class.oid = objid
            JOIN pg_sequence ON seqrelid = objid
            JOIN pg_attribute ON attrelid = tables.oid AND attnum = refobjsubid
    )
"""


def _ask(question: str) -> TextClause:
    """A question about the blog's tables and their sequences."""
    return text(_TABLES + question)


# Of the schema that the blog's tables are in. Names in definitions are without it, wherever it is. Constraints of NOT
# NULL are left out, because PostgreSQL keeps them only from version 18 on: columns say the same. Left out are storage
# parameters of indexes, too: they are up to whoever runs the database.
_DESCRIPTION = _ask(
    r"""
    SELECT 'encoding ' || pg_encoding_to_char(encoding) AS line, false AS telling
    FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT 'extension ' || extname, false FROM pg_extension
    UNION ALL
    SELECT concat_ws(
        ' ', 'column', relname || '.' || attname, format_type(atttypid, atttypmod),
        CASE WHEN attcollation <> typcollation THEN 'collated ' || collname END,
        CASE WHEN attnotnull THEN 'not null' END,
        CASE attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
        CASE WHEN attgenerated <> '' THEN 'generated as' WHEN atthasdef THEN 'default' END,
        pg_get_expr(adbin, adrelid)
    ), attnotnull AND NOT atthasdef AND attidentity = ''
    FROM tables
        JOIN pg_attribute ON attrelid = tables.oid
        JOIN pg_type ON pg_type.oid = atttypid
        LEFT JOIN pg_collation ON pg_collation.oid = attcollation
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT concat_ws(
        ' ', 'sequence of', owner || '.' || attname, format_type(seqtypid, NULL),
        'from', seqmin, 'to', seqmax, 'by', seqincrement, CASE WHEN seqcycle THEN 'and again' END,
        CASE WHEN unlogged THEN 'unlogged' END
    ), false
    FROM sequences
    UNION ALL
    SELECT concat_ws(
        ' ', 'constraint', conname, 'on', relname, pg_get_constraintdef(pg_constraint.oid),
        CASE WHEN EXISTS (SELECT FROM pg_trigger WHERE tgconstraint = pg_constraint.oid AND tgenabled IN ('D', 'R'))
            THEN 'disabled' END,
        CASE WHEN NOT (indisvalid AND indisready) THEN 'with an index that is not valid' END
    ), true
    FROM tables
        JOIN pg_constraint ON conrelid = tables.oid
        LEFT JOIN pg_index ON indexrelid = conindid AND contype IN ('p', 'u', 'x')
    WHERE contype NOT IN ('n', 't')
    UNION ALL
    SELECT concat_ws(
        ' ', 'index', class.relname, 'on', tables.relname,
        regexp_replace(
            regexp_replace(pg_get_indexdef(indexrelid), '^CREATE (UNIQUE )?INDEX .* USING ', '\1'),
            CASE WHEN class.reloptions IS NULL THEN '^$' ELSE ' WITH \([a-z_.]+=[^()]*\)' END, ''
        ),
        CASE WHEN NOT (indisvalid AND indisready) THEN 'not valid' END
    ), indisunique
    FROM tables
        JOIN pg_index ON indrelid = tables.oid
        JOIN pg_class AS class ON class.oid = indexrelid
    WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT concat_ws(
        ' ', 'function', proname || '(' || pg_get_function_identity_arguments(pg_proc.oid) || ')',
        'returns', format_type(prorettype, NULL), provolatile, proparallel,
        CASE WHEN proisstrict THEN 'strict' END, CASE WHEN prosecdef THEN 'as its owner' END, proconfig, md5(prosrc)
    ), true
    FROM pg_proc
    WHERE pronamespace = current_schema()::regnamespace AND proname LIKE 'blog\_%'
    UNION ALL
    SELECT concat_ws(' ', 'trigger', tgname, 'on', relname), true
    FROM tables JOIN pg_trigger ON tgrelid = tables.oid WHERE NOT tgisinternal AND tgenabled <> 'D'
    UNION ALL
    SELECT concat_ws(' ', 'rule', rulename, 'on', relname), true
    FROM tables JOIN pg_rewrite ON ev_class = tables.oid WHERE ev_enabled <> 'D'
    UNION ALL
    SELECT concat_ws(' ', 'policy', polname, 'on', relname), true
    FROM tables JOIN pg_policy ON polrelid = tables.oid
    UNION ALL
    SELECT concat_ws(
        ' ', 'row level security on', relname, CASE WHEN relrowsecurity THEN 'enabled' END,
        CASE WHEN relforcerowsecurity THEN 'forced' END
    ), true
    FROM tables WHERE relrowsecurity OR relforcerowsecurity
    UNION ALL
    SELECT 'unlogged table ' || relname, true FROM tables WHERE relpersistence = 'u'
"""
).columns(column("line", String), column("telling", Boolean))

_TABLES_THERE = _ask("SELECT relname FROM tables ORDER BY relname").columns(column("relname", String))

# Schemas of the search path that cannot be looked into are as if they were not there.
_CLOSED = text("""
    SELECT nspname, quote_ident(current_user) AS role
    FROM pg_namespace JOIN pg_class ON relnamespace = pg_namespace.oid
    WHERE relname = 'alembic_version' AND NOT has_schema_privilege(pg_namespace.oid, 'USAGE') AND nspname = ANY (
        string_to_array(replace(replace(current_setting('search_path'), '"', ''), '$user', current_user), ', ')
    )
""").columns(column("nspname", String), column("role", String))

_RIGHTS = _ask(
    """
    SELECT privilege || ' on the table ' || relname AS line
    FROM tables CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
    WHERE NOT has_table_privilege(oid, privilege)
    UNION ALL
    SELECT 'USAGE on the sequence ' || relname FROM sequences WHERE NOT has_sequence_privilege(oid, 'USAGE')
    UNION ALL
    SELECT 'EXECUTE on the function ' || proname FROM pg_proc
    WHERE pronamespace = current_schema()::regnamespace AND proname = ANY (CAST(:functions AS text[]))
        AND NOT has_function_privilege(oid, 'EXECUTE')
"""
).columns(column("line", String))

_READ_ONLY = text("SELECT current_setting('default_transaction_read_only') AS value").columns(column("value", String))

_SEQUENCES = _ask(
    """
    SELECT oid::bigint AS id, owner, attname, relname, seqincrement, seqmax,
        has_sequence_privilege(oid, 'SELECT') AS open
    FROM sequences
    WHERE has_sequence_privilege(oid, 'USAGE, SELECT') AND has_column_privilege(owner, attname, 'SELECT')
    ORDER BY owner
"""
)


def _named() -> dict[str, Any]:
    return {"tables": list(metadata.tables)}


async def describe(database: Database) -> dict[str, bool]:
    """What the database consists of, a line each, and whether the line tells of a fault where it is not expected.

    Of tables, these are the blog's alone. What is no fault there: a further index that is not unique, and a further
    column that can be left out. Raises `Unavailable`.
    """
    return {row.line: row.telling for row in await database.read(_DESCRIPTION, _named())}


async def tables_there(database: Database) -> list[str]:
    """Which of the blog's tables there are. Raises `Unavailable`."""
    return [row.relname for row in await database.read(_TABLES_THERE, _named())]


async def closed_schema(database: Database) -> tuple[str, str] | None:
    """A schema with a blog that the user of this database may not use, and that user. Raises `Unavailable`."""
    return next(((row.nspname, row.role) for row in await database.read(_CLOSED, {})), None)


async def rights_missing(database: Database, functions: Iterable[str]) -> list[str]:
    """What the user of this database may not do and has to. Raises `Unavailable`."""
    return [row.line for row in await database.read(_RIGHTS, _named() | {"functions": sorted(functions)})]


async def reads_only(database: Database) -> bool:
    """Whether transactions may write nothing unless they ask for it. Raises `Unavailable`."""
    ((value,),) = await database.read(_READ_ONLY, {})
    return bool(value == "on")


async def sequences_behind(database: Database) -> list[str]:
    """The sequences whose next number is taken or beyond their end, and why. Raises `Unavailable`."""
    faults = []
    for found in await database.read(_SEQUENCES, _named()):
        ((last, called, greatest),) = await database.read(_position(found), {})
        subject = f"sequence of {found.owner}.{found.attname}"
        if last is None:
            # Who may use a sequence and not read it is told where it is once it has been used.
            if greatest is not None:
                faults.append(f"{subject} was never used, and there is {greatest}")
            continue
        following = last + found.seqincrement if called else last
        if greatest is not None and following <= greatest:
            faults.append(f"{subject} goes on with {following}, and there is {greatest}")
        elif following > found.seqmax:
            faults.append(f"{subject} has come to its end, {found.seqmax}")
    return faults


def _position(found: Row) -> Select[Any]:
    """Where a sequence is and the greatest number in its column, at once: others may be drawing from it."""
    greatest = select(func.max(column(found.attname))).select_from(table(found.owner)).scalar_subquery()
    if found.open:
        where = select(column("last_value"), column("is_called"), greatest.label("greatest"))
        return where.select_from(table(found.relname))
    last: ColumnElement[int] = literal_column(f"pg_sequence_last_value({found.id:d}::oid::regclass)")
    return select(last.label("last_value"), literal_column("true").label("is_called"), greatest.label("greatest"))


@dataclass(frozen=True, slots=True)
class Room:
    """How many connections PostgreSQL has for the user of this database, and how many of them others have now."""

    connections: int
    taken: int


# Roles and databases may have a limit of their own; of others' sessions, anyone may know that they are there.
_ROOM = text("""
    WITH sessions AS (
        SELECT datid, usesysid FROM pg_stat_activity WHERE usesysid IS NOT NULL AND pid <> pg_backend_pid()
    ),
    limits AS (
        SELECT
            current_setting('max_connections')::int - CASE WHEN rolsuper THEN 0 ELSE
                current_setting('superuser_reserved_connections')::int
                + coalesce(nullif(current_setting('reserved_connections', true), '')::int, 0)
            END AS most,
            (SELECT count(*) FROM sessions) AS taken
        FROM pg_roles WHERE rolname = current_user
        UNION ALL
        SELECT rolconnlimit, (SELECT count(*) FROM sessions WHERE usesysid = pg_roles.oid)
        FROM pg_roles WHERE rolname = current_user AND rolconnlimit >= 0
        UNION ALL
        SELECT datconnlimit, (SELECT count(*) FROM sessions WHERE datid = pg_database.oid)
        FROM pg_database WHERE datname = current_database() AND datconnlimit >= 0
    )
    SELECT most, taken FROM limits ORDER BY most - taken LIMIT 1
""")


async def room(database: Database) -> Room:
    """Where there is the least room: on the server, for the user, in the database. Raises `Unavailable`."""
    ((most, taken),) = await database.read(_ROOM, {})
    return Room(most, taken)

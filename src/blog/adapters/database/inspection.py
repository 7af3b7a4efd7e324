"""What a database consists of: columns, constraints, indexes, functions, extensions and the encoding."""

from dataclasses import dataclass

from sqlalchemy import String, column, text

from blog.adapters.database.engine import Database

# Of the schema that the blog's tables are in. Names in definitions are without it, wherever it is. Constraints of NOT
# NULL are left out, because PostgreSQL keeps them only from version 18 on: columns say the same.
_DESCRIPTION = text(r"""
    WITH tables AS (
        SELECT oid, relname FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND relname <> 'alembic_version'
    )
    SELECT 'encoding ' || pg_encoding_to_char(encoding) AS line FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT 'extension ' || extname FROM pg_extension
    UNION ALL
    SELECT concat_ws(
        ' ', 'column', relname || '.' || attname, format_type(atttypid, atttypmod),
        CASE WHEN attcollation <> typcollation THEN 'collated ' || collname END,
        CASE WHEN attnotnull THEN 'not null' END,
        CASE attidentity WHEN 'a' THEN 'identity' WHEN 'd' THEN 'identity' END,
        CASE WHEN attgenerated = 's' THEN 'generated as' WHEN atthasdef THEN 'default' END,
        pg_get_expr(adbin, adrelid)
    )
    FROM tables
        JOIN pg_attribute ON attrelid = tables.oid
        JOIN pg_type ON pg_type.oid = atttypid
        LEFT JOIN pg_collation ON pg_collation.oid = attcollation
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT concat_ws(
        ' ', 'constraint', conname, 'on', relname, pg_get_constraintdef(pg_constraint.oid),
        CASE WHEN EXISTS (SELECT FROM pg_trigger WHERE tgconstraint = pg_constraint.oid AND tgenabled = 'D')
            THEN 'disabled' END
    )
    FROM tables JOIN pg_constraint ON conrelid = tables.oid
    WHERE contype <> 'n'
    UNION ALL
    SELECT concat_ws(
        ' ', 'index', class.relname, 'on', tables.relname,
        regexp_replace(pg_get_indexdef(indexrelid), '^CREATE (UNIQUE )?INDEX .* USING ', '\1'),
        CASE WHEN NOT (indisvalid AND indisready) THEN 'not valid' END
    )
    FROM tables
        JOIN pg_index ON indrelid = tables.oid
        JOIN pg_class AS class ON class.oid = indexrelid
    WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT concat_ws(
        ' ', 'function', proname || '(' || pg_get_function_identity_arguments(pg_proc.oid) || ')',
        'returns', format_type(prorettype, NULL), provolatile, proparallel, proconfig, md5(prosrc)
    )
    FROM pg_proc
    WHERE pronamespace = current_schema()::regnamespace AND proname LIKE 'blog\_%'
""").columns(column("line", String))


async def describe(database: Database) -> set[str]:
    """What the database consists of, a line each. Raises `Unavailable`."""
    return {row.line for row in await database.read(_DESCRIPTION, {})}


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

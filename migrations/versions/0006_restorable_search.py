"""What searching reads, without a look at search_path, so that a backup can be restored.

PostgreSQL works it out again when a dump is restored and when rows are replicated, both with an empty search_path.
There the function did not find blog_configuration, and every article was lost. The words stay the same, so no row
is written again.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0006"
down_revision: str | Sequence[str] | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# The same choice as that of blog_configuration, which queries call. A call from here would need the name of its
# schema, which the blog does not know.
STEMS = """CASE split_part(lower(coalesce(language, 'en')), '-', 1)
        WHEN 'en' THEN 'pg_catalog.english'::regconfig
        WHEN 'da' THEN 'pg_catalog.danish'::regconfig
        WHEN 'de' THEN 'pg_catalog.german'::regconfig
        WHEN 'es' THEN 'pg_catalog.spanish'::regconfig
        WHEN 'fi' THEN 'pg_catalog.finnish'::regconfig
        WHEN 'fr' THEN 'pg_catalog.french'::regconfig
        WHEN 'it' THEN 'pg_catalog.italian'::regconfig
        WHEN 'nl' THEN 'pg_catalog.dutch'::regconfig
        WHEN 'no' THEN 'pg_catalog.norwegian'::regconfig
        WHEN 'pt' THEN 'pg_catalog.portuguese'::regconfig
        WHEN 'ru' THEN 'pg_catalog.russian'::regconfig
        WHEN 'sv' THEN 'pg_catalog.swedish'::regconfig
        ELSE 'pg_catalog.simple'::regconfig
    END"""

VECTOR = """
CREATE OR REPLACE FUNCTION blog_vector(language text, title text, summary text, tags text[], content text)
RETURNS tsvector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    stems regconfig := {stems};
    second text := coalesce(summary, '') || ' , ' || array_to_string(tags, ' , ');
    head tsvector :=
        setweight(to_tsvector('pg_catalog.simple', title) || to_tsvector(stems, title), 'A')
        || setweight(to_tsvector('pg_catalog.simple', second) || to_tsvector(stems, second), 'B');
BEGIN
    RETURN head || to_tsvector('pg_catalog.simple', content) || to_tsvector(stems, content);
EXCEPTION WHEN program_limit_exceeded THEN
    RETURN head || to_tsvector('pg_catalog.simple', left(content, 20000)) || to_tsvector(stems, left(content, 20000));
END
$$
"""


def upgrade() -> None:
    op.execute(VECTOR.format(stems=STEMS))


def downgrade() -> None:
    op.execute(VECTOR.format(stems="blog_configuration(language)"))

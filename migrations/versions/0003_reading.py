"""The language of articles, what searching reads, and lists in every order."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | Sequence[str] | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Keys of indexes, each before the id, and of which articles; the first holds beside them what counting reads.
PARTIAL = {
    "out_created_at": (["created_at"], "publish_at IS NOT NULL"),
    "out_updated_at": (["updated_at"], "publish_at IS NOT NULL"),
    "out_published_at": (["published_at"], "published_at IS NOT NULL"),
    "featured_created_at": (["created_at"], "featured"),
    "known_language_created_at": (["language", "created_at"], "language IS NOT NULL"),
}
COUNTED = {"out_created_at": ["publish_at", "unpublish_at"]}

# How PostgreSQL calls what it knows of a language.
CONFIGURATION = """
CREATE FUNCTION blog_configuration(language text) RETURNS regconfig
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE split_part(lower(coalesce(language, 'en')), '-', 1)
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
    END
$$
"""

# Every word as it stands and as its language makes of it; titles weigh most, then summaries and tags. A vector has at
# most a megabyte: of a text that has more different words than that, only the beginning is found.
VECTOR = """
CREATE FUNCTION blog_vector(language text, title text, summary text, tags text[], content text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    stems regconfig := blog_configuration(language);
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
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute(CONFIGURATION)
    op.execute(VECTOR)
    op.add_column("articles", sa.Column("language", sa.String(35), nullable=True))
    op.add_column(
        "articles",
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed("blog_vector(language, title, summary, tags, content)", persisted=True),
            nullable=True,
        ),
    )
    op.create_index("ix_articles_search", "articles", ["search"], postgresql_using="gin")
    op.create_index(
        "ix_articles_title", "articles", ["title"], postgresql_using="gin", postgresql_ops={"title": "gin_trgm_ops"}
    )
    op.drop_index("ix_articles_publish_at_created_at_id", "articles")
    for name, (keys, condition) in PARTIAL.items():
        op.create_index(
            f"ix_articles_{name}_id",
            "articles",
            [*keys, "id"],
            postgresql_where=sa.text(condition),
            postgresql_include=COUNTED.get(name),
        )
    op.create_index("ix_articles_updated_at_id", "articles", ["updated_at", "id"])
    op.create_index("ix_articles_author_id_created_at_id", "articles", ["author_id", "created_at", "id"])
    op.drop_index("ix_articles_author_id", "articles")


def downgrade() -> None:
    op.create_index("ix_articles_author_id", "articles", ["author_id"])
    for name in ("author_id_created_at", "updated_at", *PARTIAL):
        op.drop_index(f"ix_articles_{name}_id", "articles")
    op.create_index(
        "ix_articles_publish_at_created_at_id",
        "articles",
        ["created_at", "id"],
        postgresql_where=sa.text("publish_at IS NOT NULL"),
    )
    op.drop_index("ix_articles_title", "articles")
    op.drop_index("ix_articles_search", "articles")
    op.drop_column("articles", "search")
    op.drop_column("articles", "language")
    op.execute("DROP FUNCTION blog_vector(text, text, text, text[], text)")
    op.execute("DROP FUNCTION blog_configuration(text)")
    op.execute("DROP EXTENSION IF EXISTS pg_trgm")

"""Where an article is out, worked out by a function: planning it with each list took longer than the list."""

from collections.abc import Sequence

from alembic import op

revision: str = "0004"
down_revision: str | Sequence[str] | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# The slug of an article that came out by itself: with its id for a number if another has or had that before.
SLUG = """
CREATE FUNCTION blog_slug(its_id bigint, its_slug text, its_publish_at timestamptz, moment timestamptz) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    number text := '-0' || its_id;
BEGIN
    IF EXISTS (
        SELECT FROM slugs WHERE slug = its_slug COLLATE "C" AND article_id IS DISTINCT FROM its_id
    ) OR EXISTS (
        SELECT FROM articles
        WHERE slug = its_slug AND publish_at > updated_at AND address IS DISTINCT FROM slug
            AND publish_at <= moment AND (publish_at, id) < (its_publish_at, its_id)
    ) THEN
        RETURN rtrim(left(its_slug, 100 - length(number)), '-') || number;
    END IF;
    RETURN its_slug;
END
$$
"""


def upgrade() -> None:
    op.execute(SLUG)


def downgrade() -> None:
    op.execute("DROP FUNCTION blog_slug(bigint, text, timestamptz, timestamptz)")

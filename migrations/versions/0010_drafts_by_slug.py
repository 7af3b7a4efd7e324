"""Articles by the slugs that they have not taken yet, for their authors. An older program goes on with it."""

from collections.abc import Sequence

import sqlalchemy as sa

from blog.adapters.database.migrating import build_index, drop_index

revision: str = "0010"
down_revision: str | Sequence[str] | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    build_index(
        "ix_articles_unclaimed_author_id_slug_id",
        "articles",
        ["author_id", "slug", "id"],
        postgresql_where=sa.text("address IS DISTINCT FROM slug"),
    )


def downgrade() -> None:
    drop_index("ix_articles_unclaimed_author_id_slug_id", "articles")

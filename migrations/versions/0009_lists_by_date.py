"""Lists by the date when an article was published, or else created.

An older program goes on with it, but lists of what is featured and of an author take it longer.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from blog.adapters.database.migrating import build_index, drop_index

revision: str = "0009"
down_revision: str | Sequence[str] | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

DATE = sa.text("COALESCE(published_at, created_at)")
OUT, FEATURED = sa.text("publish_at IS NOT NULL"), sa.text("featured")


def upgrade() -> None:
    build_index("ix_articles_date_id", "articles", [DATE, "id"])
    build_index("ix_articles_out_date_id", "articles", [DATE, "id"], postgresql_where=OUT)
    build_index("ix_articles_featured_date_id", "articles", [DATE, "id"], postgresql_where=FEATURED)
    build_index("ix_articles_author_id_date_id", "articles", ["author_id", DATE, "id"])
    for name in ("featured", "author_id"):
        drop_index(f"ix_articles_{name}_created_at_id", "articles")


def downgrade() -> None:
    build_index("ix_articles_featured_created_at_id", "articles", ["created_at", "id"], postgresql_where=FEATURED)
    build_index("ix_articles_author_id_created_at_id", "articles", ["author_id", "created_at", "id"])
    for name in ("", "out_", "featured_", "author_id_"):
        drop_index(f"ix_articles_{name}date_id", "articles")

"""An index by which a language range finds its articles, without case: `en` finds `en-GB`.

An older program goes on with it, but its lists of one language take longer.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from blog.adapters.database.migrating import build_index, drop_index

revision: str = "0011"
down_revision: str | Sequence[str] | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    build_index("ix_articles_language", "articles", [sa.text('lower(language COLLATE "C")')])
    drop_index("ix_articles_known_language_created_at_id", "articles")


def downgrade() -> None:
    build_index(
        "ix_articles_known_language_created_at_id",
        "articles",
        ["language", "created_at", "id"],
        postgresql_where="language IS NOT NULL",
    )
    drop_index("ix_articles_language", "articles")

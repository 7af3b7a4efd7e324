"""Searching what was written last first, so that a search of many articles takes what one of few does."""

from collections.abc import Sequence

import sqlalchemy as sa

from blog.adapters.database.migrating import replace_index

revision: str = "0005"
down_revision: str | Sequence[str] | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    # Which 8,192 ids an article's is one of, in an array, for which no extension is needed.
    section = sa.text("(ARRAY[id >> 13])")
    replace_index("ix_articles_search", "articles", ["search", section], postgresql_using="gin")


def downgrade() -> None:
    replace_index("ix_articles_search", "articles", ["search"], postgresql_using="gin")

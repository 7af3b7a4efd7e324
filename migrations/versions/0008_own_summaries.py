"""Summaries that nobody wrote are derived again.

Replies used to show how a text begins in the place of a summary, and an edit that sent that back made it the summary:
from then on it did not follow the text. Such a summary still says what would be derived, unless the text was changed
since, and then nobody can tell it from one that its author wrote. An older program goes on with it.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from blog.adapters.database.migrating import without_stopping_anyone

revision: str = "0008"
down_revision: str | Sequence[str] | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Some hundred articles at a time, each part a transaction of its own: nobody waits for all of them. The revisions of
# the same text are changed with their article, so that a version says the same in both.
MEND = sa.text("""
    WITH part AS (
        SELECT id FROM articles WHERE id > :last ORDER BY id LIMIT 500
    ), mended AS (
        UPDATE articles SET summary = NULL
        WHERE id IN (SELECT id FROM part) AND summary = excerpt
        RETURNING id, content, excerpt
    ), revised AS (
        UPDATE revisions SET summary = NULL FROM mended
        WHERE revisions.article_id = mended.id AND revisions.summary = mended.excerpt
            AND revisions.content = mended.content
    ), copied AS (
        UPDATE working_copies SET summary = NULL
        WHERE article_id IN (SELECT id FROM part) AND summary = excerpt
    )
    SELECT max(id) FROM part
""")


def upgrade() -> None:
    with without_stopping_anyone():
        last: int | None = 0
        while last is not None:
            last = op.get_bind().scalar(MEND, {"last": last})


def downgrade() -> None:
    """Leave the summaries as they are: an older program derives them, too."""

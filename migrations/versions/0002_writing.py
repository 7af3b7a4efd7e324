"""Slugs, Markdown, tags, times of publication, revisions, working copies, previews and replies that are remembered.

An older program does not run on what this makes: stop it before. The text of articles that are there was plain, so it
is shown as such until somebody saves it as Markdown.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | Sequence[str] | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def manuscript() -> list[sa.Column[Any]]:
    return [
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("summary", sa.String(500), nullable=True),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("cover_image_url", sa.String(2000), nullable=True),
        sa.Column("cover_image_alt", sa.String(500), nullable=True),
        sa.Column("canonical_url", sa.String(2000), nullable=True),
    ]


def upgrade() -> None:
    for column in (
        *manuscript()[2:],
        sa.Column("content_html", sa.Text()),
        sa.Column("excerpt", sa.String(201)),
        sa.Column("word_count", sa.Integer()),
        sa.Column("tag_keys", postgresql.ARRAY(sa.Text())),
        sa.Column("slug", sa.String(100)),
        sa.Column("address", sa.String(100)),
        sa.Column("featured", sa.Boolean()),
        sa.Column("publish_at", sa.DateTime(timezone=True)),
        sa.Column("unpublish_at", sa.DateTime(timezone=True)),
        sa.Column("published_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.Integer()),
        sa.Column("edition", sa.String(32)),
        sa.Column("text_version", sa.Integer()),
    ):
        column.nullable = True
        op.add_column("articles", column)
    op.execute(r"""
        UPDATE articles SET
            tags = '{}',
            content_html = '<pre>'
                || replace(replace(replace(content, '&', '&amp;'), '<', '&lt;'), '>', '&gt;') || '</pre>',
            excerpt = left(btrim(regexp_replace(content, '\s+', ' ', 'g')), 200),
            word_count = array_length(regexp_split_to_array(btrim(regexp_replace(content, '\s+', ' ', 'g')), ' '), 1),
            tag_keys = '{}',
            slug = coalesce(
                nullif(btrim(left(regexp_replace(lower(title), '[^a-z0-9]+', '-', 'g'), 80), '-'), ''), 'article'
            ) || '-' || id,
            featured = false,
            publish_at = CASE WHEN published THEN created_at END,
            published_at = CASE WHEN published THEN created_at END,
            version = 1,
            edition = '1-' || substr(md5(random()::text), 1, 12),
            text_version = 1
    """)
    op.execute("UPDATE articles SET address = slug WHERE published")
    for name in (
        "tags",
        "content_html",
        "excerpt",
        "word_count",
        "tag_keys",
        "slug",
        "featured",
        "version",
        "edition",
    ):
        op.alter_column("articles", name, nullable=False)
    op.alter_column("articles", "text_version", nullable=False)
    op.drop_index("ix_articles_published_created_at_id", "articles")
    op.drop_column("articles", "published")
    op.create_index(
        "ix_articles_publish_at_created_at_id",
        "articles",
        ["created_at", "id"],
        postgresql_where=sa.text("publish_at IS NOT NULL"),
    )
    op.create_index("ix_articles_tag_keys", "articles", ["tag_keys"], postgresql_using="gin")
    op.create_index(
        "ix_articles_coming_slug_publish_at_id",
        "articles",
        ["slug", "publish_at", "id"],
        postgresql_where=sa.text("publish_at > updated_at AND address IS DISTINCT FROM slug"),
    )

    op.create_table(
        "slugs",
        sa.Column("slug", sa.String(100, collation="C"), nullable=False),
        sa.Column("article_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("slug", name="pk_slugs"),
        sa.ForeignKeyConstraint(
            ["article_id"],
            ["articles.id"],
            name="fk_slugs_article_id",
            ondelete="SET NULL",
            deferrable=True,
            initially="DEFERRED",
        ),
    )
    op.create_index("ix_slugs_article_id", "slugs", ["article_id"])
    op.create_table(
        "revisions",
        sa.Column("article_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("by", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", sa.String(500), nullable=True),
        sa.Column("changed", postgresql.ARRAY(sa.Text()), nullable=False),
        *manuscript(),
        sa.PrimaryKeyConstraint("article_id", "version", name="pk_revisions"),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name="fk_revisions_article_id", ondelete="CASCADE"),
    )
    op.execute("INSERT INTO slugs (slug, article_id) SELECT slug, id FROM articles WHERE address = slug")
    op.execute("""
        INSERT INTO revisions (article_id, version, by, at, changed, title, content, tags)
        SELECT id, 1, author_id, updated_at, '{}', title, content, '{}' FROM articles
    """)
    op.create_table(
        "working_copies",
        sa.Column("article_id", sa.BigInteger(), nullable=False),
        sa.Column("based_on", sa.Integer(), nullable=False),
        *manuscript(),
        sa.Column("content_html", sa.Text(), nullable=False),
        sa.Column("excerpt", sa.String(201), nullable=False),
        sa.Column("word_count", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("edition", sa.String(32), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("article_id", name="pk_working_copies"),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name="fk_working_copies_article_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "previews",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("article_id", sa.BigInteger(), nullable=False),
        sa.Column("of", sa.String(20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_previews"),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name="fk_previews_article_id", ondelete="CASCADE"),
    )
    op.create_index("ix_previews_article_id", "previews", ["article_id"])
    op.create_table(
        "replies",
        sa.Column("caller", sa.BigInteger(), nullable=False),
        sa.Column("route", sa.String(100), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", postgresql.JSONB(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller", "route", "key", name="pk_replies"),
        sa.ForeignKeyConstraint(["caller"], ["users.id"], name="fk_replies_caller", ondelete="CASCADE"),
    )
    op.create_index("ix_replies_at", "replies", ["at"])


def downgrade() -> None:
    for table in ("replies", "previews", "working_copies", "revisions", "slugs"):
        op.drop_table(table)
    op.add_column("articles", sa.Column("published", sa.Boolean()))
    op.execute("""
        UPDATE articles SET published =
            coalesce(publish_at <= now(), false) AND coalesce(unpublish_at > now(), true)
    """)
    op.alter_column("articles", "published", nullable=False)
    op.drop_index("ix_articles_coming_slug_publish_at_id", "articles")
    op.drop_index("ix_articles_tag_keys", "articles")
    op.drop_index("ix_articles_publish_at_created_at_id", "articles")
    for name in (
        *("summary", "tags", "cover_image_url", "cover_image_alt", "canonical_url", "content_html", "excerpt"),
        *("word_count", "tag_keys", "slug", "address", "featured", "publish_at", "unpublish_at", "published_at"),
        *("version", "edition", "text_version"),
    ):
        op.drop_column("articles", name)
    op.create_index(
        "ix_articles_published_created_at_id", "articles", ["created_at", "id"], postgresql_where=sa.text("published")
    )

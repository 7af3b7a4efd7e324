"""The tables, their constraints by name, and an index for every query."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Computed,
    DateTime,
    ForeignKey,
    FromClause,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    case,
    false,
    func,
    literal_column,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

from blog.domain.articles import AltText, Language, Note, Rendition, Summary, Title
from blog.domain.slugs import Slug
from blog.domain.users import Email, Username
from blog.domain.web_addresses import WebAddress

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

users = Table(
    "users",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("email", String(Email.MAX), nullable=False),
    Column("email_key", String(Email.MAX), nullable=False),
    Column("username", String(Username.MAX), nullable=False),
    Column("username_key", String(Username.MAX), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("disabled_at", DateTime(timezone=True), nullable=True),
    UniqueConstraint("email_key"),
    UniqueConstraint("username_key"),
)


def manuscript() -> list[Column[Any]]:
    """What somebody wrote, in whatever table it stands."""
    return [
        Column("title", String(Title.MAX), nullable=False),
        Column("content", Text, nullable=False),
        Column("summary", String(Summary.MAX), nullable=True),
        Column("tags", ARRAY(Text), nullable=False),
        Column("cover_image_url", String(WebAddress.MAX), nullable=True),
        Column("cover_image_alt", String(AltText.MAX), nullable=True),
        Column("canonical_url", String(WebAddress.MAX), nullable=True),
    ]


def rendition() -> list[Column[Any]]:
    """What was made of that."""
    return [
        Column("content_html", Text, nullable=False),
        Column("excerpt", String(Rendition.EXCERPT + 1), nullable=False),
        Column("word_count", Integer, nullable=False),
    ]


def versioned() -> list[Column[Any]]:
    """Which version it is, and since when."""
    return [
        Column("version", Integer, nullable=False),
        Column("edition", String(32), nullable=False),
        Column("updated_at", DateTime(timezone=True), nullable=False),
    ]


DATE_KEY = "COALESCE(published_at, created_at)"
"""By what lists are in order (`Article.date`), in an index."""

articles = Table(
    "articles",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    *manuscript(),
    *rendition(),
    Column("tag_keys", ARRAY(Text), nullable=False),
    Column("author_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("slug", String(Slug.MAX), nullable=False),
    Column("address", String(Slug.MAX), nullable=True),
    Column("featured", Boolean, nullable=False),
    Column("publish_at", DateTime(timezone=True), nullable=True),
    Column("unpublish_at", DateTime(timezone=True), nullable=True),
    Column("published_at", DateTime(timezone=True), nullable=True),
    *versioned(),
    Column("text_version", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("language", String(Language.MAX), nullable=True),
    # What searching reads: the migration that made it says of what.
    Column("search", TSVECTOR, Computed("blog_vector(language, title, summary, tags, content)", persisted=True)),
    # Lists in each order: of a signed-in reader, and of anybody; by what is featured, author, language and tags.
    Index("ix_articles_date_id", text(DATE_KEY), "id"),
    Index("ix_articles_out_date_id", text(DATE_KEY), "id", postgresql_where=text("publish_at IS NOT NULL")),
    Index(None, "created_at", "id"),
    Index(None, "updated_at", "id"),
    # Counting reads this one alone.
    Index(
        "ix_articles_out_created_at_id",
        "created_at",
        "id",
        postgresql_where=text("publish_at IS NOT NULL"),
        postgresql_include=["publish_at", "unpublish_at"],
    ),
    Index("ix_articles_out_updated_at_id", "updated_at", "id", postgresql_where=text("publish_at IS NOT NULL")),
    Index("ix_articles_out_published_at_id", "published_at", "id", postgresql_where=text("published_at IS NOT NULL")),
    Index("ix_articles_featured_date_id", text(DATE_KEY), "id", postgresql_where=text("featured")),
    Index("ix_articles_language", text('lower(language COLLATE "C")')),
    Index("ix_articles_author_id_date_id", "author_id", text(DATE_KEY), "id"),
    Index("ix_articles_tag_keys", "tag_keys", postgresql_using="gin"),
    # Those that are to come out, or came out, by themselves.
    Index(
        "ix_articles_coming_slug_publish_at_id",
        "slug",
        "publish_at",
        "id",
        postgresql_where=text("publish_at > updated_at AND address IS DISTINCT FROM slug"),
    ),
    # Those that have a slug in view and have not taken it.
    Index(
        "ix_articles_unclaimed_author_id_slug_id",
        "author_id",
        "slug",
        "id",
        postgresql_where=text("address IS DISTINCT FROM slug"),
    ),
    # With the section that an article stands in, so that those that were written last can be searched first.
    Index("ix_articles_search", "search", text("(ARRAY[id >> 13])"), postgresql_using="gin"),
    Index("ix_articles_title", "title", postgresql_using="gin", postgresql_ops={"title": "gin_trgm_ops"}),
)

# Nobody's once the article is gone, and never anybody else's. Taken before the article is there.
slugs = Table(
    "slugs",
    metadata,
    Column("slug", String(Slug.MAX, collation="C"), primary_key=True),
    Column(
        "article_id",
        BigInteger,
        ForeignKey("articles.id", ondelete="SET NULL", deferrable=True, initially="DEFERRED"),
        nullable=True,
    ),
    Index(None, "article_id"),
)

revisions = Table(
    "revisions",
    metadata,
    Column("article_id", BigInteger, ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("by", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("note", String(Note.MAX), nullable=True),
    Column("changed", ARRAY(Text), nullable=False),
    *manuscript(),
)

working_copies = Table(
    "working_copies",
    metadata,
    Column("article_id", BigInteger, ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True),
    Column("based_on", Integer, nullable=False),
    *manuscript(),
    *rendition(),
    *versioned(),
)

previews = Table(
    "previews",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("article_id", BigInteger, ForeignKey("articles.id", ondelete="CASCADE"), nullable=False),
    Column("of", String(20), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index(None, "article_id"),
)

replies = Table(
    "replies",
    metadata,
    Column("caller", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("route", String(100), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Index(None, "at"),
)

# Keys are hashes with a secret: of an account's name, of a client's address, and of both.
login_failures = Table(
    "login_failures",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Index(None, "at"),
)

login_pairs = Table(
    "login_pairs",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("signed_in_at", DateTime(timezone=True), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Index(None, "signed_in_at"),
)

# By what lists are in order, as the indexes have it.
DATE = func.coalesce(articles.c.published_at, articles.c.created_at)

# What anybody may read at a moment, and what a known reader may. Apart, so that each has its index.
PUBLIC = and_(
    articles.c.publish_at.is_not(None),
    # And not `<=`: of a moment that it does not know, PostgreSQL expects one article of three to be before it, but
    # two of three not to be after it. With the first it would plan every page anew, in the hope of a better plan.
    (articles.c.publish_at > bindparam("at")).is_(False),
    or_(articles.c.unpublish_at.is_(None), articles.c.unpublish_at > bindparam("at")),
)
VISIBLE = or_(PUBLIC, articles.c.author_id == bindparam("viewer"))

# Which 8,192 ids an article's is one of.
SECTION = literal_column("ARRAY[articles.id >> 13]", ARRAY(BigInteger))


def came_out(table: FromClause) -> ColumnElement[bool]:
    """Whether an article came out by itself since it was saved, and has not taken its address yet."""
    c = table.c
    return and_(c.publish_at > c.updated_at, c.address.is_distinct_from(c.slug), c.publish_at <= bindparam("at"))


# Where an article is out. Whether another had its slug before is asked within a function, for those alone that came
# out by themselves: PostgreSQL would plan it again for each list, which takes longer than to read one.
SLUG = case(
    (
        came_out(articles),
        func.blog_slug(
            articles.c.id, articles.c.slug, articles.c.publish_at, bindparam("at", type_=DateTime(timezone=True))
        ),
    ),
    else_=articles.c.slug,
).label("slug")

# Looked up for each article by itself: in the form of EXISTS, PostgreSQL may read all working copies to begin with.
HAS_WORKING_COPY = func.coalesce(
    select(true()).where(working_copies.c.article_id == articles.c.id).scalar_subquery(), false()
)

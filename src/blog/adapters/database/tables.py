"""The tables, their constraints by name, and an index for every query."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    or_,
)

from blog.domain.articles import Title
from blog.domain.users import Email, Username

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
    UniqueConstraint("email_key"),
    UniqueConstraint("username_key"),
)

articles = Table(
    "articles",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("title", String(Title.MAX), nullable=False),
    Column("content", Text, nullable=False),
    Column("published", Boolean, nullable=False),
    Column("author_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    # The pages of a signed-in reader, of anybody, and the articles that leave with their author.
    Index(None, "created_at", "id"),
    Index("ix_articles_published_created_at_id", "created_at", "id", postgresql_where=Column("published", Boolean)),
    Index(None, "author_id"),
)

# What anybody may read, and what a known reader may. Apart, so that each has its index.
PUBLIC = articles.c.published
VISIBLE = or_(articles.c.published, articles.c.author_id == bindparam("viewer"))

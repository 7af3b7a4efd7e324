"""A blog that is kept in PostgreSQL, through SQLAlchemy Core and asyncpg."""

from blog.adapters.database.engine import Database
from blog.adapters.database.logins import DatabaseLoginLimits
from blog.adapters.database.queries import DatabaseArticleQueries, DatabaseUserQueries
from blog.adapters.database.transaction import DatabaseTransaction, JoinedTransaction

__all__ = [
    "Database",
    "DatabaseArticleQueries",
    "DatabaseLoginLimits",
    "DatabaseTransaction",
    "DatabaseUserQueries",
    "JoinedTransaction",
]

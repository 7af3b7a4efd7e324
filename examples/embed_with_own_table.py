"""One transaction for the blog and for a table of your own: an article is kept if, and only if, its invoice is.

    DATABASE_URL=postgresql://user:password@host/database python embed_with_own_table.py

The database must have the blog's tables: `blog db upgrade` makes them.
"""

import asyncio
import os
import secrets
from datetime import UTC, datetime

from asyncpg import CheckViolationError  # type: ignore[import-untyped]
from sqlalchemy import make_url

from blog import Accounts, BlogError, Content, Email, NewPassword, Publishing, Title, Username
from blog.adapters.database import Database, DatabaseArticleQueries, DatabaseTransaction, JoinedTransaction
from blog.adapters.markdown import RustMarkdown
from blog.adapters.passwords import BcryptHasher

INVOICES = """
    CREATE TABLE IF NOT EXISTS invoices (
        article_id bigint PRIMARY KEY REFERENCES articles ON DELETE CASCADE,
        cents integer NOT NULL CHECK (cents > 0)
    )
"""
INVOICE = "INSERT INTO invoices VALUES ($1, $2)"
COUNT = "SELECT count(*) FROM invoices JOIN articles ON article_id = id WHERE author_id = $1"


def now() -> datetime:
    return datetime.now(UTC)


async def order(database: Database, markdown: RustMarkdown, *, authors: list[int], title: str, cents: int) -> None:
    """Publish a series, a part by each of these authors, and charge for every part: all of it or nothing."""
    async with database.connect() as connection, connection.transaction():
        publishing = Publishing(transaction=lambda: JoinedTransaction(connection), markdown=markdown, now=now)
        for number, author in enumerate(authors, 1):
            # A use case's block ends here as ever, but what it did is kept when the transaction around it is.
            article = await publishing.write(
                actor=author, title=Title(f"{title}, part {number}"), content=Content("…"), published=True
            )
            await connection.execute(INVOICE, article.id, cents)


async def main() -> None:
    # SQLAlchemy wants to be told which driver to take.
    url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg")
    database, hasher, markdown = Database(url, pool_size=2, timeout=5), BcryptHasher(), RustMarkdown()
    async with database.connect() as connection:
        await connection.execute(INVOICES)

    # Where there is nothing of yours to keep, a use case has a transaction of its own.
    accounts = Accounts(transaction=lambda: DatabaseTransaction(database), hasher=hasher, now=now)
    name = f"ada-{secrets.token_hex(4)}"
    ada = await accounts.register(
        email=Email(f"{name}@example.org"), username=Username(name), password=NewPassword(secrets.token_hex())
    )
    stranger = 0  # Nobody has this id.

    for title, authors, cents in (
        ("Engines", [ada.id, ada.id], 500),
        ("Looms", [ada.id, stranger], 500),
        ("Gifts", [ada.id], 0),
    ):
        try:
            await order(database, markdown, authors=authors, title=title, cents=cents)
            print(f"{title}: kept.")
        except BlogError as refusal:
            print(f"{title}: the blog refuses: {refusal}")
        except CheckViolationError:
            print(f"{title}: the table of invoices refuses.")

    page = await DatabaseArticleQueries(database, now).page(viewer=ada.id, skip=0, limit=100)
    async with database.connect() as connection:
        invoices = await connection.fetchval(COUNT, ada.id)
    articles = sum(article.author_id == ada.id for article in page.articles)
    print(f"{articles} articles and {invoices} invoices.")
    hasher.close()
    markdown.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main())

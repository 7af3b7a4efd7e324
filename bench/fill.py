"""Articles to measure with, the same in every run: as rows that the product would have written itself."""

import asyncio
import hashlib
import json
import random
from collections import deque
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import bcrypt
from sqlalchemy import URL, make_url

from bench.words import VOCABULARY, WEIGHTS
from blog.adapters.database.articles import revision_row
from blog.adapters.database.articles import row_of as article_row
from blog.adapters.database.schema import Schema
from blog.adapters.database.users import row_of as user_row
from blog.adapters.markdown import rendition_of
from blog.adapters.passwords import BcryptHasher
from blog.domain.articles import Article, Content, Manuscript, Stamp, Title
from blog.domain.revisions import Revision
from blog.domain.slugs import Slug
from blog.domain.tags import Tags
from blog.domain.users import Email, Password, User, Username

BYTES = 2000
"""Of the content of an article."""

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
APART = timedelta(seconds=97, microseconds=13)
"""Between an article and the next."""

ARTICLES_EACH = 100
"""Articles of one author."""

TAGS = 200
BATCH = 1000
AHEAD = 4
Rows = dict[str, list[dict[str, Any]]]
PASSWORD = "correct horse battery staple"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Databases:
    """The databases of one PostgreSQL, by name."""

    address: str
    """Of any of them."""

    def url(self, name: str) -> URL:
        """As the product's own parts take it."""
        return make_url(self.address).set(database=name)

    def setting(self, name: str) -> str:
        """As a service takes it from its environment."""
        return self.url(name).render_as_string(hide_password=False)

    async def connect(self, name: str) -> Any:
        """As the driver takes it."""
        url = self.url(name).set(drivername="postgresql")
        return await asyncpg.connect(url.render_as_string(hide_password=False))

    async def execute(self, statement: str, *, on: str = "blog") -> None:
        """Run a statement on one of them, outside a transaction."""
        connection = await self.connect(on)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def copy(self, original: str, name: str) -> None:
        """Have a copy that may be written to."""
        self.drop(name)
        asyncio.run(self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{original}"'))

    def drop(self, name: str) -> None:
        """Be rid of one that no service uses any more."""
        # Not WITH (FORCE), which is refused while PostgreSQL cleans up in it: this has that stopped.
        asyncio.run(self.execute(f'DROP DATABASE IF EXISTS "{name}"'))


def authors(size: int) -> int:
    """How many write that many articles."""
    return max(2, size // ARTICLES_EACH)


def reader(size: int) -> str:
    """Who reads and has written nothing."""
    return f"author{authors(size) + 1}"


def author(number: int, size: int) -> int:
    """Who wrote an article."""
    return 1 + number % authors(size)


def written(number: int) -> tuple[str, str, list[str]]:
    """The title, the content and the tags of an article."""
    chance = random.Random(number)
    title = " ".join(chance.choices(VOCABULARY, cum_weights=WEIGHTS, k=6)).capitalize()
    return f"{title} {number}", text(chance), tags(chance)


def text(chance: random.Random) -> str:
    """Markdown of as many bytes as every article has."""
    found = iter(chance.choices(VOCABULARY, cum_weights=WEIGHTS, k=BYTES // 4))
    parts: list[str] = []
    length = 0
    while length < BYTES:
        sentence = [next(found) for _ in range(chance.randint(6, 16))]
        kind = chance.random()
        if kind < 0.1:
            sentence[2] = f"*{sentence[2]}*"
        elif kind < 0.2:
            sentence[3] = f"[{sentence[3]}](https://example.org/{sentence[3]})"
        part = f"{' '.join(sentence).capitalize()}."
        if kind > 0.95:
            part += f"\n\n## {' '.join(sentence[:3]).replace('*', '').capitalize()}\n\n"
        else:
            part += "\n\n" if kind > 0.8 else " "
        parts.append(part)
        length += len(part)
    return "".join(parts)[: BYTES - 1].rstrip(" \n[*(#") + "."


def tags(chance: random.Random) -> list[str]:
    """Two to four of them, some more frequent than others."""
    names = VOCABULARY[100 : 100 + TAGS]
    weights = [1 / (rank + 2.7) for rank in range(TAGS)]
    return list(dict.fromkeys(chance.choices(names, weights, k=chance.randint(2, 4))))


@cache
def password_hash() -> str:
    """What the product keeps of everybody's password."""
    hasher = BcryptHasher()
    try:
        return asyncio.run(hasher.hash(Password(PASSWORD)))
    finally:
        hasher.close()


def fill(databases: Databases, size: int, say: Callable[[str], None]) -> str:
    """A database of the product with so many articles, from an earlier run if there is one; answers its name."""
    name = f"articles_{size}"
    made_of = fingerprint(size)
    if asyncio.run(_comment(databases, name)) == made_of:
        return name
    databases.drop(name)
    asyncio.run(databases.execute(f'CREATE DATABASE "{name}"'))
    Schema().upgrade(databases.url(name))
    hashed = password_hash()
    asyncio.run(_fill(databases, name, size, hashed, say))
    # Written last: what says so is whole.
    asyncio.run(databases.execute(f"COMMENT ON DATABASE \"{name}\" IS '{made_of}'"))
    return name


def fingerprint(size: int) -> str:
    """What decides about the rows: that of an earlier run with another one is made anew."""
    here = Path(__file__)
    parts = [Schema().head, str(size), here.read_text(), here.with_name("words.txt").read_text()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


async def _comment(databases: Databases, name: str) -> str | None:
    connection = await databases.connect("blog")
    try:
        found: str | None = await connection.fetchval(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1", name
        )
        return found
    finally:
        await connection.close()


async def _fill(databases: Databases, name: str, size: int, hashed: str, say: Callable[[str], None]) -> None:
    connection = await databases.connect(name)
    try:
        people = range(1, authors(size) + 2)
        await _copy(connection, "users", [user_row(a_user(number, hashed)) for number in people])
        batches = [range(first, min(first + BATCH, size + 1)) for first in range(1, size + 1, BATCH)]
        loop = asyncio.get_running_loop()
        # Most of the time goes into rendering: other processes do that, a few batches ahead.
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            ahead: deque[asyncio.Future[Rows]] = deque()
            for at, numbers in enumerate(batches):
                while len(ahead) < AHEAD and at + len(ahead) < len(batches):
                    ahead.append(loop.run_in_executor(pool, rows_of, batches[at + len(ahead)], size))
                for table, rows in (await ahead.popleft()).items():
                    await _copy(connection, table, rows)
                say(f"Filling: {numbers[-1]:,} of {size:,} articles")
        for table, highest in (("users", people[-1]), ("articles", size)):
            await connection.execute("SELECT setval(pg_get_serial_sequence($1, 'id'), $2)", table, highest)
        say("Filling: VACUUM ANALYZE")
        await connection.execute("VACUUM ANALYZE", timeout=3600)
    finally:
        await connection.close()


def rows_of(numbers: range, size: int) -> Rows:
    """Some articles and what belongs to them, by table, in an order that can be written."""
    made = [an_article(number, size) for number in numbers]
    return {
        "articles": [article_row(article) for article in made],
        "slugs": [{"slug": article.slug, "article_id": article.id} for article in made],
        "revisions": [revision_row(Revision.of(article, by=article.author_id)) for article in made],
    }


async def _copy(connection: Any, table: str, rows: list[dict[str, Any]]) -> None:
    names = list(rows[0])
    records = [tuple(row[name] for name in names) for row in rows]
    await connection.copy_records_to_table(table, columns=names, records=records)


def a_user(number: int, hashed: str) -> User:
    """One of the authors."""
    return User.register(
        id=number,
        email=Email(f"author{number}@example.org"),
        username=Username(f"author{number}"),
        password_hash=hashed,
        at=BEGIN,
    )


def an_article(number: int, size: int) -> Article:
    """A published article, as its author would have written it."""
    title, content, words = written(number)
    stamp = Stamp(by=author(number, size), at=BEGIN + number * APART, edition=f"{number:012x}")
    article = Article.write(
        stamp,
        id=number,
        manuscript=Manuscript(title=Title(title), content=Content(content), tags=Tags(words)),
        rendition=rendition_of(content),
        slug=Slug.of(title),
        publication={"published": True},
    )
    return article.settle(article.slug)


async def fill_peer(databases: Databases, source: str, name: str) -> None:
    """Put the same articles and authors into the tables that the peer has made for itself."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(12)).decode()
    origin, target = await databases.connect(source), await databases.connect(name)
    try:
        users = await origin.fetch("SELECT id, email, username, $1::text, created_at, updated_at FROM users", hashed)
        names = ["id", "email", "username", "hashed_password", "created_at", "updated_at"]
        await target.copy_records_to_table("users", columns=names, records=users)
        articles = await origin.fetch(
            "SELECT id, title, content, true, author_id, created_at, updated_at FROM articles ORDER BY id"
        )
        names = ["id", "title", "content", "published", "author_id", "created_at", "updated_at"]
        await target.copy_records_to_table("articles", columns=names, records=articles)
        for table in ("users", "articles"):
            statement = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
            await target.execute(statement)
        await target.execute("VACUUM ANALYZE")
    finally:
        await origin.close()
        await target.close()

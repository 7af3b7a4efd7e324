"""What PostgreSQL is told: how often, so that nothing asks again for each row, and whether an index answers."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, Select, event, select, text

from blog.adapters.database import Database, articles, queries, users
from blog.container import Container
from blog.domain.articles import Content, Title
from blog.domain.users import Email, EmailTaken, InvalidCredentials, NewPassword, Password, Username, WrongPassword

ADA, CONTENT, PASSWORD = Username("Ada"), Content("Some words."), NewPassword("correct horse")


class Wire:
    """What goes to PostgreSQL, as the first word of each statement."""

    def __init__(self, database: Database) -> None:
        self.said: list[str] = []
        self.besides: list[str] = []
        engine = database.engine.sync_engine
        for bound in ("begin", "commit", "rollback"):
            event.listen(engine, bound, partial(self._hear_bound, bound.upper()))
        event.listen(engine, "before_cursor_execute", self._hear_statement)
        event.listen(engine, "connect", self._listen_to_driver)

    def _hear_bound(self, word: str, connection: Connection) -> None:
        # Without a transaction SQLAlchemy tells of its bounds all the same, and sends nothing.
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            self.said.append(word)

    def _hear_statement(self, *arguments: Any) -> None:
        self.said.append(arguments[2].split()[0])

    def _listen_to_driver(self, connection: Any, _: object) -> None:
        """Hear what SQLAlchemy does not tell: everything but the statements that are prepared."""
        connection.driver_connection.add_query_logger(
            lambda logged: self.besides.append(logged.query.split()[0].strip(";"))
        )

    async def during(self, work: Awaitable[object]) -> str:
        """What some work took: each word is one round trip."""
        self.said.clear()
        self.besides.clear()
        await work
        await asyncio.sleep(0)  # The driver tells a moment later.
        assert sorted(self.besides) == sorted(word for word in self.said if word in ("BEGIN", "COMMIT", "ROLLBACK"))
        return " ".join(self.said)


@pytest.fixture
async def wire(container: Container) -> Wire:
    database: Database = container.database()
    wire = Wire(database)
    # Connect anew, and not within what is counted.
    await database.close()
    await database.read(select(1), {})
    return wire


@pytest.fixture
async def ada(container: Container) -> int:
    return int((await container.accounts().register(email=Email("a@x.org"), username=ADA, password=PASSWORD)).id)


@pytest.fixture
async def article(container: Container, ada: int) -> int:
    written = await container.publishing().write(actor=ada, title=Title("One"), content=CONTENT, published=True)
    return int(written.id)


async def test_reads_are_one_statement_without_a_transaction(
    container: Container, wire: Wire, ada: int, article: int
) -> None:
    for number in range(110):
        await container.publishing().write(actor=ada, title=Title(f"{number}"), content=CONTENT, published=True)
    reading, people = container.article_queries(), container.user_queries()
    for viewer in (None, ada):
        assert await wire.during(reading.get(article, viewer=viewer)) == "SELECT"
        for limit in (1, 100):
            assert await wire.during(reading.page(viewer=viewer, skip=1, limit=limit)) == "SELECT"
    assert await wire.during(people.account(ada)) == "SELECT"
    assert await wire.during(people.profile(ADA)) == "SELECT"
    assert await wire.during(container.readiness().check()) == "SELECT"


async def test_accounts(container: Container, wire: Wire) -> None:
    accounts, authenticating = container.accounts(), container.authenticating()
    registering = accounts.register(email=Email("a@x.org"), username=ADA, password=PASSWORD)
    assert await wire.during(registering) == "BEGIN SELECT INSERT COMMIT"
    again = accounts.register(email=Email("a@x.org"), username=ADA, password=PASSWORD)
    assert await wire.during(refused(EmailTaken, again)) == "BEGIN SELECT INSERT ROLLBACK"

    ada = (await container.user_queries().profile(ADA)).id
    assert await wire.during(authenticating.log_in(username=ADA, password=PASSWORD)) == "BEGIN SELECT COMMIT"
    for name, password, statements in (
        (ADA, Password("not this one"), "BEGIN SELECT COMMIT"),
        ("nobody", PASSWORD, "BEGIN SELECT ROLLBACK"),
        ("no such name!", PASSWORD, ""),
    ):
        refusal = refused(InvalidCredentials, authenticating.log_in(username=name, password=password))
        assert await wire.during(refusal) == statements
    token = container.tokens().issue(ada).access_token
    assert await wire.during(authenticating.identify(token)) == "SELECT"

    refusal = refused(WrongPassword, accounts.delete(actor=ada, password=Password("not this one")))
    assert await wire.during(refusal) == "BEGIN SELECT COMMIT"
    leaving = accounts.delete(actor=ada, password=PASSWORD)
    assert await wire.during(leaving) == "BEGIN SELECT COMMIT BEGIN DELETE COMMIT"


async def test_publishing(container: Container, wire: Wire, ada: int, article: int) -> None:
    publishing = container.publishing()
    writing = publishing.write(actor=ada, title=Title("Two"), content=CONTENT)
    assert await wire.during(writing) == "BEGIN SELECT INSERT COMMIT"
    editing = publishing.edit(actor=ada, article=article, title=Title("Other"), published=False)
    assert await wire.during(editing) == "BEGIN SELECT UPDATE COMMIT"
    for same in (None, Title("Other")):
        editing = publishing.edit(actor=ada, article=article, title=same)
        assert await wire.during(editing) == "BEGIN SELECT COMMIT"
    assert await wire.during(publishing.delete(actor=ada, article=article)) == "BEGIN SELECT DELETE COMMIT"


async def test_requests(container: Container, wire: Wire, client: httpx.AsyncClient, ada: int, article: int) -> None:
    """A reader who is signed in costs one statement more."""
    token = container.tokens().issue(ada).access_token
    paths = ("/articles", "/articles?limit=1", f"/articles/{article}", "/users/Ada")
    for path in paths:
        assert await wire.during(client.get(path)) == "SELECT"
        known = client.get(path, headers={"Authorization": f"Bearer {token}"})
        assert await wire.during(known) == "SELECT SELECT"


async def refused(kind: type[Exception], work: Awaitable[object]) -> None:
    with pytest.raises(kind):
        await work


@pytest.fixture
async def many(container: Container) -> int:
    """Users with an article each, every tenth a draft. The answer is one of the users."""
    async with container.database().engine.begin() as connection:
        for statement in (
            "INSERT INTO users (email, email_key, username, username_key, password_hash, created_at, updated_at)"
            " SELECT n, n, n, n, 'hash', now(), now() FROM generate_series(1, 2000) n",
            "INSERT INTO articles (title, content, published, author_id, created_at, updated_at)"
            " SELECT email, repeat('Some words. ', 40), id % 10 > 0, id, now() - id * interval '1 min', now()"
            " FROM users",
            "ANALYZE users, articles",
        ):
            await connection.execute(text(statement))
        found = await connection.execute(text("SELECT max(id) FROM users"))
        return int(found.scalar_one())


STATEMENTS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": statement
    for module in (queries, articles, users)
    for name, statement in vars(module).items()
    if isinstance(statement, Select) and statement.get_final_froms()
}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_an_index_answers(container: Container, many: int, name: str) -> None:
    given = {"id": many, "viewer": many, "skip": 0, "limit": 101, "username_key": "1000"}
    explained = text(f"EXPLAIN {STATEMENTS[name]}")
    plan = "\n".join(row[0] for row in await container.database().read(explained, given))
    assert "Index Scan" in plan
    # The index gives the order too: nothing is read that is not shown.
    assert "Seq Scan" not in plan
    assert "Sort" not in plan


async def test_an_index_finds_what_leaves_with_its_author(container: Container, many: int) -> None:
    found = text("EXPLAIN SELECT 1 FROM ONLY articles WHERE author_id = :author")
    plan = "\n".join(row[0] for row in await container.database().read(found, {"author": many}))
    assert "ix_articles_author_id" in plan

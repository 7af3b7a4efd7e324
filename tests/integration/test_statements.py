"""What PostgreSQL is told: how often, so that nothing asks again for each row, and whether an index answers."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import httpx
import pytest
from sqlalchemy import URL, Select, text
from sqlalchemy.dialects.postgresql.base import PGDialect

from blog.adapters.database import Database, articles, previews, queries, replies, users, working_copies
from blog.adapters.database.tables import metadata
from blog.application.ports import Reply
from blog.application.queries import ANY, ArticleFilter, ArticleView, Include, Place
from blog.container import Container
from blog.domain.articles import ArticleNotFound, Content, Title
from blog.domain.preconditions import EditedMeanwhile, Precondition
from blog.domain.previews import Previewed
from blog.domain.searches import SearchWords
from blog.domain.slugs import Slug
from blog.domain.tags import Tags
from blog.domain.users import Email, EmailTaken, InvalidCredentials, NewPassword, Password, Username, WrongPassword
from blog.domain.working_copies import WorkingCopyNotFound
from tests.builders import Clock, a_reply, a_request

ADA, CONTENT, PASSWORD = Username("Ada"), Content("Some words."), NewPassword("correct horse")
TAGS, AGES_AGO = Tags(["engines", "looms"]), datetime(2001, 1, 1, tzinfo=UTC)
WORDS, PLACE = ArticleFilter(words=SearchWords("words")), Place(moment=datetime(2100, 1, 1, tzinfo=UTC), id=1)


class Wire:
    """What goes to PostgreSQL, as the first word of each statement: the driver tells of every round trip."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def hear(self, logged: Any) -> None:
        self.said.append(logged.query.split()[0].strip(";"))

    async def during(self, work: Awaitable[object]) -> str:
        """What some work took."""
        await asyncio.sleep(0)  # The driver tells a moment later.
        self.said.clear()
        await work
        await asyncio.sleep(0)
        return " ".join(self.said)


@pytest.fixture
async def wire(container: Container) -> Wire:
    wire, database = Wire(), container.database()
    async with AsyncExitStack() as lent:
        for _ in range(database.size):
            connection = await lent.enter_async_context(database.connect())
            connection.add_query_logger(wire.hear)
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
        await container.publishing().write(
            actor=ada, title=Title(f"{number}"), content=CONTENT, published=True, tags=TAGS
        )
    await container.reworking().save(actor=ada, article=article, title=Title("Other"))
    reading, people, previewing = container.article_queries(), container.user_queries(), container.previewing()
    for viewer in (None, ada):
        for include in ([], list(Include)):
            assert await wire.during(reading.get(article, viewer=viewer, include=include)) == "SELECT"
            assert await wire.during(reading.get(Slug("one"), viewer=viewer, include=include)) == "SELECT"
            for limit, wanted in product((1, 100), (ANY, ArticleFilter(author=ADA), ArticleFilter(tags=TAGS), WORDS)):
                turning = partial(reading.page, viewer=viewer, limit=limit, filter=wanted, include=include)
                # What few may have is looked for in two ways, by one statement.
                page = "WITH" if wanted.tags or wanted.words else "SELECT"
                assert await wire.during(turning(skip=1)) == page
                assert await wire.during(turning(skip=1, count=True)) == f"{page} SELECT"
                assert await wire.during(turning(after=PLACE)) == page
        # Where no word is found, titles are that are spelled nearly so.
        nowhere = ArticleFilter(words=SearchWords("nowhere"))
        assert await wire.during(reading.page(viewer=viewer, limit=9, filter=nowhere)) == "WITH SELECT"
        for limit in (1, 100):
            assert await wire.during(reading.tags(viewer=viewer, skip=0, limit=limit)) == "SELECT"
    for of in Previewed:
        issued = await previewing.issue(actor=ada, article=article, of=of, lifetime=timedelta(1))
        assert await wire.during(previewing.show(issued.token)) == "SELECT"
    assert await wire.during(people.account(ada)) == "SELECT"
    assert await wire.during(people.profile(ADA)) == "SELECT"
    assert await wire.during(container.readiness().check()) == "SELECT"


async def test_a_draft_is_looked_for_as_what_does_not_exist_is(container: Container, wire: Wire, ada: int) -> None:
    await container.publishing().write(actor=ada, title=Title("A draft"), content=CONTENT)
    reading = container.article_queries()
    assert await wire.during(reading.get(Slug("a-draft"), viewer=ada)) == "SELECT"
    for viewer, slug in product((None, ada + 1), ("a-draft", "nowhere")):
        looking = refused(ArticleNotFound, reading.get(Slug(slug), viewer=viewer))
        assert await wire.during(looking) == "SELECT"


async def test_what_many_ask_for_at_once_is_one_statement(
    container: Container, wire: Wire, ada: int, article: int
) -> None:
    reading, people = container.article_queries(), container.user_queries()
    several: list[Callable[[], Awaitable[object]]] = [
        *(partial(reading.get, article, viewer=viewer) for viewer in (None, ada)),
        *(partial(reading.get, Slug("one"), viewer=viewer) for viewer in (None, ada)),
        partial(people.account, ada),
    ]
    for ask in several:
        # On each of its connections, the driver asks once what a list is.
        await asyncio.gather(*(ask() for _ in range(32 * container.database().size)))
        for number, statements in ((2, "SELECT"), (32, "SELECT"), (33, "SELECT SELECT")):
            assert await wire.during(asyncio.gather(*(ask() for _ in range(number)))) == statements


async def test_what_one_of_them_asks_for_wrongly_is_nothing_to_the_others(container: Container, article: int) -> None:
    asking = (container.article_queries().get(which, viewer=None) for which in (article, 2**63, article))
    first, wrong, last = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(first, ArticleView)
    assert isinstance(wrong, asyncpg.DataError)
    assert last == first


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
    assert await wire.during(leaving) == "BEGIN SELECT COMMIT BEGIN SELECT INSERT DELETE COMMIT"


async def test_publishing(container: Container, wire: Wire, ada: int, article: int) -> None:
    publishing = container.publishing()
    who: dict[str, Any] = {"actor": ada, "article": article}
    # An id, the article and its revision.
    writing = publishing.write(actor=ada, title=Title("Two"), content=CONTENT)
    assert await wire.during(writing) == "BEGIN SELECT WITH COMMIT"
    # And an address, which is looked for where the first is taken.
    writing = publishing.write(actor=ada, title=Title("Two"), content=CONTENT, published=True)
    assert await wire.during(writing) == "BEGIN SELECT INSERT WITH COMMIT"
    writing = publishing.write(actor=ada, title=Title("Two"), content=CONTENT, published=True)
    assert await wire.during(writing) == "BEGIN SELECT INSERT SELECT INSERT WITH COMMIT"

    # The article is locked and saved, with its revision.
    here: list[dict[str, Any]] = [
        *({"title": Title("Other")}, {"content": Content("Others.")}, {"featured": True}, {"publish_at": AGES_AGO})
    ]
    for changes in here:
        editing = publishing.edit(**who, **changes)
        assert await wire.during(editing) == "BEGIN SELECT WITH COMMIT"
    # Another address is asked for.
    editing = publishing.edit(**who, slug=Slug("other"))
    assert await wire.during(editing) == "BEGIN SELECT INSERT WITH COMMIT"
    assert await wire.during(publishing.archive(**who)) == "BEGIN SELECT WITH COMMIT"
    for changes in ({}, here[0]):
        assert await wire.during(publishing.edit(**who, **changes)) == "BEGIN SELECT COMMIT"
    assert await wire.during(publishing.archive(**who)) == "BEGIN SELECT COMMIT"
    stale = refused(EditedMeanwhile, publishing.edit(**who, expected=Precondition(editions=[]), title=Title("Mine")))
    assert await wire.during(stale) == "BEGIN SELECT ROLLBACK"
    assert await wire.during(publishing.delete(**who)) == "BEGIN SELECT DELETE COMMIT"


async def test_what_came_out_by_itself_takes_its_address_when_it_is_got(
    container: Container, wire: Wire, clock: Clock, ada: int
) -> None:
    publishing = container.publishing()
    later = clock() + timedelta(days=1)
    coming = await publishing.write(actor=ada, title=Title("Two"), content=CONTENT, publish_at=later)
    clock.strike(later)
    editing = publishing.edit(actor=ada, article=coming.id, title=Title("Three"))
    assert await wire.during(editing) == "BEGIN SELECT SELECT INSERT UPDATE WITH COMMIT"
    again = publishing.edit(actor=ada, article=coming.id, title=Title("Four"))
    assert await wire.during(again) == "BEGIN SELECT WITH COMMIT"


async def test_revising(container: Container, wire: Wire, ada: int, article: int) -> None:
    revising = container.revising()
    who: dict[str, Any] = {"actor": ada, "article": article}
    for number in range(20):
        await container.publishing().edit(**who, title=Title(f"{number}"))
    for limit in (1, 20):
        assert await wire.during(revising.changes(**who, skip=0, limit=limit)) == "BEGIN SELECT SELECT COMMIT"
    assert await wire.during(revising.read(**who, version=2)) == "BEGIN SELECT SELECT COMMIT"
    comparing = revising.compare(**who, version=2, against=1)
    assert await wire.during(comparing) == "BEGIN SELECT SELECT SELECT COMMIT"
    read, saved = "BEGIN SELECT SELECT COMMIT", "BEGIN SELECT WITH COMMIT"
    assert await wire.during(revising.restore(**who, version=2)) == f"{read} {saved}"


async def test_reworking(container: Container, wire: Wire, ada: int, article: int) -> None:
    reworking = container.reworking()
    who: dict[str, Any] = {"actor": ada, "article": article}
    for title in ("New", "Newer"):
        assert await wire.during(reworking.save(**who, title=Title(title))) == "BEGIN SELECT SELECT INSERT COMMIT"
    assert await wire.during(reworking.save(**who, title=Title("Newer"))) == "BEGIN SELECT SELECT COMMIT"
    assert await wire.during(reworking.show(**who)) == "BEGIN SELECT SELECT COMMIT"
    assert await wire.during(reworking.publish(**who)) == "BEGIN SELECT SELECT WITH DELETE COMMIT"
    await reworking.save(**who)
    assert await wire.during(reworking.discard(**who)) == "BEGIN SELECT SELECT DELETE COMMIT"
    assert await wire.during(refused(WorkingCopyNotFound, reworking.show(**who))) == "BEGIN SELECT SELECT ROLLBACK"


async def test_previewing(container: Container, wire: Wire, ada: int, article: int) -> None:
    previewing = container.previewing()
    who: dict[str, Any] = {"actor": ada, "article": article}
    issuing = previewing.issue(**who, of=Previewed.ARTICLE, lifetime=timedelta(1))
    assert await wire.during(issuing) == "BEGIN SELECT SELECT DELETE INSERT COMMIT"
    await container.reworking().save(**who)
    issuing = previewing.issue(**who, of=Previewed.WORKING_COPY, lifetime=timedelta(1))
    assert await wire.during(issuing) == "BEGIN SELECT SELECT SELECT DELETE INSERT COMMIT"
    assert await wire.during(previewing.list(**who)) == "BEGIN SELECT SELECT COMMIT"
    (preview, _) = await previewing.list(**who)
    assert await wire.during(previewing.revoke(**who, preview=preview.id)) == "BEGIN SELECT DELETE COMMIT"


async def test_remembering(container: Container, wire: Wire, ada: int) -> None:
    """The claim, the reply that may have been given, the reply that is, and what is too old."""

    async def nothing(_: object) -> Reply:
        return a_reply()

    remembering, request = container.remembering(), a_request(caller=ada)
    assert await wire.during(remembering.once(request, nothing)) == "BEGIN SELECT SELECT INSERT WITH COMMIT"
    assert await wire.during(remembering.once(request, nothing)) == "BEGIN SELECT SELECT COMMIT"


async def test_requests(container: Container, wire: Wire, client: httpx.AsyncClient, ada: int, article: int) -> None:
    """A reader who is signed in costs one statement more."""
    token = container.tokens().issue(ada).access_token
    paths = ("/articles", "/articles?limit=1", f"/articles/{article}", "/users/Ada")
    for path in paths:
        assert await wire.during(client.get(path)) == "SELECT"
        known = client.get(path, headers={"Authorization": f"Bearer {token}"})
        assert await wire.during(known) == "SELECT SELECT"
    for path in ("/feed.atom", "/sitemap.xml?part=0"):
        assert await wire.during(client.get(path)) == "SELECT"
    assert await wire.during(client.get("/tags/engines/feed.json?content=summary")) == "WITH"
    # Whose feed it is, and which parts there are, is asked for first.
    for path in ("/users/Ada/feed.rss", "/sitemap.xml"):
        assert await wire.during(client.get(path)) == "SELECT SELECT"


async def refused(kind: type[Exception], work: Awaitable[object]) -> None:
    with pytest.raises(kind):
        await work


@pytest.fixture
async def many(container: Container) -> int:
    """Users with an article each, of which every tenth is a draft, and all that belongs to one.

    The answer is one of the users, and their article has the same number.
    """
    async with container.database().connect() as connection:
        for statement in (
            "TRUNCATE users RESTART IDENTITY CASCADE",
            "INSERT INTO users (email, email_key, username, username_key, password_hash, created_at, updated_at)"
            " SELECT n, n, n, n, 'hash', now(), now() FROM generate_series(1, 2000) n",
            "INSERT INTO articles (id, title, content, content_html, excerpt, word_count, tags, tag_keys, author_id,"
            " slug, address, featured, publish_at, version, edition, text_version, created_at, updated_at)"
            " OVERRIDING SYSTEM VALUE"
            " SELECT id, email, repeat('Some words. ', 40), repeat('Some words. ', 40), 'Some words.', 80,"
            " ARRAY[id % 500], ARRAY[id % 500], id, 's' || id, 's' || id, false,"
            " CASE WHEN id % 10 > 0 THEN '2020-01-01'::timestamptz END, 1, '1-a', 1,"
            " now() - id * interval '1 min', now() FROM users",
            "INSERT INTO slugs SELECT slug, id FROM articles",
            "INSERT INTO revisions (article_id, version, by, at, changed, title, content, tags)"
            " SELECT id, number, author_id, now(), '{}', title, content, tags"
            " FROM articles, generate_series(1, CASE id WHEN 2000 THEN 1000 ELSE 1 END) number",
            "INSERT INTO working_copies (article_id, based_on, title, content, tags, content_html, excerpt,"
            " word_count, version, edition, updated_at)"
            " SELECT id, 1, title, content, tags, content_html, excerpt, word_count, 1, '1-a', now() FROM articles",
            "INSERT INTO previews (id, article_id, of, created_at, expires_at)"
            " SELECT id, id, 'article', now(), now() + '1 day' FROM articles",
            "INSERT INTO replies SELECT id, 'POST /articles', 'key', '', 201, '{}', '', now() FROM users",
            "ANALYZE users, articles, slugs, revisions, working_copies, previews, replies",
        ):
            await connection.execute(statement)
        return int(await connection.fetchval("SELECT max(id) FROM users"))


# Counting tags reads every article that is visible, by its nature. Lists have a test of their own.
ONES = {
    f"one({by_slug=}, {known=}, {included=})": queries.one(
        by_slug=by_slug, known=known, include=frozenset(Include) if included else frozenset()
    )
    for by_slug, known, included in product((False, True), repeat=3)
}
READING_ALL = {"queries.TAGS", "queries.PUBLIC_TAGS", "queries.VISIBLE_TAGS"}
SORTING = {"queries.PARTS", "previews.OF_ARTICLE", "articles.TAKEN"}
STATEMENTS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": statement
    for module in (articles, previews, queries, replies, users, working_copies)
    for name, statement in (*vars(module).items(), *ONES.items())
    if isinstance(statement, Select) and statement.get_final_froms()
    if module is queries or name not in ONES
}


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - READING_ALL))
async def test_an_index_answers(container: Container, many: int, name: str) -> None:
    given = {
        "id": many,
        "viewer": many,
        "skip": 0,
        "limit": 101,
        "at": container.now()(),
        "username_key": "1000",
        "slug": "s1000",
        "slugs": ["s1000", "s1001"],
        "tags": ["7"],
        "version": 3,
        "of_1": "working_copy",
        "caller": many,
        "route": "POST /articles",
        "key": "key",
        "since": AGES_AGO,
        "number": 1,
        "size": 500,
        "first": 1000,
        "last": 1100,
    }
    # With what only PostgreSQL says, such as whose rows are locked.
    statement = STATEMENTS[name].compile(dialect=PGDialect(paramstyle="named"))  # type: ignore[no-untyped-call]
    explained = text(f"EXPLAIN {statement}")
    plan = "\n".join(row[0] for row in await container.database().read(explained, given))
    assert re.search("Index (Only )?Scan", plan)
    assert "Seq Scan" not in plan
    # The index gives the order too: nothing is read that is not shown.
    assert name in SORTING or "Sort" not in plan


REFERENCES = {
    f"{column.table.name}.{column.name}"
    for table in metadata.sorted_tables
    for column in table.c
    if column.foreign_keys
}


@pytest.mark.parametrize("reference", sorted(REFERENCES))
async def test_an_index_finds_what_leaves_with_its_owner(container: Container, many: int, reference: str) -> None:
    table, column = reference.split(".")
    found = text(f"EXPLAIN SELECT 1 FROM ONLY {table} WHERE {column} = :owner")  # noqa: S608
    plan = "\n".join(row[0] for row in await container.database().read(found, {"owner": many - 1}))
    assert "Index" in plan
    assert "Seq Scan" not in plan


async def test_nothing_stays_prepared_where_a_pooler_could_not_bear_it(migrated: URL) -> None:
    kept = "SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%FROM articles%'"
    found = []
    for prepared in (True, False):
        database = Database(migrated, pool_size=1, timeout=5, prepared=prepared)
        reading = queries.DatabaseArticleQueries(database, Clock())
        for _ in range(2):
            await reading.page(viewer=None, limit=1)
        async with database.connect() as connection:
            found.append(len(await connection.fetch(kept)))
        await database.close()
    assert found[0] > found[1] == 0

"""How PostgreSQL finds what a list shows, among a hundred thousand articles."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import URL, Select

from blog.adapters.database import Database, queries, together
from blog.adapters.database.engine import prepare
from blog.adapters.database.schema import Schema
from blog.application.queries import Include, Order, Sort
from blog.domain.articles import Status
from tests.builders import NOON
from tests.integration.conftest import aside, execute, new_database

MANY = 100_000
KEYS = (Sort.DATE, Sort.CREATED_AT, Sort.PUBLISHED_AT, Sort.UPDATED_AT)
FILL = (
    "INSERT INTO users (email, email_key, username, username_key, password_hash, created_at, updated_at)"
    " SELECT n, n, n, n, 'hash', now(), now() FROM generate_series(1, 1000) n",
    f"""
    INSERT INTO articles (
        title, content, content_html, excerpt, word_count, tags, tag_keys, author_id, slug, address, featured,
        publish_at, published_at, version, edition, text_version, created_at, updated_at, language
    )
    SELECT
        n, 'Some words.', repeat('Some words. ', 80), 'Some words.', 2,
        ARRAY['t' || n % 1000], ARRAY['t' || n % 1000],
        1 + n % 1000, 's' || n, 's' || n, n % 1000 = 0,
        CASE WHEN n % 10 > 0 THEN moment END, CASE WHEN n % 10 > 0 THEN moment END, 1, '1-x', 1, moment, moment,
        CASE WHEN n % 1000 = 1 THEN 'de-AT' WHEN n % 5 > 0 THEN 'en-GB' END
    FROM (SELECT n, timestamptz '{NOON}' - n * interval '1 min' AS moment FROM generate_series(1, {MANY}) n)
    """,  # noqa: S608 - of constants
    "INSERT INTO slugs SELECT address, id FROM articles WHERE publish_at IS NOT NULL",
    "VACUUM ANALYZE users, articles, slugs",
)


@pytest.fixture(scope="module")
def filled(server: URL) -> Iterator[URL]:
    """A database of articles, a minute apart, by a thousand authors; every tenth is a draft."""
    with new_database(server) as url:
        aside(lambda: Schema().upgrade(url))
        for statement in FILL:
            execute(url, statement)
        yield url


@pytest.fixture
async def many(filled: URL) -> AsyncIterator[Database]:
    database = Database(filled, pool_size=1, timeout=30)
    yield database
    await database.close()


async def explain(database: Database, statement: Select[Any], options: str = "", **different: Any) -> dict[str, Any]:
    """The plan of a statement."""
    given = {"viewer": 1, "at": NOON, "skip": 0, "author": "7", "tags": ["t7"], "language": "de"}
    given |= {"featured": True, "published_after": NOON.replace(year=2025), "published_before": NOON}
    given |= {"moment": NOON, "id": 2**40}
    sql, arguments = prepare(statement, given | different)
    async with database.connect() as connection:
        plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON{options}) {sql}", *arguments)
    return dict(json.loads(plan)[0]["Plan"])


def indexes(plan: dict[str, Any]) -> set[str]:
    """The indexes that a plan uses, but for those by which it tells of each article where it is, and of its copy."""
    found = {node["Index Name"] for node in nodes(plan) if "Index Name" in node}
    return found - {"pk_slugs", "ix_articles_coming_slug_publish_at_id", "pk_working_copies"}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The steps of a plan."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


async def test_no_list_reads_or_sorts_the_whole_table(many: Database) -> None:
    orders = [Order(by=by, ascending=ascending) for by, ascending in product(KEYS, (False, True))]
    for known, filters, order, beyond in product(
        (False, True),
        ((), ("author",), ("tags",), ("featured",), ("language",), ("author", "tags")),
        orders,
        (None, "after", "before"),
    ):
        statement, counting = queries.several(
            known=known,
            filters=frozenset(filters),
            status=None,
            order=order,
            include=frozenset(Include),
            beyond=beyond,
            limit=21,
        )
        of = (known, filters, order, beyond)
        for node in (*nodes(await explain(many, statement)), *nodes(await explain(many, counting))):
            assert not (node["Node Type"] == "Seq Scan" and node["Relation Name"] == "articles"), of
            # What matches a filter may be put in order, if it is few.
            assert "Sort" not in node["Node Type"] or node["Plan Rows"] <= MANY / 100, (of, node)


async def test_words_are_found_by_an_index(many: Database) -> None:
    for known, similar, sort in product((False, True), (False, True), (Sort.RELEVANCE, Sort.CREATED_AT)):
        statement, _ = queries.several(
            known=known,
            filters=frozenset({"words"}),
            status=None,
            order=Order(by=sort),
            include=frozenset(),
            beyond=None,
            similar=similar,
            limit=21,
        )
        # A title is a number, and every other word is in each of them.
        plan = await explain(many, statement, words="4711", spelled="4711", language=None)
        assert ("ix_articles_title" if similar else "ix_articles_search") in indexes(plan)
        assert not [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"]


async def test_a_word_that_every_article_has_is_searched_among_those_written_last(many: Database) -> None:
    statement, _ = queries.several(
        known=False,
        filters=frozenset({"words"}),
        status=None,
        order=Order(by=Sort.RELEVANCE),
        include=frozenset(),
        beyond=None,
        limit=21,
    )
    plan = await explain(many, statement, ", ANALYZE", words="words", language=None)
    (searched,) = [node for node in nodes(plan) if node.get("Index Name") == "ix_articles_search"]
    assert plan["Actual Rows"] == 21
    # The latest section and, where that has not enough, the one before it.
    assert searched["Actual Loops"] * searched["Actual Rows"] <= 2 * 8192


async def test_what_nobody_has_and_what_everybody_has_are_found_soon(many: Database) -> None:
    for filters, given in (
        ({"language"}, {"language": "nn"}),
        ({"language"}, {"language": "de"}),
        ({"language"}, {"language": "en"}),
        ({"language"}, {"language": "en-us"}),
        ({"language", "tags"}, {"language": "en", "tags": ["t7"]}),
        ({"tags"}, {"tags": ["nowhere"]}),
        ({"tags"}, {"tags": ["t7"]}),
        ({"tags"}, {"tags": ["t7", "t8"]}),
        ({"words"}, {"words": "nowhere", "language": None}),
        ({"words"}, {"words": "4711", "language": None}),
        ({"words"}, {"words": "words", "language": None}),
        ({"words", "tags"}, {"words": "words", "tags": ["t7"], "language": None}),
    ):
        for sort, beyond in product(KEYS, (None, "after", "before")):
            statement, _ = queries.several(
                known=False,
                filters=frozenset(filters),
                status=None,
                order=Order(by=sort),
                include=frozenset(),
                beyond=beyond,
                limit=21,
            )
            plan = await explain(many, statement, ", ANALYZE, BUFFERS", **given)
            # Of nearly twenty thousand that the table has.
            assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 1500, (given, sort, beyond)


async def test_a_sitemap_and_its_parts_are_read_by_the_ids(many: Database) -> None:
    for statement in (queries.PARTS, queries.ADDRESSES):
        plan = await explain(many, statement, size=50_000, first=50_000, last=99_999)
        assert not [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
        assert indexes(plan) == {"pk_articles"}


async def test_what_many_ask_for_at_once_is_found_by_its_key(many: Database) -> None:
    asked = {"viewer": [1, 2, 3], "at": [NOON] * 3, "number": [0] * 3}
    for known, by_slug in product((False, True), (False, True)):
        statement = together.for_each(queries.one(by_slug=by_slug, known=known, include=frozenset(Include)))
        given = {"slug": ["s7", "s99999", "nowhere"]} if by_slug else {"id": [7, 99_999, 2**40]}
        plan = await explain(many, statement, ", ANALYZE, BUFFERS", **asked, **given)
        assert plan["Actual Rows"] == 2
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 100


async def test_ones_own_are_found_by_an_index(many: Database) -> None:
    for status in (Status.DRAFT, Status.SCHEDULED, Status.ARCHIVED):
        statement, _ = queries.several(
            known=True, filters=frozenset(), status=status, order=Order(), include=frozenset(), beyond=None, limit=21
        )
        assert indexes(await explain(many, statement)) == {"ix_articles_author_id_date_id"}
    for filters in ({"has_working_copy"}, {"not has_working_copy"}):
        statement, counting = queries.several(
            known=True,
            filters=frozenset(filters),
            status=None,
            order=Order(),
            include=frozenset(),
            beyond=None,
            limit=21,
        )
        for node in (*nodes(await explain(many, statement)), *nodes(await explain(many, counting))):
            assert node.get("Relation Name") != "articles" or node["Node Type"] != "Seq Scan"


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("by", [Sort.DATE, Sort.CREATED_AT])
async def test_the_thousandth_page_by_cursor_costs_what_the_first_does(
    many: Database, by: Sort, *, known: bool
) -> None:
    statement, _ = queries.several(
        known=known,
        filters=frozenset(),
        status=None,
        order=Order(by=by),
        include=frozenset(),
        beyond="after",
        limit=21,
    )
    blocks = []
    for page in (0, 1000):
        moment = NOON - page * timedelta(minutes=22)
        plan = await explain(many, statement, ", ANALYZE, BUFFERS", moment=moment)
        # With the drafts or without them, which are few.
        assert len(indexes(plan) & {f"ix_articles_{by.value}_id", f"ix_articles_out_{by.value}_id"}) == 1
        assert plan["Actual Rows"] == 21
        blocks.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
    first, thousandth = blocks
    assert thousandth <= first + 8


async def times_planned(database: Database, statement: Select[Any]) -> int:
    """How often PostgreSQL plans a statement that is run eight times, with parameters that find something."""
    given = {"viewer": 1, "at": NOON, "language": "de", "moment": NOON - timedelta(days=9), "id": 2**40}
    sql, arguments = prepare(statement, given)
    async with database.connect() as connection:
        prepared = await connection.prepare(sql)
        for _ in range(8):
            await prepared.fetch(*arguments)
        plans = "SELECT custom_plans + least(generic_plans, 1) FROM pg_prepared_statements WHERE statement = $1"
        return int(await connection.fetchval(plans, sql))


async def test_a_list_is_not_planned_again_and_again(many: Database) -> None:
    """PostgreSQL tries five plans for the parameters that it is given, and keeps one for all that is no worse."""
    for known in (False, True):
        statement, _ = queries.several(
            known=known,
            filters=frozenset(),
            status=None,
            order=Order(),
            include=frozenset(),
            beyond=None,
            limit=21,
        )
        assert await times_planned(many, statement) == 6


async def test_what_is_featured_is_found_by_its_index_whatever_is_planned(many: Database) -> None:
    """The one plan for all parameters goes by the index, too."""
    for known, beyond in product((False, True), (None, "after", "before")):
        statement, _ = queries.several(
            known=known,
            filters=frozenset({"featured"}),
            status=None,
            order=Order(),
            include=frozenset(),
            beyond=beyond,
            limit=21,
        )
        given = {"viewer": 1, "at": NOON, "moment": NOON - timedelta(days=9), "id": 2**40}
        sql, arguments = prepare(statement, given)
        async with many.connect() as connection, connection.transaction():
            await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *arguments)
        assert indexes(dict(json.loads(plan)[0]["Plan"])) == {"ix_articles_featured_date_id"}

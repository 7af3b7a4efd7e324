"""What PostgreSQL adds to searching: stems, spellings that are near, and an order by what matters."""

import os
import time
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blog.adapters.database.queries import several
from blog.application.queries import ArticleFilter, Order, Sort
from blog.container import Container, in_memory, utc_now
from blog.domain.articles import Content, Language, Title
from blog.domain.searches import SearchWords
from blog.domain.users import Email, NewPassword, Username
from tests.builders import ASKING, Clock, searches
from tests.support import quick

POSTS = os.environ.get("BLOG_POSTS")

FIRST = {
    "async await": "Async-await on stable Rust!",
    '"async await" hits': "Async-await hits beta!",
    "road to 1.0": "Road to Rust 1.0",
    "fearless concurrency": "Fearless Concurrency in Firefox Quantum",
    "fearless concurrency -firefox": "Fearless Concurrency with Rust",
    "firefox": "Fearless Concurrency in Firefox Quantum",
    "clippy": 'Clippy: Deprecating `feature = "cargo-clippy"`',
    "procedural macros": "Procedural Macros in Rust 2018",
    "mozilla irc": "Mozilla IRC Sunset and the Rust Channel",
    "changes core team": "Changes in the core team",
    "klabnik katz": "Yehuda Katz and Steve Klabnik are joining the Rust Core Team",
    "foundation": "Next steps for the Foundation Conversation",
    "glibc": "Increasing the glibc and Linux kernel requirements",
    "kernel requirement": "Increasing the glibc and Linux kernel requirements",
    "apple": "Increasing the minimum supported Apple platform versions",
    "roadmap 2021": "Planning the 2021 Roadmap",
    "call for blogs": "A call for blogs 2020",
    "incremental compilation": "Announcing Rust 1.52.1",
    "security": "Announcing Rust 1.56.1",
    '"security advisory"': "Announcing Rust 1.34.2",
    "pattern matching": "Mixing matching, mutation, and moves in Rust",
    "cargo workspaces inheritance": "Announcing Rust 1.64.0",
    "non-lexical lifetimes": "Announcing Rust 1.31 and Rust 2018",
    "goals november": "Project goals update — November 2025",
    "increasing reach": "Increasing Rust’s Reach 2018",  # noqa: RUF001 - as its title has it
    "OSPP": "Rust participates in OSPP 2024",
    "asynch awiat": "Async-await on stable Rust!",
    "Procedral Macros": "Procedural Macros in Rust 2018",
}


async def write(
    container: Container, author: int, title: str, content: str = "Some words.", language: str = "en"
) -> int:
    article = await container.publishing().write(
        actor=author, title=Title(title), content=Content(content), language=Language(language), published=True
    )
    return int(article.id)


async def found(container: Container, words: str, language: str | None = None, skip: int = 0) -> list[str]:
    page = await container.article_queries().page(
        viewer=None,
        limit=5,
        skip=skip,
        filter=ArticleFilter(words=SearchWords(words), language=Language(language) if language else None),
        order=Order(by=Sort.RELEVANCE),
    )
    return [article.title for article in page.articles]


def posts() -> list[tuple[str, str]]:
    """The head and the body of each post."""
    files = sorted(Path(POSTS or "").glob("*.md"))
    return [(head, body.strip()) for _, head, body in (file.read_text().split("+++", 2) for file in files)]


@pytest.fixture
async def author(container: Container) -> int:
    account = await container.accounts().register(
        email=Email("a@x.org"), username=Username("ada"), password=NewPassword("correct horse")
    )
    return int(account.id)


async def test_a_word_is_found_in_its_other_forms(container: Container, author: int) -> None:
    await write(container, author, "English", "The engines were running.")
    for words in ("engine", "runs", "engines running"):
        assert await found(container, words) == ["English"]


async def test_the_forms_of_a_word_are_those_of_its_language(container: Container, author: int) -> None:
    await write(container, author, "Deutsch", "Die Häuser am See.", "de")
    await write(container, author, "Unknown", "Die Häuser am See.", "tlh")
    assert await found(container, "Häusern", "de") == ["Deutsch"]
    assert await found(container, "Häusern") == []
    assert sorted(await found(container, "Häuser")) == ["Deutsch", "Unknown"]


async def test_a_title_is_found_that_is_spelled_nearly_so(container: Container, author: int) -> None:
    await write(container, author, "Procedural Macros")
    await write(container, author, "Something else")
    assert await found(container, "Procedral Macos") == ["Procedural Macros"]
    # Only where nothing matches.
    await write(container, author, "Procedral", "A word that somebody misspelled.")
    assert await found(container, "Procedral") == ["Procedral"]


async def test_pages_of_titles_that_are_spelled_nearly_so_go_on(container: Container, author: int) -> None:
    for number in range(7):
        await write(container, author, f"Procedural {number}")
    pages = [await found(container, "Procedral", skip=skip) for skip in (0, 5, 10)]
    assert [len(page) for page in pages] == [5, 2, 0]
    assert len({title for page in pages for title in page}) == 7
    # Where something matches, nothing comes behind it.
    await write(container, author, "Procedral")
    assert (await found(container, "Procedral"), await found(container, "Procedral", skip=1)) == (["Procedral"], [])


@pytest.mark.skipif(not POSTS, reason="BLOG_POSTS names no folder of posts.")
async def test_what_matters_comes_first_among_real_posts(container: Container, author: int) -> None:
    for head, content in posts():
        await write(container, author, tomllib.loads(head)["title"], content)
    firsts = {words: (await found(container, words))[:1] for words in FIRST}
    assert firsts == {words: [title] for words, title in FIRST.items()}


LONG = """
    INSERT INTO articles (
        title, content, content_html, excerpt, word_count, tags, tag_keys, author_id, slug, address, featured,
        publish_at, published_at, version, edition, text_version, created_at, updated_at
    )
    SELECT
        n, repeat('Some plover. ', 15000), repeat('<p>Some plover.</p> ', 10000), '', 2, '{}', '{}',
        1, 's' || n, 's' || n, false, moment, moment, 1, '1-x', 1, moment, moment
    FROM generate_series(1, 40) n, (SELECT timestamptz '2026-01-01T00:00:00Z' AS moment) AS one
"""


async def test_the_longest_articles_are_found_in_time(container: Container, author: int) -> None:
    """Where the words stand in them takes longer than all the rest, and the more so the longer they are."""
    async with container.database().connect() as connection, connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute(LONG.replace("1, 's'", f"{author}, 's'"), timeout=60)
    queries, wanted = container.article_queries(), ArticleFilter(words=SearchWords("plover"))
    for order in (Order(by=Sort.RELEVANCE), Order()):
        begun = time.monotonic()
        page = await queries.page(viewer=None, limit=100, filter=wanted, order=order)
        # A third of a second, where it was three.
        assert time.monotonic() - begun < 2
        assert len(page.articles) == 40
        for article in page.articles:
            assert article.highlight is not None
            assert "<mark>plover</mark>" in article.highlight
            assert "<" not in article.highlight.replace("<mark>", "").replace("</mark>", "")


async def test_only_what_is_shown_is_highlighted(container: Container, author: int) -> None:
    for number in range(3):
        await write(container, author, f"Plover {number}")
    words = {"words": "plover", "language": None, "viewer": None, "at": utc_now(), "skip": 0, "passed": 0, "into": 0}
    for order in (Order(by=Sort.RELEVANCE), Order()):
        statement, _ = several(
            known=False,
            filters=frozenset(["words"]),
            status=None,
            order=order,
            include=frozenset(),
            beyond=None,
            limit=3,
            highlights=True,
        )
        rows = await container.database().read(statement, words)
        assert [row.highlight is None for row in rows] == [False, False, True]
        assert [row.title for row in rows] == ["Plover 2", "Plover 1", "Plover 0"]


async def test_a_tag_that_is_cut_in_two_is_no_text(container: Container, author: int) -> None:
    """Of a long article on a long page, the first twenty thousand characters are looked at."""
    await write(container, author, "On herons", "A plover.")
    long = "word " * 3_994 + 'y plover <a href="https://example.org">y</a>'
    async with container.database().connect() as connection:
        await connection.execute("UPDATE articles SET content_html = $1", long)
    for limit in (10, 100):
        wanted = ArticleFilter(words=SearchWords("plover"))
        (article,) = (await container.article_queries().page(viewer=None, limit=limit, filter=wanted)).articles
        assert article.highlight is not None
        assert "<mark>plover</mark>" in article.highlight
        assert "href" not in article.highlight


# Words that are like no title in spelling, and operators.
WORDS = ("plover", "heron", "egret", "PLOVER")
OPERATORS = ('"', '-"', '--"', "or", "-", "!", "&", "--", "--heron", *(f"-{word}" for word in WORDS))
TEXTS = ("plover", "heron", "egret", "plover heron", "heron plover", "heron, egret", "plover heron egret", "none")


@pytest.fixture
async def both(container: Container, author: int, clock: Clock) -> AsyncIterator[list[Container]]:
    """The same articles in PostgreSQL and in memory."""
    memory = quick(in_memory, clock)
    account = await memory.accounts().register(
        email=Email("a@x.org"), username=Username("ada"), password=NewPassword("correct horse")
    )
    for text in TEXTS:
        # PostgreSQL reads each text twice, as it stands and by its language, with the words of neither side between.
        await write(container, author, "Zzyzx", f"Quux {text} quux", "tlh")
        await write(memory, account.id, "Zzyzx", f"Quux {text} quux", "tlh")
    yield [container, memory]
    memory.hasher().close()
    memory.markdown().close()


@settings(ASKING, max_examples=200)
@given(parts=st.lists(st.sampled_from((*WORDS, *OPERATORS)), min_size=1, max_size=20))
@example(parts=["plover", "or", "heron", "-egret"])
@example(parts=['"heron', "plover"])
@example(parts=["-"] * 33 + ["plover"])
async def test_both_stores_find_the_same(both: list[Container], parts: list[str]) -> None:
    # In a language of which PostgreSQL knows neither stems nor stop words.
    wanted = ArticleFilter(words=SearchWords(" ".join(parts)[:200]), language=Language("tlh"))
    pages = [await one.article_queries().page(viewer=None, limit=20, filter=wanted, order=Order()) for one in both]
    postgres, memory = ([article.content for article in page.articles] for page in pages)
    assert postgres == memory


@settings(ASKING, max_examples=25)
@given(words=searches.map(str.split))
@example(words=["-" * 33])
@example(words=["plover", "-", "--", '"'])
async def test_any_text_can_be_searched_for_on_the_command_line(
    container: Container, author: int, type_in: Callable[..., Awaitable[int]], words: list[str]
) -> None:
    await write(container, author, "Plover")
    assert await type_in("article", "search", "--limit=1", "--", *words) == 0

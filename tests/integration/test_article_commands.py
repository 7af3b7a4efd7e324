"""`blog article`, as somebody types it."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from sqlalchemy import URL

from blog.container import Container
from blog.domain.articles import TEXT, Content, Title
from blog.domain.slugs import Slug
from blog.domain.tags import Tags
from blog.domain.users import Email, NewPassword, Username
from tests.builders import ASKING
from tests.contracts.asking import ada
from tests.contracts.stored import articles, write
from tests.integration.service import blog as run_blog

__all__ = ["ada"]

Blog = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def blog(migrated: URL) -> Blog:
    """Runs a command on the database of the test; answers the exit code, and what it said to whom."""

    async def run(*arguments: str) -> tuple[int, str, str]:
        address = migrated.render_as_string(hide_password=False)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from blog.entrypoints.cli import main; main()", "article", *arguments),
            env={"DATABASE_URL": address, "PATH": "", "LANG": "C.UTF-8"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            out, complaints = await process.communicate()
        return process.returncode or 0, out.decode(), complaints.decode()

    return run


@pytest.fixture
async def author(container: Container) -> int:
    account = await container.accounts().register(
        email=Email("ada@example.org"), username=Username("ada"), password=NewPassword("correct horse")
    )
    publishing = container.publishing()
    for title, published in (("On engines", True), ("On looms — Wörter", True), ("Not yet", False)):
        await publishing.write(
            actor=account.id,
            title=Title(title),
            content=Content("Some *words* of it.\n\nMore."),
            tags=Tags(["Craft", title.split()[1]]),
            published=published,
        )
    return int(account.id)


@pytest.mark.usefixtures("author")
async def test_articles_are_listed_for_people(blog: Blog) -> None:
    code, out, _ = await blog("list")
    assert code == 0
    lines = [line.split(maxsplit=4) for line in out.splitlines()]
    assert [line[1:] for line in lines] == [
        ["2026-03-04", "published", "ada", "On looms — Wörter"],
        ["2026-03-04", "published", "ada", "On engines"],
    ]
    _, out, _ = await blog("list", "--as", "Ada", "--limit", "1")
    assert "draft" in out
    assert "Not yet" in out
    assert len((await blog("list", "--tag", "craft", "--tag", "ENGINES"))[1].splitlines()) == 1
    code, out, complaints = await blog("list", "--author", "nobody")
    assert (code, out, complaints) == (0, "", "There are none.\n")


async def test_scripts_get_json_and_nothing_else(blog: Blog, author: int) -> None:
    _, out, _ = await blog("list", "--json")
    articles = json.loads(out)
    assert [article["title"] for article in articles] == ["On looms — Wörter", "On engines"]
    assert articles[0]["author"] == {"id": author, "username": "ada"}
    _, out, _ = await blog("show", "on-engines", "--json")
    assert json.loads(out) == articles[1]


@pytest.mark.usefixtures("author")
async def test_an_article_is_shown(blog: Blog) -> None:
    code, out, _ = await blog("show", "on-engines")
    assert code == 0
    assert out.startswith("On engines")
    assert "tags:      Craft, engines" in out
    assert out.rstrip().endswith("Some *words* of it.\n\nMore.")
    # A draft, by the slug that it is to have.
    code, out, _ = await blog("show", "not-yet", "--as", "ada")
    assert (code, out.splitlines()[0].strip()) == (0, "Not yet")


async def test_an_author_sees_which_have_a_working_copy(blog: Blog, container: Container, author: int) -> None:
    number = (await container.article_queries().get(Slug("on-engines"), viewer=None)).id
    await container.reworking().save(actor=author, article=number, title=Title("On better engines"))
    _, out, _ = await blog("list", "--as", "ada", "--working-copy", "--json")
    assert [(article["title"], article["has_working_copy"]) for article in json.loads(out)] == [("On engines", True)]
    assert "published, with a working copy" in (await blog("show", str(number), "--as", "ada"))[1]
    assert "working copy" not in (await blog("show", str(number)))[1]


@pytest.mark.usefixtures("author")
async def test_words_are_found(blog: Blog) -> None:
    assert "On engines" in (await blog("search", "engine", "word"))[1]
    assert (await blog("search", "not", "yet"))[1] == ""
    assert "Not yet" in (await blog("search", "not", "yet", "--as", "ada"))[1]
    _, out, _ = await blog("search", "--json", "--", "craft", "-engines")
    assert [article["title"] for article in json.loads(out)] == ["On looms — Wörter"]


@settings(ASKING, max_examples=15)
@given(article=articles)
async def test_any_article_that_is_taken_can_be_shown(
    client: httpx.AsyncClient,
    ada: dict[str, str],
    type_in: Callable[..., Awaitable[int]],
    capsys: pytest.CaptureFixture[str],
    article: dict[str, Any],
) -> None:
    written = await write(client, ada, article)
    capsys.readouterr()
    for which in (str(written["id"]), written["slug"]):
        assert await type_in("article", "show", which) == 0
        assert capsys.readouterr().out.startswith(written["title"])
        assert await type_in("article", "show", which, "--json") == 0
        shown = json.loads(capsys.readouterr().out)
        assert [shown[name] for name in TEXT] == [written[name] for name in TEXT]
    assert await type_in("article", "list", "--json", "--limit=1") == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)] == [written["id"]]
    assert await type_in("article", "list", "--limit=1") == 0
    assert written["title"] in capsys.readouterr().out
    # What one example has left would come first in the list of the next.
    assert (await client.delete(f"/articles/{written['id']}", headers=ada)).status_code == 204


@pytest.mark.usefixtures("author")
@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("show", "nothing-like-it"), 1, "blog: Article not found."),
        (("show", "not-yet"), 1, "blog: Article not found."),
        (("show", "A B"), 2, "'A B' will not do"),
        (("list", "--as", "stranger"), 1, "blog: User not found."),
        (("list", "--working-copy"), 1, "blog: --working-copy lists articles of a user: name the user with --as."),
        (("list", "--limit", "101"), 2, "'101' is not a whole number from 1 to 100"),
        (("search", "x" * 201), 1, "blog: Cannot search for these words. Must be at most 200 characters long."),
        (
            ("search", "a\tb", "c\x1b"),
            1,
            "these words. Must not contain control characters: remove U+0009 in line 1,",
        ),
    ],
)
async def test_a_failure_is_a_sentence(blog: Blog, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    answered, out, complaints = await blog(*arguments)
    assert (answered, out) == (code, "")
    assert sentence in complaints
    assert "Traceback" not in complaints


def test_a_blog_that_is_not_there_yet_is_made_and_has_no_articles(tmp_path: Path) -> None:
    for words in ([], ["words"]):
        result = run_blog(
            "article", "search" if words else "list", *words, cwd=tmp_path, blog_data_dir=tmp_path / "a"
        )
        assert (result.returncode, result.stdout) == (0, "")
        assert result.stderr.endswith("There are none.\n")
    result = run_blog("article", "show", "1", cwd=tmp_path, blog_data_dir=tmp_path / "b")
    assert (result.returncode, result.stdout) == (1, "")
    assert "Bringing the database up to date" in result.stderr
    assert result.stderr.endswith("blog: Article not found.\n")


async def test_a_configured_database_that_is_behind_is_refused(empty: URL, tmp_path: Path) -> None:
    url = empty.set(drivername="postgresql").render_as_string(hide_password=False)
    result = await asyncio.to_thread(run_blog, "article", "list", cwd=tmp_path, database_url=url)
    assert (result.returncode, result.stdout) == (1, "")
    assert "blog db upgrade" in result.stderr

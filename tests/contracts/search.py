"""What the HTTP contract promises of searching: what is found, by whom, and how it is shown."""

import re
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings

from tests.builders import ASKING, searches
from tests.contracts.asking import problem, wrong
from tests.contracts.lists import ids, walk, write


class SearchContract:
    @pytest.fixture
    async def plover(self, client: httpx.AsyncClient, ada: dict[str, str]) -> int:
        """An article: where there is none, a store need not look at what is searched for."""
        return await write(client, ada, title="Plover", content="A b c, or x.y and a/b.")

    @pytest.mark.parametrize(
        "different",
        [
            {"title": "A plover in the title"},
            {"summary": "A Plover, in short."},
            {"tags": ["plover birds"]},
            {"content": "Many words, and then there is a *plover* among them."},
            {"content": "| a | table |\n|---|---|\n| with a | PLOVER |\n"},
        ],
    )
    async def test_words_are_found_wherever_they_stand(
        self, client: httpx.AsyncClient, ada: dict[str, str], different: dict[str, Any]
    ) -> None:
        await write(client, ada)
        number = await write(client, ada, **different)
        assert await ids(client, "q=plover") == [number]
        assert await ids(client, "q=nowhere") == []

    async def test_all_words_have_to_be_there(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        both = await write(client, ada, title="Red", content="A green lantern hung there.")
        one = await write(client, ada, title="Blue", content="A lantern that was green once, and red.")
        for query, expected in (
            ("red lantern", {both, one}),
            ("RED LANTERN blue", {one}),
            ('"green lantern"', {both}),
            ('"lantern green"', set()),
            ("lantern -blue", {both}),
            ('lantern -"green lantern"', {one}),
            ("blue or hung", {both, one}),
            ("hung OR nowhere", {both}),
            ("lantern nowhere", set()),
        ):
            assert set(await ids(client, str(httpx.QueryParams(q=query)))) == expected

    async def test_hidden_articles_are_found_by_their_author_alone(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        draft = await write(client, ada, title="Plover", published=False)
        path = f"/articles/{await write(client, ada)}"
        copy = await client.patch(f"{path}/working-copy", json={"content": "A plover comes."}, headers=ada)
        assert copy.status_code == 200
        for who in (None, bob):
            answer = await client.get("/articles?q=plover&count=true", headers=who)
            assert (answer.json(), answer.headers["x-total-count"]) == ([], "0")
        assert await ids(client, "q=plover", ada) == [draft]

    async def test_what_says_it_in_its_title_comes_first(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        filler = "Many other words stand here. " * 20
        body = await write(client, ada, content=f"{filler} plover {filler}")
        title = await write(client, ada, title="The plover", content=filler)
        later = await write(client, ada, content=f"{filler} {filler} plover")
        found = await ids(client, "q=plover")
        assert found[0] == title
        assert set(found) == {title, body, later}
        assert await ids(client, "q=plover&sort=created_at") == [body, title, later]
        assert await ids(client, "q=plover&limit=1&skip=1") == found[1:2]

    async def test_a_search_goes_with_everything_else(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        hers = await write(client, ada, title="Plover", tags=["birds"])
        await write(client, bob, title="Plover")
        await write(client, ada, title="Heron", tags=["birds"])
        for query in ("author=ada", "tags=birds"):
            answer = await client.get(f"/articles?q=plover&{query}&fields=id&count=true")
            assert [article["id"] for article in answer.json()] == [hers]
            assert answer.headers["x-total-count"] == "1"

    async def test_what_was_found_is_shown_and_safe(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        await write(
            client,
            ada,
            title="<i>",
            content='A plover & <script>alert("plover")</script> <b onclick="x()">1 < 2</b> ![<x>](https://x.org/a)',
        )
        for fields in ("", "&fields=id"):
            (article,) = (await client.get(f"/articles?q=plover{fields}")).json()
            assert "<mark>plover</mark>" in article["highlight"]
            assert "<" not in re.sub(r"</?mark>", "", article["highlight"])
        (article,) = (await client.get("/articles")).json()
        assert "highlight" not in article

    async def test_pages_of_a_search_lead_on(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        numbers = {await write(client, ada, title=f"Plover {number}") for number in range(5)}
        for start in ("/articles?q=plover&limit=2", "/articles?q=plover&limit=2&sort=-created_at&cursor="):
            pages = await walk(client, start)
            assert [len(page) for page in pages] == [2, 2, 1]
            assert {number for page in pages for number in page} == numbers

    @pytest.mark.parametrize(
        ("query", "place"),
        [
            ("q=", "q"),
            ("q=%20", "q"),
            ("q=" + "x" * 201, "q"),
            ("q=%00", "q"),
            ("q=a&cursor=", "cursor"),
            ("q=a&q=b", "q"),
        ],
    )
    async def test_what_cannot_be_searched_for_is_said(
        self, client: httpx.AsyncClient, query: str, place: str
    ) -> None:
        assert set(wrong(await client.get(f"/articles?{query}"))) == {place}

    @settings(ASKING, max_examples=60)
    @given(words=searches)
    @example(words="-" * 33)
    @example(words="!" * 33)
    @example(words="- " * 40)
    @example(words='-"' * 99)
    @example(words="(" * 200)
    @example(words=" or ".join("abcdefghijklmnopqrstuvwxyz"))
    @example(words=" or ".join(f"-{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"))
    async def test_any_text_can_be_searched_for(self, client: httpx.AsyncClient, words: str) -> None:
        for query in ({"q": words}, {"q": words, "sort": "-created_at", "count": "true", "language": "en"}):
            answer = await client.get("/articles", params=query)
            assert answer.status_code == 200, answer.text

    @pytest.mark.parametrize("words", ["-", '"', '""', "or", "!", "_", "- - -", "-" * 33, "😀", "or or"])
    async def test_a_search_without_a_word_finds_nothing(
        self, client: httpx.AsyncClient, ada: dict[str, str], words: str
    ) -> None:
        await write(client, ada)
        assert await ids(client, str(httpx.QueryParams(q=words))) == []

    async def test_what_is_no_minus_leaves_a_word_out_of_nothing(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        force = await write(client, ada, title="Git", content="It is pushed by force.")
        await write(client, ada, title="Git", content="It is pushed.")
        for words in (
            "git --force",
            "git - force",
            f"{'-' * 33}force",
            "-git or force",
            "force or",
        ):
            assert await ids(client, str(httpx.QueryParams(q=words))) == [force], words

    async def test_no_text_is_too_much_to_be_found(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        """An index has its limits; saving has not."""
        words = " ".join(f"{number:x}plover" for number in range(22_000))
        number = await write(client, ada, title="Heron", content=words[:199_999])
        assert await ids(client, "q=heron") == [number]
        assert await ids(client, "q=1plover") == [number]

    async def test_a_language_is_a_language(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        number = await write(client, ada, language="pt-BR")
        answer = await client.get(f"/articles/{number}")
        assert answer.json()["language"] == "pt-BR"
        assert await ids(client, "language=pt-BR") == [number]
        assert await ids(client, "language=de") == []
        path = answer.request.url.path
        assert set(wrong(await client.patch(path, json={"language": "Deutsch!"}, headers=ada))) == {"#/language"}
        answer = await client.patch(path, json={"language": None}, headers=ada)
        assert answer.json()["language"] is None
        assert problem(await client.get("/articles?language=x"), 422)

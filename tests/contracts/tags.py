"""What the HTTP contract promises of tags."""

from typing import Any

import httpx

from tests.contracts.asking import edit, found, write, wrong


async def titles(client: httpx.AsyncClient, tags: str, reader: dict[str, str] | None = None) -> list[str]:
    """The titles of the articles that have all of these."""
    answer = await client.get("/articles", params={"tags": tags}, headers=reader)
    assert answer.status_code == 200
    return [article["title"] for article in answer.json()]


async def counts(client: httpx.AsyncClient, reader: dict[str, str] | None = None, query: str = "") -> list[Any]:
    return [(tag["tag"], tag["count"]) for tag in await found(client, f"/tags{query}", reader)]


class TagsContract:
    async def test_tags_keep_their_spelling_and_order(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = await write(client, ada, tags=["  Zoo ", "éclair", "New York", "C++"])
        assert article["tags"] == ["Zoo", "éclair", "New York", "C++"]
        assert (await edit(client, ada, article, tags=["b", "A"]))["tags"] == ["b", "A"]
        assert (await edit(client, ada, article, tags=[]))["tags"] == []

    async def test_twenty_tags_of_fifty_characters_and_no_more(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        most = [f"{number:02}" + "é" * 48 for number in range(20)]
        article = await write(client, ada, tags=most)
        assert article["tags"] == most
        for tags in ([*most, "x"], ["x" * 51], ["a", " A "], ["é", "É"], ["a,b"], ["a\nb"], [" "]):
            answer = await client.patch(f"/articles/{article['id']}", json={"tags": tags}, headers=ada)
            assert set(wrong(answer)) == {"#/tags"}
        assert (await found(client, f"/articles/{article['id']}"))["tags"] == most

    async def test_articles_are_found_by_all_of_some_tags_in_whatever_case(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        await write(client, ada, title="One", tags=["Engines", "Straße"])
        await write(client, ada, title="Two", tags=["engines"])
        await write(client, ada, title="Three", tags=["Engines of war"])
        assert await titles(client, "ENGINES") == ["Two", "One"]
        assert await titles(client, " engines , STRASSE ") == ["One"]
        assert await titles(client, "engines,none") == []
        assert await titles(client, "engine") == []

    async def test_drafts_are_found_by_their_author_alone(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        await write(client, ada, title="Draft", tags=["plans"], published=False)
        assert [await titles(client, "plans", reader) for reader in (None, bob, ada)] == [[], [], ["Draft"]]

    async def test_pages_keep_the_tags(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        for number in range(5):
            await write(client, ada, title=str(number), tags=["New York", "c&d=e"])
            await write(client, ada, title="another")
        path: str | None = "/articles?limit=2&tags=c%26d%3DE,new+york"
        seen, before = [], set()
        while path:
            answer = await client.get(path)
            seen += [article["title"] for article in answer.json()]
            before |= {answer.links["prev"]["url"]} if "prev" in answer.links else set()
            path = answer.links["next"]["url"] if "next" in answer.links else None
        assert seen == ["4", "3", "2", "1", "0"]
        for link in before:
            assert {tag for article in await found(client, link) for tag in article["tags"]} == {"New York", "c&d=e"}

    async def test_tags_are_counted_over_what_the_reader_may_see(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        await write(client, ada, tags=["Engines", "b"])
        await write(client, bob, tags=["engines", "a"])
        hidden = await write(client, ada, tags=["ENGINES", "plans"], published=False)
        public = [("engines", 2), ("a", 1), ("b", 1)]
        assert await counts(client) == await counts(client, bob) == public
        assert await counts(client, ada) == [("ENGINES", 3), ("a", 1), ("b", 1), ("plans", 1)]
        assert await counts(client, query="?limit=1&skip=1") == public[1:2]
        await edit(client, ada, hidden, published=True)
        assert await counts(client) == await counts(client, ada)
        await client.post(f"/articles/{hidden['id']}/archive", headers=ada)
        assert await counts(client) == public

    async def test_a_page_of_tags_has_its_bounds(self, client: httpx.AsyncClient) -> None:
        assert await found(client, "/tags") == []
        assert set(wrong(await client.get("/tags?limit=0&skip=-1&tag=x"))) == {"limit", "skip", "tag"}
        assert set(wrong(await client.get("/tags?limit=1001"))) == {"limit"}

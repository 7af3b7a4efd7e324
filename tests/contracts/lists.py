"""What the HTTP contract promises of lists of articles: which, in what order, and what of each."""

import base64
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import Clock
from tests.contracts.asking import ARTICLE, bearer, problem, register, token_of, wrong

SORTS = ["-date", "date", "-created_at", "created_at", "-published_at", "published_at", "-updated_at", "updated_at"]


async def write(client: httpx.AsyncClient, who: dict[str, str], **different: Any) -> int:
    answer = await client.post("/articles", json=ARTICLE | different, headers=who)
    assert answer.status_code == 201
    return int(answer.json()["id"])


async def ids(client: httpx.AsyncClient, query: str, who: dict[str, str] | None = None) -> list[int]:
    answer = await client.get(f"/articles?fields=id&{query}", headers=who)
    assert answer.status_code == 200
    return [article["id"] for article in answer.json()]


async def walk(client: httpx.AsyncClient, path: str, relation: str = "next") -> list[list[int]]:
    """The ids of each page, from one to the next."""
    pages, there = [], path
    while there:
        answer = await client.get(there)
        assert answer.status_code == 200
        pages.append([article["id"] for article in answer.json()])
        there = answer.links.get(relation, {}).get("url", "")
    return pages


class ListsContract:
    async def test_what_is_given_narrows_a_list_down(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        plain = await write(client, ada)
        featured = await write(client, ada, featured=True, tags=["Engines", "Algebra"], language="en-GB")
        other = await write(client, bob, tags=["engines"])
        past = {"title": "T", "content": "0123456789", "publish_at": "2019-11-07T00:00:00Z"}
        old = (await client.post("/articles", json=past, headers=bob)).json()["id"]
        draft = await write(client, ada, published=False, tags=["engines"])
        for query, expected in (
            ("", [other, featured, plain, old]),
            ("sort=-created_at", [old, other, featured, plain]),
            ("author=ADA", [featured, plain]),
            ("author=nobody", []),
            ("tags=ENGINES", [other, featured]),
            ("tags=engines,algebra", [featured]),
            ("featured=true", [featured]),
            ("featured=false", [other, plain, old]),
            ("status=published", [other, featured, plain, old]),
            ("status=draft", []),
            ("published_before=2020-01-01T00:00:00Z", [old]),
            (
                "published_after=2019-11-07T00:00:00Z&published_before=2100-01-01T00:00:00%2B02:00",
                [other, featured, plain],
            ),
            ("author=bob&tags=engines&featured=false", [other]),
            ("language=EN", [featured]),
            ("language=en-us", []),
            ("tags=engines&tags=algebra", [featured]),
            ("tags=engines,algebra&tags=ENGINEERING", []),
        ):
            assert await ids(client, query) == expected
        assert await ids(client, "status=draft", ada) == [draft]
        assert await ids(client, "status=draft", bob) == []
        assert await ids(client, "tags=engines&author=ada", ada) == [draft, featured]

    async def test_nobody_filters_by_what_is_hidden(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        for status in ({"published": False}, {"publish_at": "2100-01-01T00:00:00Z"}):
            given_ = {name: value for name, value in ARTICLE.items() if name != "published"} | status
            answer = await client.post("/articles", json=given_ | {"featured": True, "tags": ["x"]}, headers=ada)
            assert answer.status_code == 201
        for who in (None, bob):
            for query in (
                *("author=ada", "tags=x", "featured=true", "status=draft", "status=scheduled", "status=archived"),
                *("published_after=2000-01-01T00:00:00Z", "published_before=2200-01-01T00:00:00Z", "count=true"),
                *(f"sort={sort}" for sort in SORTS),
            ):
                answer = await client.get(f"/articles?{query}", headers=who)
                assert answer.json() == []
                assert answer.headers.get("x-total-count", "0") == "0"

    @pytest.mark.parametrize("sort", SORTS)
    async def test_lists_have_the_order_that_is_asked_for(
        self, client: httpx.AsyncClient, ada: dict[str, str], sort: str
    ) -> None:
        for year in (2019, 2017, 2018):
            given_ = {"title": "T", "content": "0123456789", "publish_at": f"{year}-01-01T00:00:00Z"}
            assert (await client.post("/articles", json=given_, headers=ada)).status_code == 201
        first = (await ids(client, "sort=created_at"))[0]
        assert (await client.patch(f"/articles/{first}", json={"title": "Later"}, headers=ada)).status_code == 200
        answer = await client.get(f"/articles?sort={sort}")
        name = "published_at" if sort.endswith("date") else sort.removeprefix("-")
        moments = [article[name] for article in answer.json()]
        assert len(moments) == 3
        assert moments == sorted(moments, reverse=sort.startswith("-"))

    async def test_what_was_published_last_comes_first(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        given_ = {"title": "T", "content": "0123456789"}

        async def new(**different: Any) -> int:
            return int((await client.post("/articles", json=given_ | different, headers=ada)).json()["id"])

        draft, late = await new(), await new()
        scheduled, fresh = await new(publish_at="2040-01-01T00:00:00Z"), await new(published=True)
        old = await new(publish_at="2019-11-07T00:00:00Z")
        await client.patch(f"/articles/{late}", json={"published": True}, headers=ada)
        public, own = [late, fresh, old], [scheduled, late, fresh, draft, old]
        for who, expected in ((None, public), (ada, own)):
            assert await ids(client, "", who) == await ids(client, "sort=-date", who) == expected
            assert await ids(client, "sort=date", who) == expected[::-1]
            assert await ids(client, "sort=-created_at", who) == sorted(expected, reverse=True)
            # Page by page, forth and back.
            there, pages = "/articles?cursor=&limit=1", []
            while there:
                answer = await client.get(there, headers=who)
                pages.append(answer)
                there = answer.links.get("next", {}).get("url", "")
            assert [article["id"] for page in pages for article in page.json()] == expected
            back = pages[-1]
            for number in expected[-2::-1]:
                back = await client.get(back.links["prev"]["url"], headers=who)
                assert [article["id"] for article in back.json()] == [number]
        # A cursor of another order says so.
        link = (await client.get("/articles?cursor=&limit=1&sort=-created_at")).links["next"]["url"]
        for there in (link.replace("sort=-created_at", "sort=-date"), link.replace("&sort=-created_at", "")):
            sentence = wrong(await client.get(there))["cursor"]
            assert sentence == "Must be of the same sort: this one is of -created_at, and the list of -date."

    async def test_fields_are_chosen_and_others_added(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        number = await write(client, ada, content="Some *Markdown* here.")
        path = f"/articles/{number}"
        whole = (await client.get(path)).json()
        assert "content_html" not in whole
        assert "author" not in whole
        for there in (path, "/articles"):

            async def ask(query: str, there: str = there) -> dict[str, Any]:
                content = (await client.get(f"{there}?{query}")).json()
                return dict(content if isinstance(content, dict) else content[0])

            assert await ask("fields=slug&fields=title") == {"slug": whole["slug"], "title": whole["title"]}
            assert await ask("fields=slug,title") == {"slug": whole["slug"], "title": whole["title"]}
            assert await ask("fields=id&include=content_html") == {
                "id": number,
                "content_html": "<p>Some <em>Markdown</em> here.</p>\n",
            }
            everything = await ask("include=author,content_html")
            assert await ask("include=author&include=content_html") == everything
            assert everything.pop("author") == {"id": whole["author_id"], "username": "Ada"}
            assert everything.pop("content_html")
            assert everything == whole

    @pytest.mark.parametrize(
        ("query", "places"),
        [
            ("fields=id,password_hash", {"fields"}),
            ("fields=author", {"fields"}),
            ("fields=", {"fields"}),
            ("fields=id,id", {"fields"}),
            ("include=email", {"include"}),
            ("sort=title", {"sort"}),
            ("sort=id;DROP TABLE articles", {"sort"}),
            ("status=secret", {"status"}),
            ("featured=yes", {"featured"}),
            ("featured=1&has_working_copy=TRUE&count=False", {"featured", "has_working_copy", "count"}),
            ("author=a&count=2", {"author", "count"}),
            ("published_after=2020-01-01", {"published_after"}),
            ("published_after=1577836800.5", {"published_after"}),
            ("published_before=2020-01-01T00:00:00", {"published_before"}),
            ("published_after=0001-01-01T00:00:00%2B14:00", {"published_after"}),
            ("published_before=9999-12-31T23:59:59-14:00", {"published_before"}),
            ("tags=a,,b", {"tags"}),
            ("tags=a,A", {"tags"}),
            ("cursor=rubbish", {"cursor"}),
            ("cursor=WzFd", {"cursor"}),
            ("cursor=WyItZGF0ZSIsImFmdGVyIiwxLDFd!", {"cursor"}),
            ("cursor=WyItZGF0ZSIsImFmdGVyIiwxLDFd====", {"cursor"}),
            (f"cursor=WyItZGF0ZSIsImFmdGVyIiwxLDFd{'A' * 300}", {"cursor"}),
            ("cursor=&skip=1", {"skip"}),
            ("tags=a&tags=A", {"tags"}),
            ("tags=a&tags=", {"tags"}),
            ("fields=id&fields=id", {"fields"}),
            ("limit=1&limit=1&plover=1&plover=2", {"limit", "plover"}),
            ("&".join(f"tags={number}" for number in range(21)), {"tags"}),
        ],
    )
    async def test_everything_wrong_with_a_list_is_named(
        self, client: httpx.AsyncClient, query: str, places: set[str]
    ) -> None:
        assert set(wrong(await client.get(f"/articles?{query}"))) == places

    @pytest.mark.parametrize("direction", ["after", "before"])
    async def test_a_cursor_that_nobody_gave_names_what_can_be_kept_or_is_refused(
        self, client: httpx.AsyncClient, ada: dict[str, str], direction: str
    ) -> None:
        await write(client, ada)

        async def page(moment: object, number: object) -> httpx.Response:
            raw = json.dumps(["-date", direction, moment, number]).encode()
            return await client.get(f"/articles?cursor={base64.urlsafe_b64encode(raw).decode().rstrip('=')}")

        year_1, year_10_000 = -62_135_596_800_000_000, 253_402_300_800_000_000
        kept: list[tuple[Any, Any]] = [(0, 2**63 - 1), (0, 1 - 2**63), (0, 0), (year_1, 1), (year_10_000 - 1, 1)]
        for moment, number in kept:
            assert (await page(moment, number)).status_code == 200
        refused: list[tuple[Any, Any]] = [
            *((0, number) for number in (2**63, -(2**63), 2**64, 10**30, 0.5, "1", None, True, [1])),
            *((moment, 1) for moment in (year_1 - 1, year_10_000, 2**63, 10**30, "0", None)),
        ]
        for moment, number in refused:
            assert set(wrong(await page(moment, number))) == {"cursor"}

    async def test_a_cursor_is_of_one_order(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        for _ in range(3):
            await write(client, ada)
        there = (await client.get("/articles?cursor=&limit=1")).links["next"]["url"]
        assert set(wrong(await client.get(f"{there}&sort=created_at"))) == {"cursor"}

    async def test_the_total_is_told_when_asked_for(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        for _ in range(3):
            await write(client, ada)
        await write(client, ada, published=False)
        for query, total in (("", "3"), ("&skip=2", "3"), ("&skip=9", "3"), ("&cursor=", "3"), ("&author=bob", "0")):
            answer = await client.get(f"/articles?limit=1&count=true{query}")
            assert answer.headers["x-total-count"] == total
        assert "x-total-count" not in (await client.get("/articles?count=false")).headers
        assert (await client.get("/articles?count=true", headers=ada)).headers["x-total-count"] == "4"

    @pytest.mark.parametrize("sort", SORTS)
    async def test_pages_by_cursor_lead_there_and_back(
        self, client: httpx.AsyncClient, ada: dict[str, str], sort: str
    ) -> None:
        for _ in range(7):
            await write(client, ada)
        whole = await ids(client, f"sort={sort}")
        start = f"/articles?cursor=&limit=3&sort={sort}&fields=id"
        pages = await walk(client, start)
        assert pages == [whole[:3], whole[3:6], whole[6:]]
        last = await client.get((await client.get(start)).links["next"]["url"])
        last = await client.get(last.links["next"]["url"])
        assert await walk(client, last.links["prev"]["url"], "prev") == [whole[3:6], whole[:3]]
        assert "prev" not in (await client.get(start)).links

    async def test_a_link_keeps_what_else_was_asked_for(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        for _ in range(3):
            await write(client, ada, tags=["a & b", "c"])
        await write(client, ada, tags=["c"])
        for tags in ("tags=A%20%26%20b,c", "tags=A%20%26%20b&tags=c"):
            for query in (f"{tags}&fields=id&limit=1", f"{tags}&fields=id&limit=1&cursor="):
                assert len(await walk(client, f"/articles?{query}")) == 3

    @settings(
        max_examples=15,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.differing_executors,
        ],
    )
    @given(data=st.data())
    async def test_whatever_comes_and_goes_what_stays_is_shown_once(
        self, client: httpx.AsyncClient, clock: Clock, data: Any
    ) -> None:
        name = f"u{clock.moment.timestamp():.0f}"
        await register(client, name)
        who = bearer(await token_of(client, name))
        there = f"/articles?cursor=&author={name}&fields=id&limit={data.draw(st.integers(1, 3))}"
        kept = [await write(client, who) for _ in range(data.draw(st.integers(1, 6)))]
        gone: set[int] = set()
        seen: list[int] = []
        while there:
            answer = await client.get(there)
            seen += [article["id"] for article in answer.json()]
            there = answer.links.get("next", {}).get("url", "")
            if data.draw(st.booleans()):
                await write(client, who)
            left = [number for number in kept if number not in gone]
            if left and data.draw(st.booleans()):
                number = data.draw(st.sampled_from(left))
                assert (await client.delete(f"/articles/{number}", headers=who)).status_code == 204
                gone.add(number)
        assert len(seen) == len(set(seen))
        assert set(kept) - gone <= set(seen)

    async def test_a_page_past_the_end_is_empty(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        number = await write(client, ada)
        assert set((await client.get("/articles?cursor=&limit=1")).links) == {"alternate"}
        await write(client, ada)
        there = (await client.get("/articles?cursor=&limit=1")).links["next"]["url"]
        assert (await client.delete(f"/articles/{number}", headers=ada)).status_code == 204
        answer = await client.get(there)
        assert (answer.json(), set(answer.links)) == ([], {"alternate"})
        assert problem(await client.get("/articles?limit=101&cursor="), 422)

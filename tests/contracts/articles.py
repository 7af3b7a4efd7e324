"""What the HTTP contract promises of articles, whatever the blog is kept in."""

import json
from typing import Any

import httpx
import pytest

from tests.contracts.asking import ARTICLE, DRAFT, MISSING, edit, found, headers, problem, write, wrong

CHANGES = (
    ({"title": "New"}, ()),
    ({"content": "Another content"}, ("excerpt", "word_count")),
    ({"summary": "Of engines"}, ("excerpt",)),
    ({"tags": ["Engines"]}, ()),
    ({"featured": True}, ()),
    ({"slug": "engines"}, ()),
    ({"cover_image_url": "https://example.org/a.png", "cover_image_alt": "An engine"}, ()),
    ({"canonical_url": "https://example.org/a?b=c"}, ()),
    ({"published": True}, ("status", "published_at", "publish_at")),
    ({"published": False}, ("status", "publish_at")),
)
"""Each with what else it changes."""


STATES: dict[str, list[dict[str, Any]]] = {
    "draft": [{"published": False}],
    "scheduled": [{"publish_at": "2100-01-01T00:00:00Z"}],
    "published": [{"published": True}],
    "from elsewhere": [{"publish_at": "2019-05-06T07:08:09.000001+02:00"}],
    "with all that it can have": [
        {
            "published": True,
            "summary": "Of engines",
            "tags": ["Engines", "Straße"],
            "slug": "engines",
            "featured": True,
        },
        {
            "cover_image_url": "https://example.org/a.png",
            "cover_image_alt": "A",
            "canonical_url": "https://a.example",
        },
        {"language": "pt-BR", "unpublish_at": "2100-01-01T00:00:00Z", "content": "One\r\n\ttwo\u2028 three  \n"},
    ],
    "published again": [{"published": True}, {"published": False}, {"published": True}],
    "archived": [{"published": True}, {"unpublish_at": "2026-01-01T00:00:00Z", "publish_at": "2025-01-01T00:00:00Z"}],
}
"""Articles by what was done to them: how they were written, and each change."""


class ArticlesContract:
    @pytest.mark.parametrize("state", STATES)
    async def test_sending_back_what_was_read_changes_nothing(
        self, client: httpx.AsyncClient, ada: dict[str, str], state: str
    ) -> None:
        article = await write(client, ada, **{"published": None} | STATES[state][0])
        for changes in STATES[state][1:]:
            article = await edit(client, ada, article, **changes)
        schemas = (await found(client, "/openapi.json"))["components"]["schemas"]
        path = f"/articles/{article['id']}"
        taken = [name for name in schemas["ArticleChanges"]["properties"] if name in article]
        assert len(taken) == 13
        for names in (taken, *([name] for name in taken)):
            answer = await client.patch(path, json={name: article[name] for name in names}, headers=ada)
            assert (answer.status_code, answer.json()) == (200, article), names
        assert len(await found(client, f"{path}/revisions", ada)) == article["version"]
        # What is only read is refused, and says so.
        only_read = set(article) - set(taken)
        assert {f"#/{name}" for name in only_read} == set(wrong(await client.patch(path, json=article, headers=ada)))
        copy = (await client.patch(f"{path}/working-copy", json={"title": "Other"}, headers=ada)).json()
        taken = [name for name in schemas["WorkingCopyChanges"]["properties"] if name in copy]
        for names in (taken, *([name] for name in taken)):
            answer = await client.patch(
                f"{path}/working-copy", json={name: copy[name] for name in names}, headers=ada
            )
            assert (answer.status_code, answer.json()) == (200, copy), names

    async def test_writing_answers_the_article(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        answer = await client.post("/articles", json=ARTICLE, headers=ada)
        assert answer.status_code == 201
        article = answer.json()
        assert answer.headers["location"] == f"/articles/{article['id']}"
        author = (await client.get("/users/me", headers=ada)).json()["id"]
        assert article == ARTICLE | {
            "id": article["id"],
            "author_id": author,
            "created_at": article["created_at"],
            "updated_at": article["created_at"],
            "slug": "on-engines",
            "summary": None,
            "excerpt": ARTICLE["content"],
            "tags": [],
            "status": "published",
            "published_at": article["created_at"],
            "publish_at": article["created_at"],
            "unpublish_at": None,
            "version": 1,
            "edition": article["edition"],
            "reading_minutes": 1,
            "word_count": 5,
            "cover_image_url": None,
            "cover_image_alt": None,
            "canonical_url": None,
            "featured": False,
            "language": None,
            "has_working_copy": False,
        }
        assert isinstance(article["id"], int)
        assert article["created_at"].endswith(".123456Z")
        assert await found(client, f"/articles/{article['id']}", ada) == article
        # When it appears and disappears, and whether a working copy is begun, is its author's business.
        public = article | {"publish_at": None, "has_working_copy": None}
        assert await found(client, f"/articles/{article['id']}") == public

    async def test_an_article_is_a_draft_unless_told_otherwise(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        answer = await client.post("/articles", json={"title": "T", "content": "0123456789"}, headers=ada)
        assert answer.json()["published"] is False

    async def test_writing_needs_a_token_before_anything_else(self, client: httpx.AsyncClient) -> None:
        for content in (b"{", b"{}", json.dumps(ARTICLE).encode()):
            answer = await client.post("/articles", content=content, headers={"Content-Type": "application/json"})
            assert problem(answer, 401)

    @pytest.mark.parametrize(
        ("article", "places"),
        [
            ({}, {"#/title", "#/content"}),
            ({"title": "", "content": ""}, {"#/title", "#/content"}),
            ({"title": "  ", "content": " " * 20}, {"#/title", "#/content"}),
            ({"title": "x" * 201, "content": "x" * 200_001}, {"#/title", "#/content"}),
            ({"title": "x" * 200, "content": "x" * 9}, {"#/content"}),
            ({"title": "nul\x00", "content": "nul\x00 and more"}, {"#/title", "#/content"}),
            ({"title": "two\nlines", "content": "escape\x1b[2J and more"}, {"#/title", "#/content"}),
            ({"title": 1, "content": ["x"], "published": "yes"}, {"#/title", "#/content", "#/published"}),
            ({"title": None, "content": None, "published": None}, {"#/title", "#/content", "#/published"}),
            ({"title": "T", "content": "0123456789", "published": 1}, {"#/published"}),
            (ARTICLE | {"id": 1, "author_id": 2}, {"#/id", "#/author_id"}),
        ],
    )
    async def test_everything_wrong_with_an_article_is_named(
        self, client: httpx.AsyncClient, ada: dict[str, str], article: dict[str, Any], places: set[str]
    ) -> None:
        assert set(wrong(await client.post("/articles", json=article, headers=ada))) == places
        assert (await client.get("/articles", headers=ada)).json() == []

    @pytest.mark.parametrize(
        "article",
        [
            {"title": "x", "content": "x" * 10},
            {"title": "é" * 200, "content": "€" * 200_000},
            {"title": "\U0001d518nicode 🎉", "content": "line\nline\r\n\ttab 🎉"},
            {"title": " spaces stay ", "content": "  and trailing ones too  \n"},
        ],
    )
    async def test_words_come_back_as_they_were_sent(
        self, client: httpx.AsyncClient, ada: dict[str, str], article: dict[str, str]
    ) -> None:
        answer = await client.post("/articles", json=article, headers=ada)
        assert answer.status_code == 201
        read = (await client.get(answer.headers["location"], headers=ada)).json()
        assert {name: read[name] for name in article} == article

    async def test_only_what_is_sent_changes(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = (await client.post("/articles", json=DRAFT, headers=ada)).json()
        path = f"/articles/{article['id']}"
        for change, what_follows in CHANGES:
            answer = await client.patch(path, json=change, headers=ada)
            assert answer.status_code == 200
            changed = answer.json()
            follows = {name: changed[name] for name in (*what_follows, "updated_at", "edition")}
            assert changed == article | change | follows | {"version": article["version"] + 1}
            assert changed["updated_at"] > article["updated_at"]
            assert changed["edition"] != article["edition"]
            assert await found(client, path, ada) == changed
            article = changed

    async def test_what_can_be_cleared_is_cleared_by_null(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        text = {"summary": "S", **dict.fromkeys(("cover_image_url", "canonical_url"), "https://example.org/")}
        article = await write(client, ada, **text, cover_image_alt="An engine")
        cleared = dict.fromkeys(("cover_image_url", "cover_image_alt", "canonical_url", "summary"))
        changed = await edit(client, ada, article, **cleared)
        assert {name: changed[name] for name in cleared} == cleared
        assert changed["excerpt"] == ARTICLE["content"]

    @pytest.mark.parametrize(
        "wrong_one",
        [
            *({"summary": text} for text in ("", " ", "x" * 501, "two\nlines", 1)),
            *({"cover_image_alt": text} for text in ("", "x" * 501)),
            *({"note": text} for text in ("", "x" * 501, None)),
            *({"slug": text} for text in ("", "UP", "a--b", "-a", "a-", "ä", "a b", "12", "tags", "x" * 101, None)),
            *({"featured": value} for value in (None, 1, "true")),
            *({"tags": value} for value in (None, "a", [1], [""], ["x" * 51], ["a,b"], ["a", "A"], ["a"] * 21)),
            *(
                {name: address}
                for name in ("cover_image_url", "canonical_url")
                for address in ("", "/a", "ftp://a", "javascript:alert(1)", "https://a@b", "https://", "https://ä", 1)
            ),
        ],
        ids=str,
    )
    async def test_what_else_is_said_of_an_article_has_its_rules(
        self, client: httpx.AsyncClient, ada: dict[str, str], wrong_one: dict[str, Any]
    ) -> None:
        (name,) = wrong_one
        article = await write(client, ada)
        places = [
            wrong(await client.post("/articles", json=ARTICLE | wrong_one, headers=ada)),
            wrong(await client.patch(f"/articles/{article['id']}", json=wrong_one, headers=ada)),
        ]
        assert [set(each) for each in places] == [{f"#/{name}"}] * 2
        assert await found(client, "/articles", ada) == [article]

    async def test_a_change_of_nothing_changes_nothing(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = (await client.post("/articles", json=DRAFT, headers=ada)).json()
        for change in ({}, {"title": DRAFT["title"]}):
            answer = await client.patch(f"/articles/{article['id']}", json=change, headers=ada)
            assert (answer.status_code, answer.json()) == (200, article)

    async def test_null_is_no_value(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = (await client.post("/articles", json=DRAFT, headers=ada)).json()
        nulls = {"title": None, "content": None, "published": None}
        answer = await client.patch(f"/articles/{article['id']}", json=nulls, headers=ada)
        assert set(wrong(answer)) == {"#/title", "#/content", "#/published"}
        assert (await client.get(f"/articles/{article['id']}", headers=ada)).json() == article

    async def test_a_deleted_article_is_gone(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        path = (await client.post("/articles", json=ARTICLE, headers=ada)).headers["location"]
        answer = await client.delete(path, headers=ada)
        assert (answer.status_code, answer.content) == (204, b"")
        assert "content-type" not in answer.headers
        assert problem(await client.get(path, headers=ada), 404) == MISSING
        assert problem(await client.delete(path, headers=ada), 404) == MISSING

    async def test_somebody_elses_published_article_may_be_read_and_not_touched(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        article = (await client.post("/articles", json=ARTICLE, headers=ada)).json()
        path = f"/articles/{article['id']}"
        assert (
            problem(await client.patch(path, json={"title": "Mine"}, headers=bob), 403)["detail"] == "Not authorized"
        )
        assert problem(await client.delete(path, headers=bob), 403)["detail"] == "Not authorized"
        assert problem(await client.patch(path, json={"title": "Mine"}), 401)
        assert problem(await client.delete(path), 401)
        assert await found(client, path, ada) == article

    async def test_somebody_elses_draft_does_not_exist(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        path = (await client.post("/articles", json=DRAFT, headers=ada)).headers["location"]
        unknown = "/articles/999999"
        for method, change in (("GET", None), ("HEAD", None), ("PATCH", {"title": "Mine"}), ("DELETE", None)):
            hidden = await client.request(method, path, json=change, headers=bob)
            missing = await client.request(method, unknown, json=change, headers=bob)
            assert (hidden.status_code, hidden.content) == (missing.status_code, missing.content)
            assert headers(hidden) == headers(missing)
            assert hidden.status_code == 404
        assert problem(await client.get(path), 404) == MISSING
        assert (await client.get(path, headers=ada)).status_code == 200

    @pytest.mark.parametrize(
        "number", ["0", "999999", "abc", "-1", "1.0", "1e3", "9" * 18, "9" * 19, "9" * 400, "٣", "%00"]
    )
    async def test_what_names_no_article_is_not_found(
        self, client: httpx.AsyncClient, ada: dict[str, str], number: str
    ) -> None:
        path = f"/articles/{number}"
        for answer in (
            await client.get(path),
            await client.patch(path, json={}, headers=ada),
            await client.delete(path, headers=ada),
        ):
            assert problem(answer, 404) == MISSING

    async def test_errors_come_in_their_order(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        """401, a malformed or invalid request, 404, 403."""
        path = (await client.post("/articles", json=ARTICLE, headers=ada)).headers["location"]
        bad, valid = {"title": ""}, {"title": "T"}
        assert problem(await client.patch("/articles/abc", json=bad), 401)
        assert wrong(await client.patch("/articles/abc", json=bad, headers=bob))
        assert wrong(await client.patch(path, json=bad, headers=bob))
        assert wrong(await client.delete(path, params={"x": 1}, headers=bob))
        assert problem(await client.patch("/articles/abc", json=valid, headers=bob), 404)
        assert problem(await client.patch(path, json=valid, headers=bob), 403)

    async def test_the_list_has_the_newest_first_and_drafts_for_their_author(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        first = (await write(client, ada))["id"]
        draft = (await write(client, ada, published=False))["id"]
        last = (await write(client, bob))["id"]
        for reader, ids in ((None, [last, first]), (ada, [last, draft, first]), (bob, [last, first])):
            listed = await found(client, "/articles", reader)
            assert [article["id"] for article in listed] == ids
            assert listed == [await found(client, f"/articles/{each}", reader) for each in ids]

    async def test_pages_lead_to_each_other(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        ids = [(await client.post("/articles", json=ARTICLE, headers=ada)).json()["id"] for _ in range(7)]
        seen: list[int] = []
        path: str | None = "/articles?limit=3"
        links: list[dict[str, str]] = []
        while path:
            answer = await client.get(path)
            assert answer.status_code == 200
            seen += [article["id"] for article in answer.json()]
            links.append({rel: link["url"] for rel, link in answer.links.items() if rel in ("next", "prev")})
            path = links[-1].get("next")
        assert seen == ids[::-1]
        assert links == [
            {"next": "/articles?skip=3&limit=3"},
            {"next": "/articles?skip=6&limit=3", "prev": "/articles?skip=0&limit=3"},
            {"prev": "/articles?skip=3&limit=3"},
        ]
        answer = await client.get("/articles?skip=2&limit=3")
        assert answer.links["prev"]["url"] == "/articles?skip=0&limit=2"
        assert set((await client.get("/articles")).links) == {"alternate"}
        assert (await client.get("/articles?skip=1000000000")).json() == []

    @pytest.mark.parametrize(
        ("query", "places"),
        [
            ("limit=0", {"limit"}),
            ("limit=101", {"limit"}),
            ("limit=-1&skip=-1", {"limit", "skip"}),
            ("limit=ten", {"limit"}),
            ("limit=", {"limit"}),
            ("limit=1.5", {"limit"}),
            ("limit=1e1&skip=5.0", {"limit", "skip"}),
            ("skip=-0", {"skip"}),
            ("limit=99999999999999999999999", {"limit"}),
            ("skip=1000000001", {"skip"}),
            ("limit=1&limit=2", {"limit"}),
            ("tags=&skip=-1", {"tags", "skip"}),
            ("tags=a,,b", {"tags"}),
            ("tags=a,A", {"tags"}),
            ("tags=a&tags=A", {"tags"}),
            ("tags=" + ",".join(map(str, range(21))), {"tags"}),
            ("sort=title&skip=x", {"sort", "skip"}),
            ("Limit=1", {"Limit"}),
            ("limit=%00", {"limit"}),
            ("nul%00=1", {"nul\x00"}),
            ("=1", {""}),
        ],
    )
    async def test_everything_wrong_with_a_query_is_named(
        self, client: httpx.AsyncClient, query: str, places: set[str]
    ) -> None:
        answer = await client.get(f"/articles?{query}")
        assert set(wrong(answer)) == places
        assert all("parameter" in error for error in answer.json()["errors"])

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/articles/1"),
            ("GET", "/users/Ada"),
            ("GET", "/users/me"),
            ("POST", "/articles"),
            ("PATCH", "/articles/1"),
            ("DELETE", "/articles/1"),
            ("GET", "/tags"),
            *(("POST", f"/articles/1/{each}") for each in ("archive", "revisions/1/restore", "working-copy/publish")),
            *((method, "/articles/1/working-copy") for method in ("GET", "PATCH", "DELETE")),
            *((method, "/articles/1/previews") for method in ("GET", "POST")),
            *(("GET", f"/articles/1/{each}") for each in ("revisions", "revisions/1", "revisions/1/diff?against=1")),
            ("DELETE", "/articles/1/previews/1"),
            ("GET", "/health/live"),
            ("GET", "/openapi.json"),
        ],
    )
    async def test_no_route_takes_a_parameter_it_does_not_know(
        self, client: httpx.AsyncClient, ada: dict[str, str], method: str, path: str
    ) -> None:
        body = {"surprise": 1} if method in ("POST", "PATCH") else None
        answer = await client.request(
            method, f"{path}{'&' if '?' in path else '?'}surprise=1", headers=ada, json=body
        )
        assert "surprise" in wrong(answer)

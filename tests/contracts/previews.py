"""What the HTTP contract promises of previews: links that show what is not out."""

from typing import Any

import httpx
import pytest

from tests.builders import Clock
from tests.contracts.asking import MISSING, bearer, edit, found, problem, signed_in, token_of, write, wrong

GONE = "Preview not found"


async def issue(
    client: httpx.AsyncClient, author: dict[str, str], article: dict[str, Any], **options: Any
) -> dict[str, Any]:
    answer = await client.post(f"/articles/{article['id']}/previews", json=options, headers=author)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


class PreviewsContract:
    async def test_whoever_has_the_link_reads_the_draft_as_it_stands(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        draft = await write(client, ada, published=False, content="*Not* yet done")
        preview = await issue(client, ada, draft)
        assert preview["url"] == f"/preview?token={preview['token']}"
        for reader in (None, bob, ada):
            answer = await client.get(preview["url"], headers=reader)
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-robots-tag"] == "noindex"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert "etag" not in answer.headers
            seen = {"content_html": "<p><em>Not</em> yet done</p>\n", "has_working_copy": None}
            assert answer.json() == draft | seen
        await edit(client, ada, draft, title="Another")
        assert (await found(client, preview["url"]))["title"] == "Another"
        head = await client.head(preview["url"])
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["cache-control"] == "no-store"

    async def test_what_others_add_to_the_link_is_ignored(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        draft = await write(client, ada, published=False)
        preview = await issue(client, ada, draft)
        assert (await found(client, f"{preview['url']}&fbclid=x&fbclid=y"))["title"] == draft["title"]
        assert wrong(await client.get("/preview?fbclid=x")) == {"token": "Is missing."}
        # The routes that the API alone has take none.
        answer = await client.get(f"/articles/{draft['id']}/previews?fbclid=x", headers=ada)
        assert wrong(answer) == {"fbclid": "Is not a parameter of this address."}

    async def test_a_preview_of_a_working_copy_shows_that(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada)
        path = f"/articles/{article['id']}"
        answer = await client.post(f"{path}/previews", json={"of": "working_copy"}, headers=ada)
        assert problem(answer, 404)["detail"] == "There is no working copy of this article."
        await client.patch(f"{path}/working-copy", json={"title": "New", "content": "Quite *different*"}, headers=ada)
        shown = await found(client, (await issue(client, ada, article, of="working_copy"))["url"])
        assert (shown["title"], shown["content_html"]) == ("New", "<p>Quite <em>different</em></p>\n")
        assert (shown["summary"], shown["excerpt"], shown["word_count"]) == (None, "Quite different", 2)
        assert shown["id"] == article["id"]
        assert (await found(client, (await issue(client, ada, article))["url"]))["title"] == article["title"]

    async def test_a_preview_of_a_working_copy_ends_with_it(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada)
        copy = f"/articles/{article['id']}/working-copy"
        await client.patch(copy, json={"title": "New"}, headers=ada)
        preview = await issue(client, ada, article, of="working_copy")
        await client.delete(copy, headers=ada)
        assert problem(await client.get(preview["url"]), 404)["detail"] == GONE

    async def test_previews_are_listed_without_their_tokens_and_can_be_taken_back(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        draft, other = await write(client, ada, published=False), await write(client, ada, published=False)
        path = f"/articles/{draft['id']}/previews"
        assert await found(client, path, ada) == []
        first, second = await issue(client, ada, draft), await issue(client, ada, draft, expires_in=60)
        listed = await found(client, path, ada)
        secret = ("token", "url")
        assert listed == [{name: each[name] for name in each if name not in secret} for each in (second, first)]
        assert (listed[0]["article_id"], listed[0]["of"]) == (draft["id"], "article")
        # By the article that it is of, and no other.
        for number in (f"{other['id']}/previews/{first['id']}", f"{draft['id']}/previews/999999"):
            assert problem(await client.delete(f"/articles/{number}", headers=ada), 404)["detail"] == GONE
        answer = await client.delete(f"{path}/{first['id']}", headers=ada)
        assert (answer.status_code, answer.content) == (204, b"")
        assert problem(await client.get(first["url"]), 404)["detail"] == GONE
        assert problem(await client.delete(f"{path}/{first['id']}", headers=ada), 404)["detail"] == GONE
        assert (await client.get(second["url"])).status_code == 200
        assert [each["id"] for each in await found(client, path, ada)] == [second["id"]]

    async def test_a_preview_expires(self, client: httpx.AsyncClient, clock: Clock, ada: dict[str, str]) -> None:
        draft = await write(client, ada, published=False)
        week, hour = await issue(client, ada, draft), await issue(client, ada, draft, expires_in=3600)
        clock.advance(minutes=59)
        assert (await client.get(hour["url"])).status_code == 200
        clock.advance(minutes=1)
        assert problem(await client.get(hour["url"]), 404)["detail"] == GONE
        clock.advance(days=6)
        ada = await signed_in(client, "Ada")
        assert (await client.get(week["url"])).status_code == 200
        listed = await found(client, f"/articles/{draft['id']}/previews", ada)
        assert [each["id"] for each in listed] == [week["id"]]
        clock.advance(days=1)
        assert problem(await client.get(week["url"]), 404)["detail"] == GONE

    async def test_a_preview_ends_with_its_article(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        draft = await write(client, ada, published=False)
        preview = await issue(client, ada, draft)
        await client.delete(f"/articles/{draft['id']}", headers=ada)
        assert problem(await client.get(preview["url"]), 404)["detail"] == GONE

    async def test_no_token_is_taken_for_another(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        draft = await write(client, ada, published=False)
        preview = await issue(client, ada, draft)
        access = await token_of(client)
        assert problem(await client.get("/preview", params={"token": access}), 404)["detail"] == GONE
        for path in ("/users/me", "/articles", f"/articles/{draft['id']}"):
            assert problem(await client.get(path, headers=bearer(preview["token"])), 401)

    async def test_nothing_else_opens_with_a_preview(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        draft = await write(client, ada, published=False)
        token = (await issue(client, ada, draft))["token"]
        for path in (f"/articles/{draft['id']}", f"/articles/{draft['id']}/revisions", "/articles", "/tags"):
            answer = await client.get(path, params={"token": token})
            assert answer.status_code in (401, 422)
        assert await found(client, "/articles") == []
        assert problem(await client.get(f"/articles/{draft['id']}"), 404) == MISSING

    @pytest.mark.parametrize("token", ["", "x", "x.y.z", "é", "." * 900])
    async def test_what_is_no_token_opens_nothing(self, client: httpx.AsyncClient, token: str) -> None:
        assert problem(await client.get("/preview", params={"token": token}), 404)["detail"] == GONE

    async def test_a_changed_token_opens_nothing(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        draft = await write(client, ada, published=False)
        head, body, signature = (await issue(client, ada, draft))["token"].split(".")
        for token in (f"{head}.{body}.{signature[::-1]}", f"{head}.{body}.", f"{head}.{body[::-1]}.{signature}"):
            assert problem(await client.get(f"/preview?token={token}"), 404)["detail"] == GONE
        assert set(wrong(await client.get("/preview"))) == {"token"}

    @pytest.mark.parametrize(
        "options", [{"of": "draft"}, {"of": None}, *({"expires_in": n} for n in (59, 2592001, "1"))]
    )
    async def test_a_preview_has_its_bounds(
        self, client: httpx.AsyncClient, ada: dict[str, str], options: dict[str, Any]
    ) -> None:
        draft = await write(client, ada, published=False)
        answer = await client.post(f"/articles/{draft['id']}/previews", json=options, headers=ada)
        assert set(wrong(answer)) == {f"#/{name}" for name in options}
        assert await found(client, f"/articles/{draft['id']}/previews", ada) == []

    async def test_previews_are_given_by_the_author_alone(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        out, draft = await write(client, ada), await write(client, ada, published=False)
        for article, status in ((out, 403), (draft, 404)):
            preview = await issue(client, ada, article)
            path = f"/articles/{article['id']}/previews"
            for method, end in (("GET", ""), ("POST", ""), ("DELETE", f"/{preview['id']}"), ("DELETE", "/999999")):
                body: dict[str, Any] | None = {} if method == "POST" else None
                assert problem(await client.request(method, path + end, json=body, headers=bob), status)
                assert problem(await client.request(method, path + end, json=body), 401)
            assert (await client.get(preview["url"])).status_code == 200

    async def test_the_log_knows_no_token(
        self, client: httpx.AsyncClient, ada: dict[str, str], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG")
        draft = await write(client, ada, published=False)
        preview = await issue(client, ada, draft)
        await client.get(preview["url"])
        await client.get(f"{preview['url']}x")
        ours = [record for record in caplog.records if record.name.startswith("blog")]
        assert sum("/preview" in record.getMessage() for record in ours) == 3
        for record in ours:
            assert preview["token"] not in f"{record.getMessage()} {vars(record)}"

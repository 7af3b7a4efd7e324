"""What the HTTP contract promises of revisions: what an article was, and how it came to be what it is."""

from typing import Any

import httpx
import pytest

from blog.adapters.comparing import TooMuchToCompare
from blog.container import Container
from blog.domain.errors import BlogError
from blog.domain.revisions import TooHardToCompare
from tests.contracts.asking import ARTICLE, edit, found, problem, write, wrong
from tests.support import replaced

GONE = "Revision not found"
NO_MORE: dict[str, Any] = dict.fromkeys(("summary", "cover_image_url", "cover_image_alt", "canonical_url"))


async def rewritten(client: httpx.AsyncClient, author: dict[str, str], **different: Any) -> dict[str, Any]:
    """An article in its third version."""
    article = await write(client, author, note="The first draft", **different)
    await edit(client, author, article, title="On looms", tags=["looms"], note="Looms it is")
    return dict(await edit(client, author, article, content="The loom weaves patterns.", slug="looms"))


class RevisionsContract:
    async def test_every_change_is_kept_with_who_when_what_and_what_for(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await rewritten(client, ada)
        changes = await found(client, f"/articles/{article['id']}/revisions", ada)
        by = {"changed_by": article["author_id"]}
        moments = [change.pop("changed_at") for change in changes]
        assert changes == [
            {"version": 3, "changed": ["content", "slug"], "note": None} | by,
            {"version": 2, "changed": ["title", "tags"], "note": "Looms it is"} | by,
            {"version": 1, "changed": [], "note": "The first draft"} | by,
        ]
        assert moments[0] == article["updated_at"] > moments[1] > moments[2] == article["created_at"]

    async def test_what_changes_nothing_is_no_revision(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = await rewritten(client, ada)
        await edit(client, ada, article, title="On looms", note="Nothing new")
        assert len(await found(client, f"/articles/{article['id']}/revisions", ada)) == 3

    async def test_a_note_alone_is_refused(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = await write(client, ada)
        path = f"/articles/{article['id']}"
        for asked in (path, "/articles/999999"):
            answer = await client.patch(asked, json={"note": "What I meant"}, headers=ada)
            assert "send it along" in wrong(answer)["#/note"]
        assert await found(client, path, ada) == article
        assert [change["version"] for change in await found(client, f"{path}/revisions", ada)] == [1]

    async def test_a_revision_has_the_text_as_it_was(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = await rewritten(client, ada)
        path = f"/articles/{article['id']}/revisions"
        first = await found(client, f"{path}/1", ada)
        written = {name: ARTICLE[name] for name in ("title", "content")}
        assert first == (await found(client, path, ada))[2] | NO_MORE | {"tags": []} | written
        third = await found(client, f"{path}/3", ada)
        assert (third["title"], third["content"]) == ("On looms", "The loom weaves patterns.")
        assert third["tags"] == ["looms"]

    async def test_two_revisions_are_compared_line_by_line(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada, content="First line\nSecond line\n")
        await edit(client, ada, article, content="First line\nAnother line\n", title="New")
        path = f"/articles/{article['id']}/revisions"
        compared = await found(client, f"{path}/2/diff?against=1", ada)
        assert (compared["version"], compared["against"]) == (2, 1)
        lines = compared["diff"].splitlines()
        assert lines[:2] == ["--- version 1", "+++ version 2"]
        changed = {line for line in lines[2:] if line[0] in "+-"}
        assert changed == {"-title: On engines", "+title: New", "-Second line", "+Another line"}
        assert (await found(client, f"{path}/1/diff?against=1", ada))["diff"] == ""
        for query in ("", "?against=0", "?against=x", "?against=1&against=2"):
            assert set(wrong(await client.get(f"{path}/2/diff{query}", headers=ada))) == {"against"}

    async def test_what_takes_too_long_to_compare_is_said(
        self, client: httpx.AsyncClient, ada: dict[str, str], container: Container
    ) -> None:
        path = f"/articles/{(await rewritten(client, ada))['id']}/revisions/2/diff?against=1"

        class Hard:
            error: type[BlogError] = TooHardToCompare

            async def compare(self, *_: object) -> str:
                raise self.error

        hard = Hard()
        with replaced(container, comparer=hard), container.revising.reset():
            assert wrong(await client.get(path, headers=ada)) == {"against": TooHardToCompare.sentence}
            hard.error = TooMuchToCompare
            answer = await client.get(path, headers=ada)
            assert problem(answer, 503)["detail"] == TooMuchToCompare.sentence
            assert answer.headers["retry-after"]
        container.revising.reset()

    async def test_a_revision_can_be_restored_which_is_a_revision(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await rewritten(client, ada)
        path = f"/articles/{article['id']}"
        answer = await client.post(f"{path}/revisions/1/restore", headers=ada)
        assert answer.status_code == 200
        restored = answer.json()
        assert (restored["version"], restored["title"], restored["content"], restored["tags"]) == (
            *(4, ARTICLE["title"], ARTICLE["content"]),
            [],
        )
        # Where it is, and since when, is not a matter of text.
        assert {name: restored[name] for name in ("slug", "status")} == {"slug": "looms", "status": "published"}
        assert answer.headers["etag"].startswith(f'"{restored["edition"]}.')
        assert await found(client, path, ada) == restored
        html = (await found(client, f"{path}?include=content_html"))["content_html"]
        assert html == f"<p>{ARTICLE['content']}</p>\n"
        newest = (await found(client, f"{path}/revisions", ada))[0]
        assert newest["note"] == "Restored version 1."
        assert newest["changed"] == ["title", "content", "tags"]
        assert (await client.post(f"{path}/revisions/1/restore", headers=ada)).content == answer.content

    async def test_pages_of_revisions_lead_to_each_other(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada)
        for number in range(2, 8):
            await edit(client, ada, article, title=f"Version {number}")
        seen: list[int] = []
        path: str | None = f"/articles/{article['id']}/revisions?limit=3"
        while path:
            answer = await client.get(path, headers=ada)
            seen += [change["version"] for change in answer.json()]
            last, path = path, answer.links["next"]["url"] if "next" in answer.links else None
        assert seen == [7, 6, 5, 4, 3, 2, 1]
        back = (await client.get(last, headers=ada)).links["prev"]["url"]
        assert [change["version"] for change in await found(client, back, ada)] == [4, 3, 2]
        assert set(wrong(await client.get(f"/articles/{article['id']}/revisions?limit=101", headers=ada))) == {
            "limit"
        }

    @pytest.mark.parametrize("version", ["0", "4", "-1", "x", "9" * 9, "9" * 10, "9" * 30, "1.0", "٣"])
    async def test_there_is_no_other_revision(
        self, client: httpx.AsyncClient, ada: dict[str, str], version: str
    ) -> None:
        article = await rewritten(client, ada)
        path = f"/articles/{article['id']}/revisions"
        for method, end in (("GET", ""), ("GET", "/diff?against=1"), ("POST", "/restore")):
            answer = await client.request(method, f"{path}/{version}{end}", headers=ada)
            assert problem(answer, 404)["detail"] == GONE
        for against in ("4", "2147483647"):
            answer = await client.get(f"{path}/1/diff?against={against}", headers=ada)
            assert problem(answer, 404)["detail"] == GONE
        assert (await found(client, f"/articles/{article['id']}", ada)) == article

    async def test_revisions_are_their_authors_alone(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        out = await rewritten(client, ada)
        draft = await rewritten(client, ada, published=False)
        for article, status in ((out, 403), (draft, 404), ({"id": 999_999}, 404)):
            path = f"/articles/{article['id']}/revisions"
            ends = (("GET", ""), ("GET", "/1"), ("GET", "/9"), ("GET", "/1/diff?against=2"), ("POST", "/1/restore"))
            for method, end in ends:
                assert problem(await client.request(method, path + end, headers=bob), status)
                assert problem(await client.request(method, path + end), 401)
        assert await found(client, f"/articles/{out['id']}", ada) == out

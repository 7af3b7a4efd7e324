"""What the HTTP contract promises of working copies: readers see nothing of them."""

from typing import Any

import httpx

from tests.builders import Clock
from tests.contracts.asking import edit, found, headers, problem, write, wrong

TEXT = ("title", "content", "summary", "tags", "cover_image_url", "cover_image_alt", "canonical_url")
MISSING = "There is no working copy of this article."


def copy_of(article: dict[str, Any]) -> str:
    return f"/articles/{article['id']}/working-copy"


class WorkingCopiesContract:
    async def test_a_copy_begins_as_what_the_article_is(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = await write(client, ada, summary="S", tags=["a"], canonical_url="https://example.org/a")
        path = copy_of(article)
        assert problem(await client.get(path, headers=ada), 404)["detail"] == MISSING
        answer = await client.patch(path, json={"title": "New"}, headers=ada)
        assert answer.status_code == 200
        copy = answer.json()
        assert {name: copy[name] for name in TEXT} == {name: article[name] for name in TEXT} | {"title": "New"}
        assert copy == {name: copy[name] for name in TEXT} | {
            "article_id": article["id"],
            "based_on": 1,
            "content_html": "<p>The engine weaves algebraic patterns.</p>\n",
            "excerpt": "S",
            "word_count": 5,
            "reading_minutes": 1,
            "version": 1,
            "edition": copy["edition"],
            "updated_at": copy["updated_at"],
        }
        assert answer.headers["etag"].startswith(f'"{copy["edition"]}.')
        read = await client.get(path, headers=ada)
        assert (read.status_code, read.content) == (200, answer.content)
        assert read.headers["etag"] == answer.headers["etag"]

    async def test_readers_see_nothing_of_it(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = await write(client, ada)
        before = [await client.get(path) for path in (f"/articles/{article['id']}", "/articles", "/tags")]
        changes = {"title": "New", "content": "Something else altogether", "tags": ["new"], "summary": "New"}
        copy = (await client.patch(copy_of(article), json=changes, headers=ada)).json()
        assert copy["content_html"] == "<p>Something else altogether</p>\n"
        after = [await client.get(path) for path in (f"/articles/{article['id']}", "/articles", "/tags")]
        assert [(each.content, headers(each)) for each in after] == [(each.content, headers(each)) for each in before]
        assert await found(client, f"/articles/{article['id']}", ada) == article | {"has_working_copy": True}

    async def test_its_author_alone_learns_that_there_is_one(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        article, other = await write(client, ada), await write(client, bob)
        path = f"/articles/{article['id']}"
        assert article["has_working_copy"] is False

        async def seen(who: dict[str, str] | None) -> list[Any]:
            """What somebody is told, in every place, and what the filter finds."""
            one = (await found(client, path, who))["has_working_copy"]
            (listed,) = [each for each in await found(client, "/articles", who) if each["id"] == article["id"]]
            fields = await found(client, f"{path}?fields=has_working_copy", who)
            filtered = [
                [each["id"] for each in await found(client, f"/articles?has_working_copy={answer}", who)]
                for answer in ("true", "false")
            ]
            assert one is listed["has_working_copy"] is fields["has_working_copy"]
            return [one, *filtered]

        nothing = {"nobody": [None, [], []], "bob": [None, [], [other["id"]]]}
        assert await seen(ada) == [False, [], [article["id"]]]
        assert {"nobody": await seen(None), "bob": await seen(bob)} == nothing
        before = {who: headers(await client.get(path, headers=reader)) for who, reader in ((1, None), (2, bob))}
        known = await client.get(path, headers=ada)

        await client.patch(copy_of(article), json={"title": "New"}, headers=ada)
        assert await seen(ada) == [True, [article["id"]], []]
        assert {"nobody": await seen(None), "bob": await seen(bob)} == nothing
        after = {who: headers(await client.get(path, headers=reader)) for who, reader in ((1, None), (2, bob))}
        assert after == before
        # Its author has not seen this yet, whose entity tag and date are those of before.
        again = await client.get(path, headers=ada | {"If-None-Match": known.headers["etag"]})
        assert again.status_code == 200
        # Every change of the article answers it, too.
        assert (await edit(client, ada, article, title="Meanwhile"))["has_working_copy"] is True
        archived = await client.post(f"{path}/archive", headers=ada)
        assert archived.json()["has_working_copy"] is True
        assert (await edit(client, ada, article, published=True))["has_working_copy"] is True
        restored = await client.post(f"{path}/revisions/1/restore", headers=ada)
        assert restored.json()["has_working_copy"] is True

        await client.delete(copy_of(article), headers=ada)
        assert await seen(ada) == [False, [], [article["id"]]]
        await client.patch(copy_of(article), json={"title": "New"}, headers=ada)
        published = (await client.post(f"{copy_of(article)}/publish", headers=ada)).json()
        assert published["has_working_copy"] is False
        assert await seen(ada) == [False, [], [article["id"]]]
        assert "has_working_copy" in wrong(await client.get("/articles?has_working_copy=yes"))

    async def test_an_author_is_not_told_by_a_date_that_nothing_changed(
        self, client: httpx.AsyncClient, clock: Clock, ada: dict[str, str]
    ) -> None:
        """No date says that a working copy was begun or discarded."""
        article = await write(client, ada)
        path = f"/articles/{article['id']}"
        clock.advance(minutes=1)
        known = (await client.get(path, headers=ada)).headers["last-modified"]
        for change in ({"method": "PATCH", "json": {"title": "New"}}, {"method": "DELETE"}):
            assert (await client.request(url=copy_of(article), headers=ada, **change)).is_success
            assert (await client.get(path, headers=ada | {"If-Modified-Since": known})).status_code == 200
            assert (await client.get(path, headers={"If-Modified-Since": known})).status_code == 304

    async def test_publishing_puts_it_in_the_place_of_the_text(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada)
        await client.patch(copy_of(article), json={"title": "New", "summary": "S"}, headers=ada)
        await client.patch(copy_of(article), json={"content": "**Something** else", "summary": None}, headers=ada)
        answer = await client.post(f"{copy_of(article)}/publish", headers=ada)
        assert answer.status_code == 200
        published = answer.json()
        follows = {name: published[name] for name in ("edition", "updated_at", "word_count")}
        assert published == article | follows | {
            "title": "New",
            "content": "**Something** else",
            "summary": None,
            "excerpt": "Something else",
            "version": 2,
        }
        assert answer.headers["etag"].startswith(f'"{published["edition"]}.')
        assert await found(client, f"/articles/{article['id']}", ada) == published
        for method, end in (("GET", ""), ("DELETE", ""), ("POST", "/publish")):
            gone = await client.request(method, f"{copy_of(article)}{end}", headers=ada)
            assert problem(gone, 404)["detail"] == MISSING

    async def test_a_text_that_moved_under_it_is_not_overwritten(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada)
        await client.patch(copy_of(article), json={"content": "Something else"}, headers=ada)
        changed = await edit(client, ada, article, title="Meanwhile")
        refused = problem(await client.post(f"{copy_of(article)}/publish", headers=ada), 412)
        assert (refused["version"], refused["changed_by"]) == (2, article["author_id"])
        assert refused["changed_at"] == changed["updated_at"]
        assert await found(client, f"/articles/{article['id']}", ada) == changed
        # Discarded, it begins anew from what there is.
        assert (await client.delete(copy_of(article), headers=ada)).status_code == 204
        copy = (await client.patch(copy_of(article), json={"content": "Something else"}, headers=ada)).json()
        assert (copy["based_on"], copy["title"]) == (2, "Meanwhile")
        assert (await client.post(f"{copy_of(article)}/publish", headers=ada)).status_code == 200

    async def test_a_text_that_moved_under_it_is_accepted(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        article = await write(client, ada)
        path = copy_of(article)
        first = await client.patch(path, json={"content": "Something else"}, headers=ada)
        await edit(client, ada, article, title="Meanwhile")
        assert problem(await client.post(f"{path}/publish", headers=ada), 412)["version"] == 2
        # The condition names the copy's version, and what it is based on the article's.
        stale = ada | {"If-Match": '"0-other"'}
        assert problem(await client.patch(path, json={"based_on": 2}, headers=stale), 412)["version"] == 1
        for unknown in (3, 2**31 - 1):
            answer = await client.patch(path, json={"based_on": unknown}, headers=ada)
            assert wrong(answer) == {"#/based_on": "Must be a version of the article; it has 2 so far."}
        for wrong_one in (0, -1, 2**31, "2", 1.5, None, True):
            assert set(wrong(await client.patch(path, json={"based_on": wrong_one}, headers=ada))) == {"#/based_on"}
        assert problem(await client.patch(path, json={"based_on": 2}, headers=bob), 403)
        assert (await client.get(path, headers=ada)).content == first.content

        mine = ada | {"If-Match": first.headers["etag"]}
        accepted = (await client.patch(path, json={"based_on": 2}, headers=mine)).json()
        follows = {name: accepted[name] for name in ("edition", "updated_at")}
        assert accepted == first.json() | follows | {"based_on": 2, "version": 2}
        # Somebody else is quicker once more.
        await edit(client, ada, article, title="Once more")
        assert problem(await client.post(f"{path}/publish", headers=ada), 412)["version"] == 3
        assert (await client.patch(path, json={"based_on": 3}, headers=ada)).json()["based_on"] == 3
        assert problem(await client.patch(path, json={"based_on": 2}, headers=ada), 412)["version"] == 3
        published = (await client.post(f"{path}/publish", headers=ada)).json()
        assert (published["title"], published["content"]) == (article["title"], "Something else")

    async def test_what_is_no_text_may_move_under_it(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = await write(client, ada)
        await client.patch(copy_of(article), json={"title": "New"}, headers=ada)
        await edit(client, ada, article, featured=True, slug="elsewhere")
        published = (await client.post(f"{copy_of(article)}/publish", headers=ada)).json()
        assert (published["title"], published["featured"], published["slug"]) == ("New", True, "elsewhere")
        assert published["version"] == 3

    async def test_discarding_forgets_it(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = await write(client, ada)
        await client.patch(copy_of(article), json={"title": "New"}, headers=ada)
        answer = await client.delete(copy_of(article), headers=ada)
        assert (answer.status_code, answer.content) == (204, b"")
        assert problem(await client.get(copy_of(article), headers=ada), 404)["detail"] == MISSING
        assert await found(client, f"/articles/{article['id']}", ada) == article

    async def test_its_entity_tag_guards_it(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = await write(client, ada)
        path = copy_of(article)
        first = await client.patch(path, json={"title": "One"}, headers=ada)
        mine = ada | {"If-Match": first.headers["etag"]}
        second = await client.patch(path, json={"title": "Two"}, headers=mine)
        assert second.status_code == 200
        for method, end, body in (
            ("PATCH", "", {"title": "Three"}),
            ("DELETE", "", None),
            ("POST", "/publish", None),
        ):
            refused = problem(await client.request(method, path + end, json=body, headers=mine), 412)
            assert (refused["version"], refused["changed_by"]) == (2, article["author_id"])
            assert refused["changed_at"] == second.json()["updated_at"]
        assert (await client.get(path, headers=ada)).content == second.content
        # The article's is not the copy's.
        of_article = (await client.get(f"/articles/{article['id']}")).headers["etag"]
        assert problem(await client.delete(path, headers=ada | {"If-Match": of_article}), 412)
        current = ada | {"If-Match": second.headers["etag"]}
        assert (await client.post(f"{path}/publish", headers=current)).status_code == 200

    async def test_what_was_there_once_is_not_begun_anew_under_its_tag(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada)
        tag = (await client.patch(copy_of(article), json={"title": "One"}, headers=ada)).headers["etag"]
        await client.delete(copy_of(article), headers=ada)
        late = ada | {"If-Match": tag}
        assert problem(await client.patch(copy_of(article), json={"title": "Two"}, headers=late), 412)
        assert problem(await client.get(copy_of(article), headers=ada), 404)
        again = await client.patch(copy_of(article), json={"title": "Two"}, headers=ada)
        assert again.json()["version"] == 1
        assert again.headers["etag"] != tag

    async def test_it_takes_text_and_nothing_else(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = await write(client, ada)
        others = {"slug": "x", "published": True, "featured": True, "publish_at": None, "note": "n"}
        answer = await client.patch(copy_of(article), json=others, headers=ada)
        assert set(wrong(answer)) == {f"#/{name}" for name in others}
        answer = await client.patch(copy_of(article), json={"title": None, "content": "short"}, headers=ada)
        assert set(wrong(answer)) == {"#/title", "#/content"}
        assert problem(await client.get(copy_of(article), headers=ada), 404)

    async def test_it_is_its_authors_alone(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        out, draft = await write(client, ada), await write(client, ada, published=False)
        for article, status in ((out, 403), (draft, 404), ({"id": 999_999}, 404)):
            for method, end in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/publish")):
                body = {"title": "Mine"} if method == "PATCH" else None
                path = copy_of(article) + end
                without = await client.request(method, path, json=body, headers=bob)
                assert problem(without, status)
                assert problem(await client.request(method, path, json=body), 401)
                if article is out:
                    # Whether there is one is nobody else's business.
                    await client.patch(copy_of(article), json={"title": "New"}, headers=ada)
                    with_one = await client.request(method, path, json=body, headers=bob)
                    assert (with_one.status_code, with_one.content) == (without.status_code, without.content)

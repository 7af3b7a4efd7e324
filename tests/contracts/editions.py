"""What the HTTP contract promises of edits that name the version they are made for: none is lost."""

import asyncio
import re

import httpx
import pytest

from tests.builders import Clock
from tests.contracts.asking import edit, found, problem, write, wrong

Header = dict[str, str]

CHANGES = [("PATCH", ""), ("DELETE", ""), ("POST", "/archive"), ("POST", "/revisions/1/restore")]
"""What is done to an article that has versions: the method, and the end of the path."""


async def tag_of(client: httpx.AsyncClient, path: str, reader: Header | None = None) -> str:
    """The entity tag of what is at a path."""
    return str((await client.get(path, headers=reader)).headers["etag"])


class EditionsContract:
    async def test_an_article_says_its_version_and_its_entity_tag(
        self, client: httpx.AsyncClient, ada: Header
    ) -> None:
        answer = await client.post("/articles", json={"title": "T", "content": "0123456789"}, headers=ada)
        path, seen = answer.headers["location"], []
        for number in (1, 2, 3):
            article, tag = answer.json(), answer.headers["etag"]
            assert article["version"] == number
            # A strong one; up to the first dot it is the edition.
            assert re.fullmatch(r'"[^".]+\.[^"]+"', tag)
            assert tag[1:].partition(".")[0] == article["edition"]
            assert await tag_of(client, path, ada) == tag
            seen += [article["edition"]]
            answer = await client.patch(path, json={"title": f"T{number}"}, headers=ada)
        assert len(set(seen)) == 3

    async def test_another_selection_of_the_same_version_has_another_tag_of_the_same_edition(
        self, client: httpx.AsyncClient, ada: Header
    ) -> None:
        article = await write(client, ada)
        path = f"/articles/{article['id']}"
        plain, html = await tag_of(client, path), await tag_of(client, f"{path}?include=content_html")
        assert plain != html
        assert plain.partition(".")[0] == html.partition(".")[0] == f'"{article["edition"]}'

    async def test_a_change_of_nothing_leaves_the_tag_as_it_is(self, client: httpx.AsyncClient, ada: Header) -> None:
        article = await write(client, ada)
        path = f"/articles/{article['id']}"
        before = await tag_of(client, path, ada)
        answer = await client.patch(path, json={"title": article["title"]}, headers=ada | {"If-Match": before})
        assert (answer.status_code, answer.headers["etag"]) == (200, before)

    async def test_the_version_can_be_named_in_every_way_that_means_it(
        self, client: httpx.AsyncClient, ada: Header
    ) -> None:
        article = await write(client, ada)
        path = f"/articles/{article['id']}"
        for number in range(8):
            edition = (await found(client, path))["edition"]
            tag, html = await tag_of(client, path), await tag_of(client, f"{path}?include=content_html")
            named = [tag, f'"{edition}"', f"W/{tag}", f'"other", {tag}', f'{tag},W/"a,b"', html, "*", f" {tag} "]
            answer = await client.patch(path, json={"title": f"T{number}"}, headers=ada | {"If-Match": named[number]})
            assert answer.status_code == 200, named[number]
            assert answer.json()["version"] == number + 2

    @pytest.mark.parametrize(("method", "end"), [("PATCH", ""), ("DELETE", ""), ("POST", "/archive")])
    async def test_what_was_changed_meanwhile_is_left_alone(
        self, client: httpx.AsyncClient, ada: Header, method: str, end: str
    ) -> None:
        article = await write(client, ada)
        path = f"/articles/{article['id']}"
        stale = await tag_of(client, path)
        changed = await edit(client, ada, article, title="Meanwhile")
        body = {"title": "Late"} if method == "PATCH" else None
        for given in (stale, f"W/{stale}", f'"{article["edition"]}"', '"1"', '""', '"2"', '"x.y", "z"'):
            answer = await client.request(method, path + end, json=body, headers=ada | {"If-Match": given})
            refused = problem(answer, 412)
            facts = {name: refused[name] for name in ("version", "changed_by", "changed_at")}
            assert facts == {
                "version": 2,
                "changed_by": article["author_id"],
                "changed_at": changed["updated_at"],
            }
            assert await found(client, path, ada) == changed
        current = ada | {"If-Match": await tag_of(client, path)}
        assert (await client.request(method, path + end, json=body, headers=current)).is_success

    async def test_what_was_changed_meanwhile_is_not_restored(self, client: httpx.AsyncClient, ada: Header) -> None:
        article = await write(client, ada)
        path = f"/articles/{article['id']}"
        changed = await edit(client, ada, article, title="Meanwhile")
        restore = f"{path}/revisions/1/restore"
        answer = await client.post(restore, headers=ada | {"If-Match": f'"{article["edition"]}"'})
        assert problem(answer, 412)["version"] == 2
        assert await found(client, path, ada) == changed
        answer = await client.post(restore, headers=ada | {"If-Match": f'"{changed["edition"]}"'})
        assert answer.json()["title"] == article["title"]

    @pytest.mark.parametrize(
        "given",
        ["", "x", '"', '"a', 'a"', "1-0123456789ab", '*, "a"', '"a" "b"', ",", 'w/"a"', '"a b"', "**"],
    )
    async def test_what_names_no_version_is_a_bad_request(
        self, client: httpx.AsyncClient, ada: Header, given: str
    ) -> None:
        article = await write(client, ada)
        path = f"/articles/{article['id']}"
        for method, end in (("PATCH", ""), ("DELETE", ""), ("POST", "/archive"), ("POST", "/revisions/1/restore")):
            body = {"title": "New"} if method == "PATCH" else None
            answer = await client.request(method, path + end, json=body, headers=ada | {"If-Match": given})
            assert problem(answer, 400)["detail"].startswith("If-Match is not a list of entity tags")
        assert await found(client, path, ada) == article

    @pytest.mark.parametrize(("method", "end"), CHANGES)
    async def test_what_was_changed_since_a_date_is_left_alone(
        self, client: httpx.AsyncClient, clock: Clock, ada: Header, method: str, end: str
    ) -> None:
        article = await write(client, ada)
        path = f"/articles/{article['id']}"
        clock.advance(minutes=1)
        before = (await client.get(path)).headers["last-modified"]
        article = await edit(client, ada, article, title="Meanwhile")
        clock.advance(minutes=1)
        body = {"title": "Late"} if method == "PATCH" else None
        for since in (before, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"):
            answer = await client.request(method, path + end, json=body, headers=ada | {"If-Unmodified-Since": since})
            refused = problem(answer, 412)
            assert (refused["version"], refused["changed_at"]) == (2, article["updated_at"])
            assert await found(client, path, ada) == article
        # A version says more than a date (RFC 9110, section 13.1.4), and counts alone.
        stale = {"If-Match": '"1-other"', "If-Unmodified-Since": (await client.get(path)).headers["last-modified"]}
        assert problem(await client.request(method, path + end, json=body, headers=ada | stale), 412)
        now = {"If-Unmodified-Since": (await client.get(path, headers=ada)).headers["last-modified"]}
        assert (await client.request(method, path + end, json=body, headers=ada | now)).is_success

    @pytest.mark.parametrize("match", ["*", None])
    async def test_a_date_does_not_count_beside_a_version(
        self, client: httpx.AsyncClient, ada: Header, match: str | None
    ) -> None:
        article = await write(client, ada)
        path = f"/articles/{article['id']}"
        both = {
            "If-Match": match or f'"{article["edition"]}"',
            "If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT",
        }
        assert (await client.patch(path, json={"title": "New"}, headers=ada | both)).status_code == 200

    @pytest.mark.parametrize(
        "since",
        [
            "",
            "yesterday",
            "0",
            "2026-03-04T12:00:00Z",
            "Wed, 99 Mar 2026 12:00:00 GMT",
            "Wed, 04 Mar 1926 12:00:00 CET",
        ],
    )
    async def test_what_is_no_date_is_ignored(self, client: httpx.AsyncClient, ada: Header, since: str) -> None:
        article = await write(client, ada)
        path = f"/articles/{article['id']}"
        given = ada | {"If-Unmodified-Since": since}
        assert (await client.patch(path, json={"title": "New"}, headers=given)).status_code == 200

    @pytest.mark.parametrize(("method", "end"), CHANGES)
    async def test_a_version_that_is_excluded_is_left_alone(
        self, client: httpx.AsyncClient, ada: Header, method: str, end: str
    ) -> None:
        article = await edit(client, ada, await write(client, ada), title="Second")
        path = f"/articles/{article['id']}"
        tag, body = await tag_of(client, path), {"title": "Late"} if method == "PATCH" else None
        for excluded in ("*", tag, f"W/{tag}", f'"other", {tag}', f'"{article["edition"]}"'):
            for also in ({}, {"If-Match": tag}, {"If-Unmodified-Since": "Wed, 04 Mar 2126 12:00:00 GMT"}):
                given = ada | also | {"If-None-Match": excluded}
                refused = problem(await client.request(method, path + end, json=body, headers=given), 412)
                assert (refused["version"], refused["changed_by"]) == (2, article["author_id"])
                assert "condition" in refused["detail"]
                assert await found(client, path, ada) == article
        given = ada | {"If-None-Match": '"other", "1-x"'}
        assert (await client.request(method, path + end, json=body, headers=given)).is_success

    async def test_a_working_copy_is_begun_and_nothing_overwritten(
        self, client: httpx.AsyncClient, clock: Clock, ada: Header
    ) -> None:
        path = f"/articles/{(await write(client, ada))['id']}/working-copy"
        new = ada | {"If-None-Match": "*", "If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}
        copy = await client.patch(path, json={"title": "One"}, headers=new)
        assert copy.status_code == 200
        clock.advance(minutes=1)
        late = ("If-Unmodified-Since", "Wed, 04 Mar 2026 11:00:00 GMT")
        for condition in (("If-None-Match", "*"), ("If-None-Match", copy.headers["etag"]), late):
            for method, end, body in (
                ("PATCH", "", {"title": "Two"}),
                ("DELETE", "", None),
                ("POST", "/publish", None),
            ):
                answer = await client.request(method, path + end, json=body, headers=ada | dict([condition]))
                assert problem(answer, 412)["version"] == 1
        assert (await client.get(path, headers=ada)).content == copy.content

    async def test_errors_come_in_their_order(self, client: httpx.AsyncClient, ada: Header, bob: Header) -> None:
        """401, a malformed or invalid request, 404, 403, 412."""
        out, draft = await write(client, ada), await write(client, ada, published=False)
        path = f"/articles/{out['id']}"
        malformed, stale = {"If-Match": "x"}, {"If-Match": '"x"'}
        valid, bad = {"title": "T"}, {"title": ""}
        assert problem(await client.patch(path, json=bad, headers=malformed), 401)
        assert wrong(await client.patch("/articles/abc", json=bad, headers=bob | stale))
        assert problem(await client.patch("/articles/abc", json=valid, headers=bob | malformed), 400)
        assert problem(await client.patch("/articles/abc", json=valid, headers=bob | {"If-None-Match": "x"}), 400)
        long = {"If-None-Match": '"x", ' * 2000 + '"x"'}
        assert "too long" in problem(await client.patch(path, json=valid, headers=ada | long), 400)["detail"]
        for never in ({"published": True, "publish_at": None}, {"publish_at": "0001-01-01T00:00:00Z"}):
            assert wrong(await client.patch("/articles/999999", json=never, headers=bob | stale))
        for missing in ("/articles/abc", "/articles/999999", f"/articles/{draft['id']}"):
            assert problem(await client.patch(missing, json=valid, headers=bob | stale), 404)
            assert problem(await client.delete(missing, headers=bob | stale), 404)
        assert problem(await client.patch(path, json=valid, headers=bob | stale), 403)
        assert problem(await client.delete(path, headers=bob | stale), 403)
        assert problem(await client.patch(path, json=valid, headers=ada | stale), 412)
        for other in ({"If-None-Match": "*"}, {"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}):
            assert problem(await client.patch(f"/articles/{draft['id']}", json=valid, headers=bob | other), 404)
            assert problem(await client.patch(path, json=valid, headers=bob | other), 403)
            assert problem(await client.patch(path, json=valid, headers=ada | other), 412)

    async def test_a_blog_can_be_told_to_refuse_changes_that_name_no_version(
        self, client: httpx.AsyncClient, strict: httpx.AsyncClient, ada: Header, bob: Header
    ) -> None:
        article = await write(client, ada)
        path = f"/articles/{article['id']}"
        await client.patch(f"{path}/working-copy", json={"title": "New"}, headers=ada)
        for one in (path, f"{path}/working-copy"):
            for method, body in (("PATCH", {"title": "T"}), ("DELETE", None)):
                refused = problem(await strict.request(method, one, json=body, headers=ada), 428)
                assert "If-Match" in refused["detail"]
                # After what is wrong with the request, before who may make it.
                assert problem(await strict.request(method, one, json=body), 401)
                assert problem(await strict.request(method, one, json=body, headers=bob), 428)
                assert problem(await strict.request(method, "/articles/9999", json=body, headers=ada), 428)
                assert wrong(await strict.request(method, f"{one}?x=1", json=body, headers=ada))
        assert await found(client, path, ada) == article | {"has_working_copy": True}

    async def test_told_so_it_takes_changes_that_do_and_those_that_need_not(
        self, strict: httpx.AsyncClient, ada: Header
    ) -> None:
        article = await write(strict, ada)
        path = f"/articles/{article['id']}"

        async def named(one: str) -> Header:
            return ada | {"If-Match": await tag_of(strict, one, ada)}

        assert (await strict.patch(path, json={"title": "New"}, headers=await named(path))).status_code == 200
        any_version = ada | {"If-Match": "*"}
        copy = f"{path}/working-copy"
        assert (await strict.patch(copy, json={"title": "Newer"}, headers=any_version)).status_code == 200
        assert (await strict.patch(copy, json={"title": "Newest"}, headers=await named(copy))).status_code == 200
        assert (await strict.delete(copy, headers=await named(copy))).status_code == 204
        for end in ("/archive", "/revisions/1/restore"):
            assert (await strict.post(path + end, headers=ada)).status_code == 200
        preview = await strict.post(f"{path}/previews", json={}, headers=ada)
        assert (await strict.delete(f"{path}/previews/{preview.json()['id']}", headers=ada)).status_code == 204
        assert (await strict.delete(path, headers=await named(path))).status_code == 204

    @pytest.mark.parametrize("end", ["", "/working-copy"])
    async def test_fifty_editors_at_once_lose_no_edit(
        self, client: httpx.AsyncClient, clock: Clock, monkeypatch: pytest.MonkeyPatch, ada: Header, end: str
    ) -> None:
        # They look at the clock more often than a token lasts seconds.
        monkeypatch.setattr(type(clock), "__call__", lambda clock: clock.moment)
        path, refused = f"/articles/{(await write(client, ada))['id']}{end}", 0
        await client.patch(path, json={"content": "Names of editors:"}, headers=ada)

        async def sign(name: str) -> None:
            nonlocal refused
            while True:
                read = await client.get(path, headers=ada)
                change = {"content": f"{read.json()['content']}\n{name}"}
                answer = await client.patch(path, json=change, headers=ada | {"If-Match": read.headers["etag"]})
                if answer.status_code != 412:
                    assert answer.status_code == 200, answer.text
                    return
                refused += 1

        before = (await found(client, path, ada))["version"]
        names = [f"Editor {number}" for number in range(50)]
        async with asyncio.timeout(120):
            await asyncio.gather(*map(sign, names))
        signed = await found(client, path, ada)
        assert sorted(signed["content"].split("\n")[1:]) == sorted(names)
        assert signed["version"] == before + 50
        assert refused, "they were in each other's way"

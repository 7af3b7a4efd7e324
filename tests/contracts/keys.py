"""What the HTTP contract promises of Idempotency-Key: what is asked for twice is done once."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from blog.container import Container
from blog.domain.articles import Content, Rendition
from blog.domain.errors import Unavailable
from tests.builders import Clock, PlainMarkdown
from tests.contracts.asking import ARTICLE, PASSWORD, edit, found, headers, problem, signed_in, write, wrong
from tests.support import replaced

Header = dict[str, str]


def keyed(who: Header, key: str = '"a key of mine"') -> Header:
    return who | {"Idempotency-Key": key}


class KeysContract:
    async def test_the_same_again_is_the_first_reply_again_to_the_byte(
        self, client: httpx.AsyncClient, ada: Header
    ) -> None:
        first = await client.post("/articles", json=ARTICLE, headers=keyed(ada))
        assert first.status_code == 201
        # As it was then, whatever became of it.
        await edit(client, ada, first.json(), title="Meanwhile")
        for address in ("/articles", "/articles/"):
            again = await client.post(address, json=ARTICLE, headers=keyed(ada))
            assert (again.status_code, again.content) == (first.status_code, first.content)
        assert headers(again) == headers(first)
        assert {"location", "etag", "content-type"} <= set(headers(again))
        assert len(await found(client, "/articles")) == 1
        await client.delete(first.headers["location"], headers=ada)
        again = await client.post("/articles", json=ARTICLE, headers=keyed(ada))
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert await found(client, "/articles") == []

    async def test_restoring_takes_a_key_too(self, client: httpx.AsyncClient, ada: Header) -> None:
        article = await write(client, ada)
        await edit(client, ada, article, title="New")
        path = f"/articles/{article['id']}"
        guarded = keyed(ada) | {"If-Match": (await client.get(path)).headers["etag"]}
        first = await client.post(f"{path}/revisions/1/restore", headers=guarded)
        assert (first.status_code, first.json()["version"]) == (200, 3)
        # Whoever did not hear the reply is not told that somebody else was quicker.
        again = await client.post(f"{path}/revisions/1/restore", headers=guarded)
        assert (again.status_code, again.content, headers(again)) == (200, first.content, headers(first))
        assert len(await found(client, f"{path}/revisions", ada)) == 3

    async def test_publishing_a_working_copy_takes_a_key_too(self, client: httpx.AsyncClient, ada: Header) -> None:
        article = await write(client, ada)
        path = f"/articles/{article['id']}"
        copy = await client.patch(f"{path}/working-copy", json={"title": "New"}, headers=ada)
        guarded = keyed(ada) | {"If-Match": copy.headers["etag"]}
        first = await client.post(f"{path}/working-copy/publish", headers=guarded)
        assert (first.status_code, first.json()["title"]) == (200, "New")
        # Whoever did not hear the reply is not told that there is no copy.
        again = await client.post(f"{path}/working-copy/publish", headers=guarded)
        assert (again.status_code, again.content, headers(again)) == (200, first.content, headers(first))
        assert len(await found(client, f"{path}/revisions", ada)) == 2

    async def test_what_still_runs_is_not_done_again_and_not_waited_for(
        self, client: httpx.AsyncClient, container: Container, ada: Header
    ) -> None:
        begun, told = asyncio.Event(), asyncio.Event()

        class Slow(PlainMarkdown):
            async def render(self, content: Content) -> Rendition:
                begun.set()
                await told.wait()
                return await super().render(content)

        with replaced(container, publishing=replace(container.publishing(), markdown=Slow())):
            async with asyncio.timeout(10):
                first = asyncio.create_task(client.post("/articles", json=ARTICLE, headers=keyed(ada)))
                await begun.wait()
                # Which would never come, if they waited for the first one.
                for body in (ARTICLE, ARTICLE | {"title": "Other"}):
                    refused = await client.post("/articles", json=body, headers=keyed(ada))
                    assert "still running" in problem(refused, 409)["detail"]
                told.set()
                done = await first
        assert done.status_code == 201
        assert (await client.post("/articles", json=ARTICLE, headers=keyed(ada))).content == done.content
        assert await found(client, "/articles", ada) == [done.json()]

    async def test_with_and_without_quotes_is_one_key(self, client: httpx.AsyncClient, ada: Header) -> None:
        first = await client.post("/articles", json=ARTICLE, headers=keyed(ada, '"8e03978e"'))
        again = await client.post("/articles/", json=ARTICLE, headers=keyed(ada, "8e03978e"))
        assert again.content == first.content

    async def test_another_request_with_the_same_key_is_refused(self, client: httpx.AsyncClient, ada: Header) -> None:
        first = await client.post("/articles", json=ARTICLE, headers=keyed(ada))
        other = await client.post("/articles", json=ARTICLE | {"title": "Other"}, headers=keyed(ada))
        assert "another request" in wrong(other)["Idempotency-Key"]
        assert await found(client, "/articles", ada) == [first.json()]
        assert (await client.post("/articles", json=ARTICLE, headers=keyed(ada))).content == first.content

    async def test_another_caller_another_route_and_another_key_are_independent(
        self, client: httpx.AsyncClient, ada: Header, bob: Header
    ) -> None:
        first = await client.post("/articles", json=ARTICLE, headers=keyed(ada))
        article = first.json()
        theirs = await client.post("/articles", json=ARTICLE | {"title": "Bob's"}, headers=keyed(bob))
        assert (theirs.status_code, theirs.json()["title"]) == (201, "Bob's")
        other_key = await client.post("/articles", json=ARTICLE, headers=keyed(ada, "b"))
        assert other_key.json()["id"] not in (article["id"], theirs.json()["id"])
        await edit(client, ada, article, title="New")
        for version in (1, 2):
            path = f"/articles/{article['id']}/revisions/{version}/restore"
            answer = await client.post(path, headers=keyed(ada))
            assert answer.status_code == 200
        assert answer.json()["title"] == "New"

    async def test_a_key_holds_for_twenty_four_hours(
        self, client: httpx.AsyncClient, clock: Clock, ada: Header
    ) -> None:
        first = await client.post("/articles", json=ARTICLE, headers=keyed(ada))
        clock.advance(hours=23, minutes=59)
        ada = await signed_in(client, "Ada")
        assert (await client.post("/articles", json=ARTICLE, headers=keyed(ada))).content == first.content
        clock.advance(minutes=1)
        anew = await client.post("/articles", json=ARTICLE | {"title": "New"}, headers=keyed(ada))
        assert (anew.status_code, anew.json()["title"]) == (201, "New")
        again = await client.post("/articles", json=ARTICLE | {"title": "New"}, headers=keyed(ada))
        assert again.content == anew.content

    async def test_what_was_refused_is_not_remembered(
        self, client: httpx.AsyncClient, container: Container, clock: Clock, ada: Header
    ) -> None:
        assert wrong(await client.post("/articles", json=ARTICLE | {"title": ""}, headers=keyed(ada)))
        later = {"publish_at": (clock.moment + timedelta(days=1)).isoformat()}
        assert wrong(await client.post("/articles", json=ARTICLE | later, headers=keyed(ada)))
        assert problem(await client.post("/articles", json=ARTICLE, headers=keyed({})), 401)

        class Away:
            async def render(self, _: object) -> None:
                raise Unavailable

        with replaced(container, publishing=replace(container.publishing(), markdown=Away())):  # type: ignore[arg-type]
            assert problem(await client.post("/articles", json=ARTICLE, headers=keyed(ada)), 503)
        answer = await client.post("/articles", json=ARTICLE, headers=keyed(ada))
        assert answer.status_code == 201
        assert await found(client, "/articles", ada) == [answer.json()]

    async def test_what_was_stale_is_not_remembered(self, client: httpx.AsyncClient, ada: Header) -> None:
        article = await write(client, ada)
        restore = f"/articles/{article['id']}/revisions/1/restore"
        assert problem(await client.post(restore, headers=keyed(ada) | {"If-Match": '"x"'}), 412)
        assert (await client.post(restore, headers=keyed(ada))).status_code == 200

    @pytest.mark.parametrize(
        "key", ["", '""', '"', '"a', 'a"', "a b", '"a"b', "é", '"\\"', "x" * 256, f'"{"x" * 256}"']
    )
    async def test_what_is_no_key_is_a_bad_request(self, client: httpx.AsyncClient, ada: Header, key: str) -> None:
        given = {name.encode(): value.encode("latin-1") for name, value in keyed(ada, key).items()}
        answer = await client.post("/articles", json=ARTICLE, headers=given)
        assert "Idempotency-Key" in problem(answer, 400)["detail"]
        assert await found(client, "/articles", ada) == []

    async def test_two_keys_are_none(self, client: httpx.AsyncClient, ada: Header) -> None:
        given = [*ada.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        assert problem(await client.post("/articles", json=ARTICLE, headers=given), 400)

    @pytest.mark.parametrize("key", ["x" * 255, f'"{"x" * 255}"', '" "', "\\", "~!#,;", '"a, b"'])
    async def test_a_key_is_any_short_text(self, client: httpx.AsyncClient, ada: Header, key: str) -> None:
        first = await client.post("/articles", json=ARTICLE, headers=keyed(ada, key))
        assert first.status_code == 201
        assert (await client.post("/articles", json=ARTICLE, headers=keyed(ada, key))).content == first.content

    async def test_what_takes_no_key_says_so_and_does_nothing(self, client: httpx.AsyncClient, ada: Header) -> None:
        article = await write(client, ada)
        path = f"/articles/{article['id']}"
        user = {"email": "c@example.org", "username": "Cleo", "password": PASSWORD}
        answers = [
            await client.post("/users", json=user, headers=keyed({})),
            await client.post("/auth/login", data={"username": "Ada", "password": PASSWORD}, headers=keyed({})),
            await client.post(f"{path}/previews", json={}, headers=keyed(ada)),
            await client.post(f"{path}/archive", headers=keyed(ada)),
            await client.patch(path, json={"title": "New"}, headers=keyed(ada)),
            await client.delete(path, headers=keyed(ada)),
            await client.patch(f"{path}/working-copy", json={"title": "New"}, headers=keyed(ada)),
            await client.get(path, headers=keyed(ada)),
            await client.get("/feed.atom", headers=keyed({})),
            await client.get("/health/live", headers=keyed({})),
        ]
        sentence = (
            "This route takes no Idempotency-Key: leave it out, or send it to POST /articles "
            "or POST /articles/{article_id}/revisions/{version}/restore "
            "or POST /articles/{article_id}/working-copy/publish."
        )
        for answer in answers:
            assert problem(answer, 400)["detail"] == sentence
        assert (await client.head(path, headers=keyed(ada))).status_code == 400
        assert problem(await client.get("/users/Cleo"), 404)
        assert await found(client, f"{path}/previews", ada) == []
        assert await found(client, path, ada) == article

    async def test_ten_clients_with_one_key_write_one_article(self, client: httpx.AsyncClient, ada: Header) -> None:
        async def all_at_once() -> list[httpx.Response]:
            posts = (client.post("/articles", json=ARTICLE, headers=keyed(ada)) for _ in range(10))
            return await asyncio.gather(*posts)

        async with asyncio.timeout(60):
            answers = await all_at_once()
            again = await all_at_once()
        written = {answer.content for answer in answers if answer.status_code == 201}
        assert {answer.status_code for answer in answers} <= {201, 409}
        # What is done is not running any more, however many ask for it.
        assert [(answer.status_code, {answer.content}) for answer in again] == [(201, written)] * 10
        assert await found(client, "/articles", ada) == [again[0].json()]

"""What the HTTP contract promises of when an article is for everybody: nothing runs for it but the time."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.builders import NOON, Clock
from tests.contracts.asking import edit, found, headers, hidden, problem, signed_in, write, wrong


def at(**after_noon: float) -> str:
    """A moment, from noon on."""
    return (NOON + timedelta(**after_noon)).isoformat().replace("+00:00", "Z")


async def status(client: httpx.AsyncClient, author: dict[str, str], article: dict[str, Any]) -> Any:
    """The status of an article, after a look at who sees it."""
    path = f"/articles/{article['id']}"
    shown = await found(client, path, author)
    out = shown["status"] == "published"
    assert shown["published"] is out
    assert await hidden(client, path) is not out
    listed = {each["id"] for each in await found(client, "/articles")}
    assert (article["id"] in listed) is out
    return shown["status"]


class PublicationContract:
    async def test_an_article_is_published_from_one_moment_to_another(
        self, client: httpx.AsyncClient, clock: Clock, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada, published=None, publish_at=at(days=1), unpublish_at=at(days=2))
        assert article["status"] == "scheduled"
        assert article["published_at"] is None
        assert (article["publish_at"], article["unpublish_at"]) == (at(days=1), at(days=2))
        expected = ["scheduled", "published", "archived"]
        for state in expected:
            assert await status(client, ada, article) == state
            clock.advance(days=1)
            ada = await signed_in(client, "Ada")
        assert (await found(client, f"/articles/{article['id']}", ada))["published_at"] == at(days=1)

    async def test_an_article_that_was_out_elsewhere_keeps_its_date(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada, published=None, publish_at="2019-05-06T07:08:09+02:00")
        assert await status(client, ada, article) == "published"
        assert article["published_at"] == article["publish_at"] == "2019-05-06T05:08:09Z"
        assert article["created_at"].startswith("2026")

    async def test_what_ended_in_the_past_is_archived(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = await write(client, ada, published=None, publish_at=at(days=-2), unpublish_at=at(days=-1))
        assert await status(client, ada, article) == "archived"

    async def test_published_is_from_now_on_and_not_published_is_a_draft(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada, published=False)
        assert await status(client, ada, article) == "draft"
        first = await edit(client, ada, article, published=True)
        assert await status(client, ada, article) == "published"
        assert first["published_at"] == first["publish_at"] == first["updated_at"]
        back = await edit(client, ada, article, published=False)
        assert await status(client, ada, article) == "draft"
        assert (back["publish_at"], back["published_at"]) == (None, first["published_at"])
        # For the first time is once.
        again = await edit(client, ada, article, published=True)
        assert again["published_at"] == first["published_at"] < again["publish_at"]

    async def test_a_schedule_is_taken_back_by_its_moment(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada, published=None, publish_at=at(days=1))
        # That is so already.
        assert await edit(client, ada, article, published=False) == article
        assert (await edit(client, ada, article, publish_at=None))["status"] == "draft"
        assert (await edit(client, ada, article, publish_at=at(days=1)))["status"] == "scheduled"
        now = await edit(client, ada, article, published=True)
        assert (now["status"], now["publish_at"]) == ("published", now["updated_at"])
        assert (await edit(client, ada, article, publish_at=None))["status"] == "draft"

    async def test_archiving_hides_and_keeps(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        article = await write(client, ada)
        path = f"/articles/{article['id']}/archive"
        assert problem(await client.post(path), 401)
        assert problem(await client.post(path, headers=bob), 403)
        assert problem(await client.post("/articles/999999/archive", headers=ada), 404)
        answer = await client.post(path, headers=ada)
        assert answer.status_code == 200
        archived = answer.json()
        assert archived["status"] == "archived"
        assert archived["published_at"] == article["published_at"]
        assert answer.headers["etag"].startswith(f'"{archived["edition"]}.')
        assert await status(client, ada, article) == "archived"
        assert problem(await client.post(path, headers=bob), 404)
        twice = await client.post(path, headers=ada)
        assert twice.content == answer.content
        back = await edit(client, ada, article, published=True)
        assert (back["status"], back["unpublish_at"]) == ("published", None)
        assert back["published_at"] == article["published_at"]

    @pytest.mark.parametrize(("state", "publish_at"), [("draft", None), ("scheduled", at(days=1))])
    async def test_what_never_was_out_can_be_archived_too(
        self, client: httpx.AsyncClient, clock: Clock, ada: dict[str, str], state: str, publish_at: str | None
    ) -> None:
        article = await write(client, ada, published=None, publish_at=publish_at)
        assert article["status"] == state
        await client.post(f"/articles/{article['id']}/archive", headers=ada)
        clock.advance(days=2)
        ada = await signed_in(client, "Ada")
        assert await status(client, ada, article) == "archived"
        assert (await found(client, f"/articles/{article['id']}", ada))["published_at"] is None

    @pytest.mark.parametrize(
        "moment", ["2026-03-04T12:00:00", "2026-03-04", "noon", "", "2026-02-30T00:00:00Z", 1_772_625_600, True]
    )
    async def test_a_moment_has_a_zone(self, client: httpx.AsyncClient, ada: dict[str, str], moment: Any) -> None:
        article = await write(client, ada, published=False)
        body = {"publish_at": moment, "unpublish_at": moment}
        for answer in (
            await client.patch(f"/articles/{article['id']}", json=body, headers=ada),
            await client.post("/articles", json={"title": "T", "content": "0123456789", **body}, headers=ada),
        ):
            assert set(wrong(answer)) == {"#/publish_at", "#/unpublish_at"}
        assert await found(client, "/articles", ada) == [article]

    @pytest.mark.parametrize(
        ("contradiction", "pointer"),
        [
            ({"published": True, "publish_at": at(days=1)}, "#/published"),
            ({"published": True, "publish_at": None}, "#/published"),
            ({"published": True, "unpublish_at": at(days=1)}, "#/published"),
            ({"publish_at": at(days=2), "unpublish_at": at(days=1)}, "#/unpublish_at"),
            ({"publish_at": "0001-01-01T00:00:00+14:00"}, "#/publish_at"),
            ({"unpublish_at": "9999-12-31T23:59:59-14:00"}, "#/unpublish_at"),
        ],
    )
    async def test_a_contradiction_is_refused_where_it_is(
        self, client: httpx.AsyncClient, ada: dict[str, str], contradiction: dict[str, Any], pointer: str
    ) -> None:
        article = await write(client, ada, published=False)
        new = {"title": "T", "content": "0123456789"}
        for answer in (
            await client.patch(f"/articles/{article['id']}", json=contradiction, headers=ada),
            await client.post("/articles", json=new | contradiction, headers=ada),
        ):
            assert set(wrong(answer)) == {pointer}
        assert await found(client, "/articles", ada) == [article]

    async def test_a_contradiction_to_what_is_kept_is_one_too(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada, published=None, publish_at=at(days=2))
        path = f"/articles/{article['id']}"
        assert set(wrong(await client.patch(path, json={"unpublish_at": at(days=1)}, headers=ada))) == {
            "#/unpublish_at"
        }
        assert await found(client, path, ada) == article

    async def test_when_it_appears_and_disappears_is_for_its_author(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        article = await write(client, ada, published=None, publish_at=at(days=-1), unpublish_at=at(days=1))
        path = f"/articles/{article['id']}"
        for reader in (None, bob):
            for shown in (await found(client, path, reader), *await found(client, "/articles", reader)):
                assert (shown["publish_at"], shown["unpublish_at"]) == (None, None)
                assert shown["published_at"] == at(days=-1)
        assert (await found(client, path, ada))["unpublish_at"] == at(days=1)

    async def test_what_is_not_out_yet_or_no_more_does_not_exist_for_others(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        scheduled = await write(client, ada, published=None, publish_at=at(days=1))
        archived = await write(client, ada, published=None, publish_at=at(days=-2), unpublish_at=at(days=-1))
        for article in (scheduled, archived):
            for method, end in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/archive")):
                body = {"title": "Mine"} if method == "PATCH" else None
                refused = await client.request(method, f"/articles/{article['id']}{end}", json=body, headers=bob)
                missing = await client.request(method, f"/articles/999999{end}", json=body, headers=bob)
                assert refused.status_code == 404
                assert refused.content == missing.content
                assert headers(refused) == headers(missing)

    async def test_the_moment_counts_to_the_microsecond(
        self, client: httpx.AsyncClient, clock: Clock, ada: dict[str, str]
    ) -> None:
        moment = clock.moment + timedelta(hours=1)
        article = await write(client, ada, published=None, publish_at=moment.isoformat())
        step = timedelta(seconds=1)
        for before, out in ((timedelta(microseconds=1), False), (timedelta(), True)):
            clock.moment = moment - before - step
            assert await hidden(client, f"/articles/{article['id']}") is not out
        assert datetime.fromisoformat(article["publish_at"]) == moment

"""What the HTTP contract promises of slugs: the words of an article's address."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from blog.domain.slugs import RESERVED
from tests.builders import NOON, Clock
from tests.contracts.asking import PASSWORD, edit, found, headers, hidden, problem, signed_in, write, wrong

LATER = (NOON + timedelta(days=1)).isoformat()


async def moved(client: httpx.AsyncClient, slug: str, reader: dict[str, str] | None = None) -> str:
    """Where the article is that once had this slug."""
    answer = await client.get(f"/articles/{slug}", headers=reader)
    assert (answer.status_code, answer.content) == (308, b"")
    return str(answer.headers["location"])


class SlugsContract:
    @pytest.mark.parametrize(
        ("title", "slug"),
        [
            ("On engines", "on-engines"),
            ("  Ça va? C'est l'été!  ", "ca-va-cest-lete"),
            ("Über Straßen & Brücken", "uber-strassen-brucken"),
            ("Война и мир", "voyna-i-mir"),
            ("2026", "article-2026"),
            ("Tags", "article-tags"),
            ("…", "article"),
            ("x" * 200, "x" * 100),
        ],
    )
    async def test_a_slug_is_what_the_title_reads_like(
        self, client: httpx.AsyncClient, ada: dict[str, str], title: str, slug: str
    ) -> None:
        article = await write(client, ada, title=title)
        assert article["slug"] == slug
        assert (await found(client, f"/articles/{slug}"))["id"] == article["id"]

    async def test_an_article_is_found_by_its_id_and_by_its_slug(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        article = await write(client, ada, slug="engines")
        for reader in (None, ada, bob):
            by_id = await client.get(f"/articles/{article['id']}", headers=reader)
            by_slug = await client.get("/articles/engines", headers=reader)
            assert by_id.status_code == by_slug.status_code == 200
            assert by_id.content == by_slug.content
            assert headers(by_id) == headers(by_slug)

    @pytest.mark.parametrize("slug", ["12", "0", *sorted(RESERVED), "Engines", "engines-", "a_b", "a" * 101])
    async def test_a_slug_is_no_number_and_no_word_of_an_address(
        self, client: httpx.AsyncClient, ada: dict[str, str], slug: str
    ) -> None:
        article = await write(client, ada)
        assert set(wrong(await client.patch(f"/articles/{article['id']}", json={"slug": slug}, headers=ada))) == {
            "#/slug"
        }
        assert problem(await client.get(f"/articles/{slug}"), 404)

    async def test_its_author_finds_a_draft_by_the_slug_that_it_is_to_have(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        draft = await write(client, ada, published=False)
        assert draft["slug"] == "on-engines"
        path = "/articles/on-engines"
        assert await found(client, path, ada) == draft
        by_number = await client.get(f"/articles/{draft['id']}", headers=ada)
        by_slug = await client.get(path, headers=ada)
        assert by_slug.headers["etag"] == by_number.headers["etag"]
        assert await found(client, f"{path}?include=author&fields=id", ada) == {
            "id": draft["id"],
            "author": {"id": draft["author_id"], "username": "Ada"},
        }
        # To all others it is what no article has.
        for reader in (None, bob):
            for query in ("", "?include=author", "?fields=id"):
                there = await client.get(path + query, headers=reader)
                nowhere = await client.get(f"/articles/nowhere{query}", headers=reader)
                assert (there.status_code, there.content) == (404, nowhere.content)
                assert headers(there) == headers(nowhere)
        # One that is out is what everybody finds there.
        out = await write(client, bob)
        assert out["slug"] == "on-engines"
        assert (await found(client, path, ada))["id"] == out["id"]

    async def test_the_first_to_be_published_has_a_slug_and_the_next_one_the_same_with_a_number(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        draft = await write(client, ada, published=False)
        first, second = await write(client, bob), await write(client, bob)
        assert (first["slug"], second["slug"]) == ("on-engines", "on-engines-2")
        published = await edit(client, ada, draft, published=True)
        assert published["slug"] == "on-engines-3"
        for article in (first, second, published):
            assert (await found(client, f"/articles/{article['slug']}"))["id"] == article["id"]

    async def test_ten_publications_of_one_title_end_in_ten_slugs(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        articles = await asyncio.gather(*(write(client, author) for author in (ada, bob) * 5))
        slugs = {article["slug"]: article["id"] for article in articles}
        assert len(slugs) == 10
        assert all(slug.startswith("on-engines") for slug in slugs)
        for slug, number in slugs.items():
            assert (await found(client, f"/articles/{slug}"))["id"] == number

    async def test_the_slug_stays_when_the_title_changes_and_changes_when_another_is_sent(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada)
        assert (await edit(client, ada, article, title="Other"))["slug"] == "on-engines"
        assert (await edit(client, ada, article, slug="other"))["slug"] == "other"
        assert (await found(client, "/articles/other"))["id"] == article["id"]

    async def test_a_slug_that_was_public_leads_to_where_the_article_is(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        article = await write(client, ada, slug="one")
        await edit(client, ada, article, slug="two")
        await edit(client, ada, article, slug="three")
        for reader in (None, ada, bob):
            for slug in ("one", "two"):
                assert await moved(client, slug, reader) == "/articles/three"
        answer = await client.get("/articles/one?include=content_html")
        assert answer.headers["location"] == "/articles/three?include=content_html"
        followed = await client.get("/articles/one?include=content_html", follow_redirects=True)
        assert followed.json() == await found(client, f"/articles/{article['id']}?include=content_html")
        head = await client.head("/articles/one?include=content_html")
        assert (head.status_code, head.content) == (308, b"")
        assert headers(head) == headers(answer)
        # What would be refused there is refused here.
        assert wrong(await client.get("/articles/one?include=nothing"))

    async def test_an_article_may_go_back_to_a_slug_that_it_had(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada, slug="one")
        await edit(client, ada, article, slug="two")
        assert (await edit(client, ada, article, slug="one"))["slug"] == "one"
        assert (await found(client, "/articles/one"))["id"] == article["id"]
        assert await moved(client, "two") == "/articles/one"

    async def test_a_slug_that_was_public_is_never_anybody_elses(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        left = await write(client, ada, slug="left")
        await edit(client, ada, left, slug="now")
        hidden_again = await write(client, ada, slug="hidden-again")
        await edit(client, ada, hidden_again, published=False)
        gone = await write(client, ada, slug="gone")
        assert (await client.delete(f"/articles/{gone['id']}", headers=ada)).status_code == 204
        slugs = ("left", "now", "hidden-again", "gone")
        for slug in slugs:
            assert (await write(client, bob, slug=slug))["slug"] == f"{slug}-2"
        answer = await client.request("DELETE", "/users/me", json={"password": PASSWORD}, headers=ada)
        assert answer.status_code == 204
        for slug in slugs:
            assert (await write(client, bob, slug=slug))["slug"] == f"{slug}-3"
            assert await hidden(client, f"/articles/{slug}")

    async def test_a_slug_of_what_is_hidden_again_leads_nobody_else_anywhere(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        article = await write(client, ada, slug="one")
        await edit(client, ada, article, slug="two")
        await edit(client, ada, article, published=False)
        for slug in ("one", "two"):
            for reader in (None, bob):
                missing = await client.get("/articles/there-is-none", headers=reader)
                answer = await client.get(f"/articles/{slug}", headers=reader)
                assert (answer.status_code, answer.content) == (404, missing.content)
                assert headers(answer) == headers(missing)
            assert (await found(client, f"/articles/{slug}", ada))["id"] == article["id"]
        # And is its own again afterwards.
        assert (await edit(client, ada, article, published=True))["slug"] == "two"
        assert await moved(client, "one") == "/articles/two"

    @pytest.mark.parametrize("other", [{"published": False}, {"published": None, "publish_at": LATER}])
    async def test_what_is_not_out_stands_in_nobodys_way(
        self, client: httpx.AsyncClient, clock: Clock, ada: dict[str, str], bob: dict[str, str], other: dict[str, Any]
    ) -> None:
        mine = await write(client, ada, slug="plans", **other)
        yours = await write(client, bob, slug="plans")
        assert yours["slug"] == "plans"
        assert (await found(client, "/articles/plans"))["id"] == yours["id"]
        # Neither does its author, before it is out, see more than what was wished for.
        assert (await found(client, f"/articles/{mine['id']}", ada))["slug"] == "plans"
        clock.advance(days=2)
        ada = await signed_in(client, "Ada")
        if mine["status"] == "draft":
            await edit(client, ada, mine, published=True)
        out = await found(client, f"/articles/{mine['id']}")
        assert out["slug"] == ("plans-2" if mine["status"] == "draft" else f"plans-0{mine['id']}")
        assert (await found(client, f"/articles/{out['slug']}"))["id"] == mine["id"]

    async def test_a_scheduled_article_is_at_its_slug_from_its_moment_on(
        self, client: httpx.AsyncClient, clock: Clock, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada, published=None, publish_at=LATER, slug="plans")
        await edit(client, ada, article, slug="other-plans")
        for slug in ("plans", "other-plans"):
            assert await hidden(client, f"/articles/{slug}")
        clock.advance(days=2)
        assert (await found(client, "/articles/other-plans"))["id"] == article["id"]
        # Nobody has ever seen the other one.
        assert await hidden(client, "/articles/plans")

"""What a store promises of slugs: which address is whose, and since when."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from blog.application.queries import AuthorView, Include
from blog.domain.articles import Article, ArticleMoved, ArticleNotFound, Status
from blog.domain.slugs import Slug
from blog.domain.users import User
from blog.testing.builders import NOON
from blog.testing.keeping import (
    SOMEBODY_ELSE,
    Storage,
    get_article,
    keep_article,
    keep_bob,
    keep_draft,
    keep_user,
    page_of,
    remove_article,
    save_article,
)

TOMORROW, LATER = NOON + timedelta(days=1), NOON + timedelta(days=2)


class StoredSlugs:
    async def test_a_slug_that_is_taken_gets_a_number(self, storage: Storage) -> None:
        user = await keep_user(storage)
        kept = [await keep_article(storage, user) for _ in range(4)]
        assert [article.address for article in kept] == ["on-engines", "on-engines-2", "on-engines-3", "on-engines-4"]
        for article in kept:
            assert await at(storage, article.address) == article.id

    async def test_there_are_numbers_for_everybody(self, storage: Storage) -> None:
        user = await keep_user(storage)
        addresses = {(await keep_article(storage, user, slug=Slug("a" * 100))).address for _ in range(25)}
        assert len(addresses) == 25

    async def test_of_several_who_take_one_slug_at_once_each_gets_its_own(self, storage: Storage) -> None:
        user = await keep_user(storage)
        kept = await asyncio.gather(*(keep_article(storage, user) for _ in range(5)))
        assert len({article.address for article in kept}) == 5
        for article in kept:
            assert (await get_article(storage, article)).address == article.address
            assert await at(storage, article.address) == article.id

    async def test_an_article_keeps_the_slug_that_it_has(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))
        for _ in range(3):
            article = await save_article(storage, article)
            assert article.address == "on-engines"

    async def test_an_article_gets_the_number_back_that_it_had(self, storage: Storage) -> None:
        user = await keep_user(storage)
        await keep_article(storage, user)
        article = await keep_article(storage, user)
        elsewhere = await save_article(storage, replace(article, slug=Slug("on-looms")))
        back = await save_article(storage, replace(elsewhere, slug=Slug("on-engines")))
        assert back.address == "on-engines-2"
        assert await moved(storage, "on-looms") == "on-engines-2"

    async def test_an_article_that_moved_is_found_at_its_old_slugs(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage), slug=Slug("first"))
        for slug in ("second", "third"):
            article = await save_article(storage, replace(article, slug=Slug(slug)))
        for old in ("first", "second"):
            assert await moved(storage, old) == "third"
        assert await at(storage, Slug("third")) == article.id

    async def test_an_old_slug_of_ones_own_may_be_had_again(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article = await keep_article(storage, user, slug=Slug("first"))
        article = await save_article(storage, replace(article, slug=Slug("second")))
        assert (await keep_article(storage, user, slug=Slug("first"))).address == "first-2"
        article = await save_article(storage, replace(article, slug=Slug("first")))
        assert article.address == "first"
        assert await at(storage, Slug("first")) == article.id
        assert await moved(storage, "second") == "first"

    async def test_an_old_slug_tells_nothing_of_an_article_that_is_hidden(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article = await keep_article(storage, user, slug=Slug("first"))
        article = await save_article(storage, replace(article, slug=Slug("second"), unpublish_at=LATER))
        storage.clock.strike(LATER)
        for slug in ("first", "second"):
            for viewer in (None, SOMEBODY_ELSE):
                with pytest.raises(ArticleNotFound):
                    await storage.articles.get(Slug(slug), viewer=viewer)
            assert await at(storage, Slug(slug), viewer=user.id) == article.id

    async def test_a_draft_that_was_out_is_at_its_slug_for_its_author(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article = await keep_article(storage, user)
        draft = await save_article(storage, replace(article, publish_at=None))
        assert await at(storage, Slug("on-engines"), viewer=user.id) == draft.id
        with pytest.raises(ArticleNotFound):
            await at(storage, Slug("on-engines"))

    async def test_what_was_public_stays_taken_after_its_article(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article = await keep_article(storage, user, slug=Slug("first"))
        article = await save_article(storage, replace(article, slug=Slug("second")))
        await remove_article(storage, article)
        await nobodys(storage, user, "first", "second")

    async def test_what_was_public_stays_taken_after_its_account(self, storage: Storage) -> None:
        user = await keep_user(storage)
        await keep_article(storage, user, slug=Slug("first"))
        await keep_article(storage, user, slug=Slug("second"), publish_at=TOMORROW, unpublish_at=LATER)
        storage.clock.strike(LATER)
        async with storage.transaction() as tx:
            await tx.users.remove(user.id, at=LATER)
        await nobodys(storage, await keep_user(storage), "first", "second")

    async def test_what_came_out_by_itself_stays_taken_after_its_article(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article = await keep_article(storage, user, publish_at=TOMORROW)
        storage.clock.moment = TOMORROW
        await remove_article(storage, article)
        await nobodys(storage, user, "on-engines")

    async def test_what_nobody_has_seen_is_free_after_its_article(self, storage: Storage) -> None:
        user = await keep_user(storage)
        await remove_article(storage, await keep_article(storage, user, publish_at=TOMORROW))
        assert (await keep_article(storage, user)).address == "on-engines"

    async def test_what_nobody_has_seen_is_free_after_its_account(self, storage: Storage) -> None:
        user = await keep_user(storage)
        await keep_article(storage, user, publish_at=TOMORROW)
        async with storage.transaction() as tx:
            await tx.users.remove(user.id, at=storage.clock.moment)
        assert (await keep_article(storage, await keep_user(storage))).address == "on-engines"

    async def test_what_is_to_come_takes_nothing_and_is_nowhere(self, storage: Storage) -> None:
        user = await keep_user(storage)
        scheduled = await keep_article(storage, user, publish_at=TOMORROW)
        assert await get_article(storage, scheduled) == scheduled
        for viewer in (None, SOMEBODY_ELSE):
            with pytest.raises(ArticleNotFound):
                await storage.articles.get(scheduled.slug, viewer=viewer)
        assert (await keep_article(storage, user)).address == "on-engines"

    async def test_an_author_finds_what_is_to_have_a_slug(self, storage: Storage) -> None:
        ada, bob = await keep_user(storage), await keep_bob(storage)
        slug, past = Slug("on-looms"), NOON - timedelta(days=1)
        published = await keep_article(storage, ada)
        newest: dict[int, int] = {}
        # Of several, the one that was written last; also what never was out, and what was out elsewhere.
        ways: list[Callable[[], Awaitable[Article]]] = [
            lambda: keep_draft(storage, ada, slug=slug),
            lambda: keep_draft(storage, bob, slug=slug),
            lambda: save_article(storage, replace(published, slug=slug, unpublish_at=past)),
            lambda: keep_article(storage, ada, slug=slug, publish_at=TOMORROW, published_at=TOMORROW),
            lambda: keep_draft(storage, ada, slug=slug, unpublish_at=past),
            lambda: keep_draft(storage, ada, slug=slug),
        ]
        for keep in ways:
            article = await keep()
            newest[article.author_id] = max(article.id, newest.get(article.author_id, 0))
            for author, number in newest.items():
                assert await at(storage, slug, viewer=author) == number
            for viewer in (None, SOMEBODY_ELSE):
                with pytest.raises(ArticleNotFound):
                    await storage.articles.get(slug, viewer=viewer)
        include = list(Include)
        view = await storage.articles.get(slug, viewer=bob.id, include=include)
        assert (view.status, view.author, view.content_html is not None) == (
            Status.DRAFT,
            AuthorView(id=bob.id, username="bob"),
            True,
        )

    async def test_what_everybody_finds_comes_before_what_is_ones_own(self, storage: Storage) -> None:
        ada, bob = await keep_user(storage), await keep_bob(storage)
        out = await keep_article(storage, bob)
        moved_on = await save_article(
            storage, replace(await keep_article(storage, bob, slug=Slug("first")), slug=Slug("second"))
        )
        for slug in ("on-engines", "first", "second"):
            await keep_draft(storage, ada, slug=Slug(slug))
        assert await at(storage, Slug("on-engines"), viewer=ada.id) == out.id
        assert await at(storage, Slug("second"), viewer=ada.id) == moved_on.id
        assert await moved(storage, "first", viewer=ada.id) == "second"

    async def test_what_is_hidden_does_not_stand_before_what_is_ones_own(self, storage: Storage) -> None:
        ada, bob = await keep_user(storage), await keep_bob(storage)
        hidden = await keep_article(storage, bob, unpublish_at=TOMORROW)
        draft = await keep_draft(storage, ada)
        gone = await keep_article(storage, bob, slug=Slug("gone"))
        await remove_article(storage, gone)
        after_it = await keep_draft(storage, ada, slug=Slug("gone"))
        storage.clock.moment = TOMORROW
        assert hidden.address == draft.slug
        assert await at(storage, draft.slug, viewer=ada.id) == draft.id
        assert await at(storage, draft.slug, viewer=bob.id) == hidden.id
        assert await at(storage, after_it.slug, viewer=ada.id) == after_it.id
        with pytest.raises(ArticleNotFound):
            await storage.articles.get(draft.slug, viewer=None)

    async def test_what_comes_out_by_itself_is_at_its_slug(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article = await keep_article(storage, user, publish_at=TOMORROW)
        storage.clock.strike(TOMORROW)
        assert await at(storage, article.slug) == article.id
        assert (await keep_article(storage, user)).address == "on-engines-2"
        assert await at(storage, article.slug) == article.id
        settled = article.settle(article.slug)
        assert await get_article(storage, article) == settled
        assert await get_article(storage, article) == settled
        assert await at(storage, article.slug) == article.id

    @pytest.mark.parametrize("got", [False, True])
    async def test_what_comes_out_at_anothers_slug_has_its_id_for_a_number(
        self, storage: Storage, *, got: bool
    ) -> None:
        user = await keep_user(storage)
        late = await keep_article(storage, user, publish_at=LATER)
        early = await keep_article(storage, user, publish_at=TOMORROW, slug=Slug("on-looms"))
        also = await keep_article(storage, user, publish_at=LATER, slug=Slug("on-looms"))
        out = await keep_article(storage, user)
        assert out.address == "on-engines"
        storage.clock.strike(LATER)
        if got:
            for article in (also, late, early):
                await get_article(storage, article)
        addresses = {
            out: Slug("on-engines"),
            late: Slug(f"on-engines-0{late.id}"),
            early: Slug("on-looms"),
            also: Slug(f"on-looms-0{also.id}"),
        }
        storage.clock.strike(LATER)
        shown = {view.id: view.slug for view in await page_of(storage, None)}
        for article, address in addresses.items():
            assert await at(storage, address) == article.id
            assert shown[article.id] == address
            assert (await storage.articles.get(article.id, viewer=None)).slug == address

    async def test_a_number_is_nobodys_who_does_not_need_it(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article = await keep_article(storage, user, publish_at=TOMORROW)
        storage.clock.strike(TOMORROW)
        for viewer in (None, user.id):
            with pytest.raises(ArticleNotFound):
                await storage.articles.get(article.slug.marked(article.id), viewer=viewer)

    async def test_what_is_hidden_keeps_its_address_and_takes_no_other(self, storage: Storage) -> None:
        user = await keep_user(storage)
        await keep_article(storage, user)
        article = await keep_article(storage, user)
        hidden = await save_article(storage, replace(article, unpublish_at=article.publish_at))
        assert (hidden.slug, hidden.address) == ("on-engines-2", "on-engines-2")
        hidden = await save_article(storage, replace(hidden, slug=Slug("elsewhere")))
        assert (hidden.slug, hidden.address) == ("elsewhere", "on-engines-2")
        assert (await keep_article(storage, user, slug=Slug("elsewhere"))).address == "elsewhere"


async def at(storage: Storage, slug: Slug | None, *, viewer: int | None = None) -> int:
    """The article that somebody finds there."""
    assert slug
    return (await storage.articles.get(slug, viewer=viewer)).id


async def moved(storage: Storage, slug: str, *, viewer: int | None = None) -> Slug:
    """Where the article is now that somebody looks for there."""
    with pytest.raises(ArticleMoved) as refusal:
        await storage.articles.get(Slug(slug), viewer=viewer)
    return refusal.value.slug


async def nobodys(storage: Storage, user: User, *slugs: str) -> None:
    """Nothing is to be found there, and nobody gets there."""
    for slug in slugs:
        for viewer in (None, user.id):
            with pytest.raises(ArticleNotFound):
                await storage.articles.get(Slug(slug), viewer=viewer)
        assert (await keep_article(storage, user, slug=Slug(slug))).address == f"{slug}-2"

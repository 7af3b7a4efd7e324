"""What a store promises of who reads what, and when."""

import asyncio
from datetime import datetime, timedelta

import pytest

from blog.application.queries import AccountView, ArticleFilter
from blog.domain.articles import Article, ArticleNotFound, Status
from blog.domain.slugs import Slug
from blog.testing.builders import NOON
from blog.testing.keeping import SOMEBODY_ELSE, Storage, keep_article, keep_bob, keep_draft, keep_user, view_of

INSTANT = timedelta(microseconds=1)
OUT, GONE = NOON + timedelta(days=1), NOON + timedelta(days=2)


class StoredVisibility:
    async def test_a_draft_is_read_by_its_author_alone(self, storage: Storage) -> None:
        draft = await keep_draft(storage, await keep_user(storage))
        for moment in (NOON, GONE):
            await hidden(storage, draft, moment, Status.DRAFT)

    async def test_an_article_appears_and_disappears_at_its_moments(self, storage: Storage) -> None:
        article = await keep_article(
            storage, await keep_user(storage), publish_at=OUT, unpublish_at=GONE, published_at=OUT
        )
        await hidden(storage, article, OUT - INSTANT, Status.SCHEDULED)
        await shown(storage, article, OUT)
        await shown(storage, article, GONE - INSTANT)
        await hidden(storage, article, GONE, Status.ARCHIVED)

    async def test_an_article_stays_out_that_has_no_end(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage), publish_at=OUT, unpublish_at=None)
        await hidden(storage, article, OUT - INSTANT, Status.SCHEDULED)
        await shown(storage, article, NOON + timedelta(days=9999))

    async def test_an_article_is_archived_that_never_was_out(self, storage: Storage) -> None:
        archived = await keep_draft(storage, await keep_user(storage), unpublish_at=OUT)
        await hidden(storage, archived, OUT - INSTANT, Status.DRAFT)
        await hidden(storage, archived, OUT, Status.ARCHIVED)

    async def test_what_is_hidden_is_held_by_its_author_alone(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article = await keep_article(storage, user, publish_at=OUT, unpublish_at=GONE)
        for moment, is_out in ((OUT - INSTANT, False), (OUT, True), (GONE - INSTANT, True), (GONE, False)):
            async with storage.transaction() as tx:
                for get in (tx.articles.get, tx.articles.look):
                    assert (await get(article.id, actor=user.id, at=moment)).id == article.id
                    if is_out:
                        assert (await get(article.id, actor=SOMEBODY_ELSE, at=moment)).id == article.id
                    else:
                        with pytest.raises(ArticleNotFound):
                            await get(article.id, actor=SOMEBODY_ELSE, at=moment)

    async def test_what_has_not_appeared_is_at_its_slug_for_its_author_alone(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article = await keep_article(storage, user, publish_at=OUT)
        for viewer in (None, SOMEBODY_ELSE, user.id):
            storage.clock.strike(OUT - INSTANT)
            if viewer == user.id:
                found = await storage.articles.get(article.slug, viewer=viewer)
                assert found == view_of(storage, article, viewer, at=OUT - INSTANT)
            else:
                with pytest.raises(ArticleNotFound):
                    await storage.articles.get(article.slug, viewer=viewer)
            storage.clock.strike(OUT)
            assert await storage.articles.get(article.slug, viewer=viewer) == view_of(storage, article, viewer)

    async def test_what_has_disappeared_is_at_its_address_for_its_author(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article = await keep_article(storage, user, unpublish_at=GONE)
        assert article.address
        storage.clock.strike(GONE)
        for viewer in (None, SOMEBODY_ELSE):
            with pytest.raises(ArticleNotFound):
                await storage.articles.get(article.address, viewer=viewer)
        assert await storage.articles.get(article.address, viewer=user.id) == view_of(storage, article, user.id)

    async def test_of_many_who_ask_at_once_each_is_told_what_it_may_know(self, storage: Storage) -> None:
        ada, bob = await keep_user(storage), await keep_bob(storage)
        public = [await keep_article(storage, author) for author in (ada, bob)]
        drafts = [
            await keep_draft(storage, author, slug=Slug(f"draft-{number}"))
            for number, author in enumerate((ada, bob) * 9)
        ]
        gone = [
            await keep_article(storage, author, slug=Slug(f"gone-{number}"), unpublish_at=GONE)
            for number, author in enumerate((ada, bob) * 4)
        ]
        storage.clock.strike(GONE)

        async def told(viewer: int | None, which: int | Slug) -> int | None:
            try:
                return (await storage.articles.get(which, viewer=viewer)).id
            except ArticleNotFound:
                return None

        for viewers in ((None, ada.id, bob.id), (bob.id, SOMEBODY_ELSE, None, ada.id)):
            asked = [(viewer, article) for article in (*drafts, *gone, *public) for viewer in viewers]
            by_id = await asyncio.gather(*(told(viewer, article.id) for viewer, article in asked))
            may = [article in public or article.author_id == viewer for viewer, article in asked]
            assert by_id == [article.id if it else None for it, (_, article) in zip(may, asked, strict=True)]
            by_slug = await asyncio.gather(*(told(viewer, article.slug) for viewer, article in asked))
            assert by_slug == by_id
        accounts = await asyncio.gather(*(storage.users.account(user.id) for user in (bob, ada) * 20))
        assert accounts == [AccountView.of(bob), AccountView.of(ada)] * 20


async def hidden(storage: Storage, article: Article, moment: datetime, status: Status) -> None:
    """Nobody but its author finds the article then."""
    queries, tagged = storage.articles, ArticleFilter(tags=article.manuscript.tags)
    for viewer in (None, SOMEBODY_ELSE):
        storage.clock.strike(moment)
        with pytest.raises(ArticleNotFound):
            await queries.get(article.id, viewer=viewer)
        storage.clock.strike(moment)
        assert list((await queries.page(viewer=viewer, skip=0, limit=9)).articles) == []
        storage.clock.strike(moment)
        assert list((await queries.page(viewer=viewer, skip=0, limit=9, filter=tagged)).articles) == []
        storage.clock.strike(moment)
        assert await queries.tags(viewer=viewer, skip=0, limit=9) == []
    view = view_of(storage, article, article.author_id, at=moment)
    assert view.status is status
    assert not view.published
    await seen(storage, article, article.author_id, moment)


async def shown(storage: Storage, article: Article, moment: datetime) -> None:
    """Everybody finds the article then, and nobody but its author what is to come."""
    for viewer in (None, SOMEBODY_ELSE, article.author_id):
        view = view_of(storage, article, viewer, at=moment)
        assert view.published
        assert (view.unpublish_at is None) == (viewer != article.author_id or article.unpublish_at is None)
        await seen(storage, article, viewer, moment)


async def seen(storage: Storage, article: Article, viewer: int | None, moment: datetime) -> None:
    queries, view = storage.articles, view_of(storage, article, viewer, at=moment)
    tagged = ArticleFilter(tags=article.manuscript.tags)
    storage.clock.strike(moment)
    assert await queries.get(article.id, viewer=viewer) == view
    storage.clock.strike(moment)
    assert list((await queries.page(viewer=viewer, skip=0, limit=9)).articles) == [view]
    storage.clock.strike(moment)
    assert list((await queries.page(viewer=viewer, skip=0, limit=9, filter=tagged)).articles) == [view]
    storage.clock.strike(moment)
    counted = {tag.tag: tag.count for tag in await queries.tags(viewer=viewer, skip=0, limit=9)}
    assert counted == dict.fromkeys(map(str, article.manuscript.tags), 1)

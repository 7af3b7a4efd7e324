"""What a store promises of previews."""

from dataclasses import replace
from datetime import timedelta

import pytest

from blog.application.queries import ArticleView
from blog.domain.articles import Article
from blog.domain.previews import Preview, Previewed, PreviewNotFound
from blog.testing.builders import NOON, a_manuscript, a_preview
from blog.testing.keeping import Storage, keep_article, keep_draft, keep_user, preview_ids, remove_article, view_of
from blog.testing.working_copies import keep_working_copy

INSTANT = timedelta(microseconds=1)


async def keep_preview(storage: Storage, article: Article, **different: object) -> Preview:
    async with storage.transaction() as tx:
        preview = a_preview(id=next(preview_ids), article_id=article.id, **different)
        await tx.previews.add(preview)
    return preview


def as_anybody_would_see(storage: Storage, article: Article) -> ArticleView:
    return replace(view_of(storage, article), content_html=article.rendition.html)


class StoredPreviews:
    async def test_previews_are_kept_whole_the_newest_first(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article, other = await keep_article(storage, user), await keep_article(storage, user)
        kept = [await keep_preview(storage, article, of=of) for of in (*Previewed, Previewed.ARTICLE)]
        others = await keep_preview(storage, other)
        async with storage.transaction() as tx:
            assert list(await tx.previews.of(article.id, at=NOON)) == kept[::-1]
            assert list(await tx.previews.of(other.id, at=NOON)) == [others]
            assert list(await tx.previews.of(404, at=NOON)) == []

    async def test_a_preview_shows_what_is_hidden_and_no_more(self, storage: Storage) -> None:
        user = await keep_user(storage)
        moments = {"publish_at": NOON + timedelta(days=1), "unpublish_at": NOON + timedelta(days=2)}
        for article in (await keep_draft(storage, user), await keep_article(storage, user, **moments)):
            preview = await keep_preview(storage, article)
            assert await storage.articles.previewed(preview.id) == as_anybody_would_see(storage, article)

    async def test_a_preview_shows_the_working_copy_as_it_is_going_to_be(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))
        preview = await keep_preview(storage, article, of=Previewed.WORKING_COPY)
        bare = a_manuscript(summary=None, cover_image_url=None, cover_image_alt=None, canonical_url=None)
        for different in ({}, {"manuscript": bare}):
            copy = await keep_working_copy(storage, article, **different)
            going_to_be = replace(article, manuscript=copy.manuscript, rendition=copy.rendition)
            assert await storage.articles.previewed(preview.id) == as_anybody_would_see(storage, going_to_be)

    async def test_a_preview_of_the_article_does_not_show_its_working_copy(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))
        await keep_working_copy(storage, article)
        preview = await keep_preview(storage, article)
        assert await storage.articles.previewed(preview.id) == as_anybody_would_see(storage, article)

    async def test_a_preview_of_a_working_copy_shows_nothing_once_that_is_gone(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))
        await keep_working_copy(storage, article)
        preview = await keep_preview(storage, article, of=Previewed.WORKING_COPY)
        async with storage.transaction() as tx:
            await tx.working_copies.remove(article.id)
        with pytest.raises(PreviewNotFound):
            await storage.articles.previewed(preview.id)

    async def test_a_preview_ends_when_it_expires(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))
        preview = await keep_preview(storage, article)
        async with storage.transaction() as tx:
            assert list(await tx.previews.of(article.id, at=preview.expires_at - INSTANT)) == [preview]
            assert list(await tx.previews.of(article.id, at=preview.expires_at)) == []
        storage.clock.strike(preview.expires_at - INSTANT)
        assert (await storage.articles.previewed(preview.id)).id == article.id
        storage.clock.strike(preview.expires_at)
        with pytest.raises(PreviewNotFound):
            await storage.articles.previewed(preview.id)

    async def test_a_preview_that_was_revoked_shows_nothing(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))
        revoked, stays = await keep_preview(storage, article), await keep_preview(storage, article)
        async with storage.transaction() as tx:
            await tx.previews.remove(article.id, revoked.id)
        async with storage.transaction() as tx:
            assert list(await tx.previews.of(article.id, at=NOON)) == [stays]
            with pytest.raises(PreviewNotFound):
                await tx.previews.remove(article.id, revoked.id)
        with pytest.raises(PreviewNotFound):
            await storage.articles.previewed(revoked.id)
        assert (await storage.articles.previewed(stays.id)).id == article.id

    async def test_a_preview_is_revoked_of_its_own_article_alone(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article, other = await keep_article(storage, user), await keep_article(storage, user)
        preview = await keep_preview(storage, article)
        for article_id, preview_id in ((other.id, preview.id), (article.id, 404)):
            async with storage.transaction() as tx:
                with pytest.raises(PreviewNotFound):
                    await tx.previews.remove(article_id, preview_id)
        assert (await storage.articles.previewed(preview.id)).id == article.id

    async def test_previews_leave_with_their_article(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))
        preview = await keep_preview(storage, article)
        await remove_article(storage, article)
        for unknown in (preview.id, 404):
            with pytest.raises(PreviewNotFound):
                await storage.articles.previewed(unknown)

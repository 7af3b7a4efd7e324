"""What a store promises of working copies."""

from dataclasses import replace
from typing import Any

import pytest

from blog.application.queries import ArticleFilter, Include
from blog.domain.articles import Article
from blog.domain.searches import SearchWords
from blog.domain.working_copies import WorkingCopy, WorkingCopyNotFound
from blog.testing.builders import NOON, a_manuscript, a_rendition, a_working_copy
from blog.testing.keeping import (
    SOMEBODY_ELSE,
    Storage,
    keep_article,
    keep_bob,
    keep_draft,
    keep_user,
    remove_article,
    save_article,
)


async def keep_working_copy(storage: Storage, article: Article, **different: object) -> WorkingCopy:
    async with storage.transaction() as tx:
        copy = a_working_copy(article_id=article.id, **different)
        await tx.working_copies.save(copy)
    return copy


class StoredWorkingCopies:
    async def test_a_working_copy_is_kept_whole(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article, other = await keep_article(storage, user), await keep_article(storage, user)
        copy = await keep_working_copy(storage, article)
        async with storage.transaction() as tx:
            assert await tx.working_copies.get(article.id) == copy
            with pytest.raises(WorkingCopyNotFound):
                await tx.working_copies.get(other.id)

    async def test_a_working_copy_takes_the_place_of_the_one_before(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))
        await keep_working_copy(storage, article)
        bare = a_manuscript(summary=None, cover_image_url=None, cover_image_alt=None, canonical_url=None)
        other = await keep_working_copy(
            storage,
            article,
            based_on=9,
            manuscript=bare,
            rendition=a_rendition(),
            version=4,
            edition="4-facade",
            updated_at=NOON,
        )
        async with storage.transaction() as tx:
            assert await tx.working_copies.get(article.id) == other

    async def test_a_removed_working_copy_is_gone(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article, other = await keep_article(storage, user), await keep_article(storage, user)
        await keep_working_copy(storage, article)
        stays = await keep_working_copy(storage, other)
        async with storage.transaction() as tx:
            await tx.working_copies.remove(article.id)
        async with storage.transaction() as tx:
            for ask in (tx.working_copies.get, tx.working_copies.remove):
                with pytest.raises(WorkingCopyNotFound):
                    await ask(article.id)
            assert await tx.working_copies.get(other.id) == stays

    async def test_a_working_copy_leaves_with_its_article(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))
        await keep_working_copy(storage, article)
        await remove_article(storage, article)
        async with storage.transaction() as tx:
            with pytest.raises(WorkingCopyNotFound):
                await tx.working_copies.get(article.id)

    async def test_its_author_alone_is_told_that_there_is_one(self, storage: Storage) -> None:
        ada, bob = await keep_user(storage), await keep_bob(storage)
        with_one, without = await keep_article(storage, ada), await keep_article(storage, ada)
        draft, of_bob = await keep_draft(storage, ada), await keep_article(storage, bob)
        for article in (with_one, draft):
            await keep_working_copy(storage, article)
        for viewer, expected in (
            (None, {with_one: None, without: None, of_bob: None}),
            (SOMEBODY_ELSE, {with_one: None, without: None, of_bob: None}),
            (bob.id, {with_one: None, without: None, of_bob: False}),
            (ada.id, {with_one: True, without: False, draft: True, of_bob: None}),
        ):
            told = {article.id: answer for article, answer in expected.items()}
            page = await storage.articles.page(viewer=viewer, limit=9, include=list(Include))
            assert {view.id: view.has_working_copy for view in page.articles} == told
            for article, answer in expected.items():
                assert (await storage.articles.get(article.id, viewer=viewer)).has_working_copy is answer
                if article.address:
                    assert (await storage.articles.get(article.address, viewer=viewer)).has_working_copy is answer
        words = ArticleFilter(words=SearchWords("engine"))
        found = await storage.articles.page(viewer=ada.id, limit=9, filter=words)
        assert {view.id: view.has_working_copy for view in found.articles} == told

    async def test_ones_own_articles_that_have_one_are_listed(self, storage: Storage) -> None:
        ada, bob = await keep_user(storage), await keep_bob(storage)
        with_one, draft, without = (
            await keep_article(storage, ada),
            await keep_draft(storage, ada),
            await keep_article(storage, ada),
        )
        of_bob = await keep_article(storage, bob)
        for article in (with_one, draft, of_bob):
            await keep_working_copy(storage, article)
        for viewer, has_one, expected in (
            (ada.id, True, {with_one.id, draft.id}),
            (ada.id, False, {without.id}),
            (bob.id, True, {of_bob.id}),
            (bob.id, False, set()),
            *((viewer, has_one, set()) for viewer in (None, SOMEBODY_ELSE) for has_one in (True, False)),
        ):
            for also in ({}, {"tags": a_manuscript().tags}, {"words": SearchWords("engine")}):
                wanted = ArticleFilter(has_working_copy=has_one, **also)
                page = await storage.articles.page(viewer=viewer, limit=9, filter=wanted, count=True)
                assert {view.id for view in page.articles} == expected
                assert page.total == len(expected)

    async def test_the_article_says_whether_there_is_one(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))

        async def has_one() -> list[bool]:
            async with storage.transaction() as tx:
                ask: dict[str, Any] = {"actor": article.author_id, "at": storage.clock.moment}
                return [
                    (await get(article.id, **ask)).has_working_copy for get in (tx.articles.get, tx.articles.look)
                ]

        assert await has_one() == [False, False]
        await keep_working_copy(storage, article)
        assert await has_one() == [True, True]
        # To save the article does not change it, whatever is said there.
        await save_article(storage, replace(article, has_working_copy=False))
        assert await has_one() == [True, True]
        async with storage.transaction() as tx:
            await tx.working_copies.remove(article.id)
        assert await has_one() == [False, False]
        await save_article(storage, replace(article, has_working_copy=True))
        assert await has_one() == [False, False]
        assert (await storage.articles.get(article.id, viewer=article.author_id)).has_working_copy is False

"""What a store promises of working copies."""

import pytest

from blog.domain.articles import Article
from blog.domain.working_copies import WorkingCopy, WorkingCopyNotFound
from blog.testing.builders import NOON, a_manuscript, a_rendition, a_working_copy
from blog.testing.keeping import Storage, keep_article, keep_user, remove_article


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

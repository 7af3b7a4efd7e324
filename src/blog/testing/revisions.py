"""What a store promises of revisions."""

from dataclasses import replace

import pytest

from blog.domain.articles import Content, Title
from blog.domain.revisions import RevisionNotFound
from blog.testing.builders import a_change, a_manuscript
from blog.testing.keeping import Storage, keep_article, keep_user, remove_article, revision_of, save_article


class StoredRevisions:
    async def test_a_revision_is_kept_whole(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))
        revision = revision_of(article)
        async with storage.transaction() as tx:
            assert await tx.articles.revision(article.id, article.version) == revision
            assert list(await tx.articles.changes(article.id, skip=0, limit=9)) == [a_change(revision)]

    async def test_a_revision_is_kept_whole_that_says_no_more_than_it_must(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))
        bare = a_manuscript(summary=None, cover_image_url=None, cover_image_alt=None, canonical_url=None)
        revision = revision_of(article, version=7, manuscript=bare, note=None, changed=())
        async with storage.transaction() as tx:
            await tx.articles.get(article.id, actor=article.author_id, at=storage.clock.moment)
            await tx.articles.save(replace(article, manuscript=bare, version=7), revision)
        async with storage.transaction() as tx:
            assert await tx.articles.revision(article.id, 7) == revision

    async def test_revisions_are_added_to_and_stay(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article, other = await keep_article(storage, user), await keep_article(storage, user)
        versions = [article]
        for content in ("second", "third", "fourth"):
            manuscript = a_manuscript(title=Title(content), content=Content(content))
            versions.append(await save_article(storage, replace(versions[-1], manuscript=manuscript)))
        revisions = [revision_of(version) for version in versions]
        changes = [a_change(revision) for revision in reversed(revisions)]
        async with storage.transaction() as tx:
            for revision in revisions:
                assert await tx.articles.revision(article.id, revision.version) == revision
            for skip, limit in ((0, 9), (0, 2), (1, 2), (3, 9), (4, 1)):
                page = await tx.articles.changes(article.id, skip=skip, limit=limit)
                assert list(page) == changes[skip : skip + limit]
            assert [change.version for change in await tx.articles.changes(other.id, skip=0, limit=9)] == [6]

    async def test_an_unknown_revision_is_not_found(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))
        async with storage.transaction() as tx:
            for article_id, version in ((article.id, 404), (article.id, 2**31 - 1), (404, article.version)):
                with pytest.raises(RevisionNotFound):
                    await tx.articles.revision(article_id, version)
            assert list(await tx.articles.changes(404, skip=0, limit=9)) == []

    async def test_revisions_leave_with_their_article(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))
        await remove_article(storage, article)
        async with storage.transaction() as tx:
            with pytest.raises(RevisionNotFound):
                await tx.articles.revision(article.id, article.version)
            assert list(await tx.articles.changes(article.id, skip=0, limit=9)) == []

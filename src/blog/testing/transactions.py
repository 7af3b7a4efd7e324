"""What a store promises of transactions: all or nothing, and nothing before the end."""

from contextlib import suppress
from dataclasses import replace

import pytest

from blog.domain.articles import ArticleNotFound
from blog.domain.previews import PreviewNotFound
from blog.domain.revisions import RevisionNotFound
from blog.domain.slugs import Slug
from blog.domain.users import Email, EmailTaken, Username, UserNotFound
from blog.domain.working_copies import WorkingCopyNotFound
from blog.testing.builders import NOON, a_preview, a_reply, a_request, a_user, a_working_copy, an_article
from blog.testing.keeping import (
    Interrupted,
    Storage,
    get_article,
    keep_article,
    keep_user,
    page_of,
    preview_ids,
    revision_of,
    view_of,
)
from blog.testing.previews import keep_preview
from blog.testing.replies import keep_reply
from blog.testing.working_copies import keep_working_copy


class StoredTransactions:
    async def test_an_exception_undoes_everything_that_was_added(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article = await keep_article(storage, user)
        request = a_request(caller=user.id)
        with pytest.raises(Interrupted):
            async with storage.transaction() as tx:
                await tx.replies.claim(request, since=NOON)
                changed = replace(article, slug=Slug("changed"), version=7, featured=False)
                await tx.articles.get(article.id, actor=user.id, at=NOON)
                await tx.articles.reserve(changed, at=NOON)
                await tx.articles.save(changed, revision_of(changed))
                added = an_article(id=await tx.articles.next_id(), author_id=user.id, slug=Slug("added"))
                await tx.articles.reserve(added, at=NOON)
                await tx.articles.add(added, revision_of(added))
                await tx.working_copies.save(a_working_copy(article_id=article.id))
                preview = a_preview(id=next(preview_ids), article_id=article.id)
                await tx.previews.add(preview)
                await tx.replies.keep(request, a_reply(), at=NOON)
                await tx.users.add(
                    a_user(id=await tx.users.next_id(), email=Email("c@d.e"), username=Username("cde"))
                )
                raise Interrupted
        assert await get_article(storage, article) == article
        assert await page_of(storage, user.id) == [view_of(storage, article, user.id)]
        with pytest.raises(UserNotFound):
            await storage.users.profile(Username("cde"))
        with pytest.raises(PreviewNotFound):
            await storage.articles.previewed(preview.id)
        async with storage.transaction() as tx:
            assert await tx.replies.claim(request, since=NOON) is None
            with pytest.raises(RevisionNotFound):
                await tx.articles.revision(article.id, 7)
            with pytest.raises(WorkingCopyNotFound):
                await tx.working_copies.get(article.id)
        for slug in ("changed", "added"):
            assert (await keep_article(storage, user, slug=Slug(slug))).address == slug

    async def test_an_exception_undoes_everything_that_was_taken_away(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article = await keep_article(storage, user)
        copy, preview = await keep_working_copy(storage, article), await keep_preview(storage, article)
        request = a_request(caller=user.id)
        await keep_reply(storage, request, a_reply())
        for way in ("one by one", "the article", "the account"):
            with pytest.raises(Interrupted):
                async with storage.transaction() as tx:
                    await tx.articles.get(article.id, actor=user.id, at=NOON)
                    if way == "one by one":
                        await tx.working_copies.remove(article.id)
                        await tx.previews.remove(article.id, preview.id)
                    elif way == "the article":
                        await tx.articles.remove(article.id)
                    else:
                        await tx.users.remove(user.id, at=NOON)
                    raise Interrupted
            assert await get_article(storage, article) == replace(article, has_working_copy=True)
            assert article.address
            assert await storage.articles.get(article.address, viewer=None) == view_of(storage, article)
            async with storage.transaction() as tx:
                assert await tx.users.get(user.id) == user
                assert await tx.articles.revision(article.id, article.version) == revision_of(article)
                assert await tx.working_copies.get(article.id) == copy
                assert list(await tx.previews.of(article.id, at=NOON)) == [preview]
                assert await tx.replies.claim(request, since=NOON) == a_reply()

    async def test_an_exception_gives_nobodys_slug_away(self, storage: Storage) -> None:
        user = await keep_user(storage)
        scheduled = await keep_article(storage, user, publish_at=NOON.replace(year=NOON.year + 1))
        with pytest.raises(Interrupted):
            async with storage.transaction() as tx:
                out = an_article(id=await tx.articles.next_id(), author_id=user.id)
                assert await tx.articles.reserve(out, at=NOON) == scheduled.slug
                await tx.articles.add(out, revision_of(out))
                raise Interrupted
        assert await get_article(storage, scheduled) == scheduled
        with pytest.raises(ArticleNotFound):
            await storage.articles.get(Slug("on-engines"), viewer=None)

    async def test_a_refused_statement_undoes_what_came_before_it(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article = await keep_article(storage, user)
        with pytest.raises(EmailTaken):
            async with storage.transaction() as tx:
                await tx.articles.get(article.id, actor=article.author_id, at=NOON)
                await tx.articles.remove(article.id)
                await tx.users.add(a_user(id=await tx.users.next_id(), username=Username("another")))
        assert await storage.articles.get(article.id, viewer=None) == view_of(storage, article)

    async def test_a_refusal_that_stays_inside_loses_nothing_in_silence(self, storage: Storage) -> None:
        user = await keep_user(storage)
        kept = True
        try:
            async with storage.transaction() as tx:
                article = an_article(id=await tx.articles.next_id(), author_id=user.id)
                await tx.articles.add(article, revision_of(article))
                with suppress(EmailTaken):
                    await tx.users.add(a_user(id=await tx.users.next_id(), username=Username("another")))
        except RuntimeError:
            kept = False
        assert await page_of(storage, user.id) == ([view_of(storage, article, user.id)] if kept else [])

    async def test_nobody_sees_a_transaction_before_it_ends(self, storage: Storage) -> None:
        user = await keep_user(storage)
        async with storage.transaction() as tx:
            article = an_article(id=await tx.articles.next_id(), author_id=user.id)
            article = replace(article, address=await tx.articles.reserve(article, at=NOON))
            await tx.articles.add(article, revision_of(article))
            await tx.working_copies.save(a_working_copy(article_id=article.id))
            preview = a_preview(id=next(preview_ids), article_id=article.id)
            await tx.previews.add(preview)
            assert article.address
            for which in (article.id, article.address):
                with pytest.raises(ArticleNotFound):
                    await storage.articles.get(which, viewer=user.id)
            with pytest.raises(PreviewNotFound):
                await storage.articles.previewed(preview.id)
            assert await page_of(storage, user.id) == []
            assert await storage.articles.tags(viewer=user.id, skip=0, limit=9) == []
        assert await storage.articles.get(article.address, viewer=None) == view_of(storage, article)

    async def test_an_id_is_never_given_twice(self, storage: Storage) -> None:
        users, articles = [], []
        for outcome in ("undone", "removed", "kept"):
            with suppress(Interrupted):
                async with storage.transaction() as tx:
                    users.append(await tx.users.next_id())
                    articles.append(await tx.articles.next_id())
                    await tx.users.add(a_user(id=users[-1]))
                    article = an_article(id=articles[-1], author_id=users[-1])
                    await tx.articles.add(article, revision_of(article))
                    if outcome == "undone":
                        raise Interrupted
            if outcome == "removed":
                async with storage.transaction() as tx:
                    await tx.articles.get(articles[-1], actor=users[-1], at=NOON)
                    await tx.articles.remove(articles[-1])
                    await tx.users.remove(users[-1], at=NOON)
        assert len(set(users)) == len(set(articles)) == 3
        assert all(0 < given < 2**63 for given in (*users, *articles))

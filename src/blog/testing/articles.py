"""What a store promises of articles."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from blog.application.queries import ArticleFilter, Include
from blog.domain.articles import AltText, ArticleNotFound, Content, Language, Summary, Title
from blog.domain.errors import BlogError
from blog.domain.slugs import Slug
from blog.domain.tags import Tag, Tags
from blog.domain.web_addresses import WebAddress
from blog.testing.builders import NOON, a_manuscript, a_rendition
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
    revision_of,
    view_of,
)


class StoredArticles:
    async def test_an_article_is_kept_whole(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))
        assert await get_article(storage, article) == article
        for viewer in (None, article.author_id):
            view = await storage.articles.get(article.id, viewer=viewer)
            assert view == view_of(storage, article, viewer)
        # Equal is not enough: 1 == True, and one moment is equal in two zones.
        assert view.published is view.featured is True
        assert view.created_at.utcoffset() == view.updated_at.utcoffset() == timedelta(0)

    async def test_an_article_is_kept_whole_that_says_no_more_than_it_must(self, storage: Storage) -> None:
        user = await keep_user(storage)
        bare = {"summary": None, "tags": Tags(), "cover_image_url": None, "cover_image_alt": None}
        draft = await keep_draft(storage, user, featured=False, canonical_url=None, **bare)
        assert await get_article(storage, draft) == draft
        assert await storage.articles.get(draft.id, viewer=user.id) == view_of(storage, draft, user.id)

    async def test_an_article_is_shown_with_its_html_where_that_is_asked_for(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))
        assert article.address
        for which in (article.id, article.address):
            view = await storage.articles.get(which, viewer=None, include=[Include.CONTENT_HTML])
            assert view == replace(view_of(storage, article), content_html=article.rendition.html)

    async def test_a_changed_article_is_kept_whole(self, storage: Storage) -> None:
        article = await keep_draft(storage, await keep_user(storage))
        changed = replace(
            article,
            manuscript=a_manuscript(
                title=Title("Changed"),
                content=Content("Changed too"),
                summary=Summary("All is changed"),
                tags=Tags(["Changes"]),
                cover_image_url=WebAddress("https://example.org/changed"),
                cover_image_alt=AltText("A change"),
                canonical_url=WebAddress("https://example.com/changed"),
            ),
            rendition=a_rendition(html="<p>Changed too", excerpt="Changed", word_count=2),
            slug=Slug("changed"),
            address=Slug("changed-7"),
            featured=False,
            publish_at=NOON - timedelta(hours=1),
            unpublish_at=NOON + timedelta(hours=1),
            published_at=NOON - timedelta(hours=2),
            version=article.version + 1,
            edition="7-changed",
            text_version=article.version + 1,
            updated_at=NOON + timedelta(minutes=3),
        )
        async with storage.transaction() as tx:
            await tx.articles.get(article.id, actor=article.author_id, at=storage.clock.moment)
            await tx.articles.save(changed, revision_of(changed))
        assert await get_article(storage, changed) == changed
        assert await storage.articles.get(changed.id, viewer=None) == view_of(storage, changed)

    async def test_what_was_stored_under_an_older_rule_is_kept_whole(self, storage: Storage) -> None:
        """A rule that has become stricter holds for what is written from then on."""
        article = await keep_article(
            storage,
            await keep_user(storage),
            title=str.__new__(Title, "On\x07engines"),
            tags=tuple.__new__(Tags, [str.__new__(Tag, "..")]),
            cover_image_url=str.__new__(WebAddress, "https://[1]/engine.png"),
            canonical_url=str.__new__(WebAddress, "example.com"),
            language=str.__new__(Language, "English!"),
        )
        assert await get_article(storage, article) == article
        assert await storage.articles.get(article.id, viewer=None) == view_of(storage, article)
        async with storage.transaction() as tx:
            assert (await tx.articles.revision(article.id, article.version)).manuscript == article.manuscript

    async def test_a_removed_article_is_gone(self, storage: Storage) -> None:
        user = await keep_user(storage)
        gone, stays = await keep_article(storage, user), await keep_article(storage, user)
        await remove_article(storage, gone)
        with pytest.raises(ArticleNotFound):
            await get_article(storage, gone)
        with pytest.raises(ArticleNotFound):
            await storage.articles.get(gone.id, viewer=user.id)
        assert [article.id for article in await page_of(storage, user.id)] == [stays.id]

    async def test_an_unknown_article_is_not_found(self, storage: Storage) -> None:
        for viewer in (None, SOMEBODY_ELSE):
            for which in (404, Slug("nowhere")):
                with pytest.raises(ArticleNotFound):
                    await storage.articles.get(which, viewer=viewer)

    async def test_an_article_that_was_got_is_held(self, storage: Storage) -> None:
        """Two who append at once both find what the other wrote, or one edit would be lost."""
        article = await keep_article(storage, await keep_user(storage), content=Content("0"))

        async def append(number: int) -> None:
            async with storage.transaction() as tx:
                before = await tx.articles.get(article.id, actor=article.author_id, at=storage.clock.moment)
                await asyncio.sleep(0)
                content = Content(f"{before.manuscript.content} {number}")
                after = replace(before, manuscript=a_manuscript(content=content), version=before.version + 1)
                await tx.articles.save(after, revision_of(after))

        await asyncio.gather(*(append(number) for number in range(1, 9)))
        after = await get_article(storage, article)
        assert sorted(after.manuscript.content.split()) == [str(number) for number in range(9)]
        assert after.version == article.version + 8

    async def test_pages_have_the_newest_first_and_know_whether_there_is_more(self, storage: Storage) -> None:
        user = await keep_user(storage)
        # Two within one microsecond, and one that was handed its id early.
        moments = [NOON - timedelta(seconds=seconds) for seconds in (9, 0, 0, 6)]
        kept = [await keep_article(storage, user, published_at=moment) for moment in moments]
        by_age = sorted(kept, key=lambda article: (article.date, article.id))
        newest_first = [article.id for article in reversed(by_age)]
        for viewer in (None, user.id):
            for skip, limit in ((0, 4), (0, 3), (1, 2), (2, 100), (4, 1), (9, 9)):
                for tags in ((), a_manuscript().tags):
                    page = await storage.articles.page(
                        viewer=viewer, skip=skip, limit=limit, filter=ArticleFilter(tags=tags)
                    )
                    assert [article.id for article in page.articles] == newest_first[skip : skip + limit]
                    assert page.more == (skip + limit < 4)

    async def test_a_page_mixes_what_is_public_and_what_is_ones_own(self, storage: Storage) -> None:
        ada, bob = await keep_user(storage), await keep_bob(storage)
        public = await keep_article(storage, ada, created_at=NOON)
        draft = await keep_draft(storage, ada, created_at=NOON + timedelta(1))
        other = await keep_draft(storage, bob, created_at=NOON + timedelta(2))
        for viewer, articles in ((None, [public]), (ada.id, [draft, public]), (bob.id, [other, public])):
            page = await page_of(storage, viewer)
            assert page == [view_of(storage, article, viewer) for article in articles]

    async def test_every_refusal_is_of_the_blog(self, storage: Storage) -> None:
        """Nothing of the technology behind a port comes through it."""
        with pytest.raises(BlogError):
            async with storage.transaction() as tx:
                await tx.articles.get(2**62, actor=1, at=NOON)


class StoredTags:
    async def test_articles_are_found_by_every_tag_in_whatever_spelling(self, storage: Storage) -> None:
        user = await keep_user(storage)

        async def found(*tags: str) -> list[int]:
            page = await storage.articles.page(viewer=None, skip=0, limit=9, filter=ArticleFilter(tags=Tags(tags)))
            return [article.id for article in page.articles]

        kept = [
            await keep_article(storage, user, tags=Tags(tags), created_at=NOON + timedelta(seconds=age))
            for age, tags in enumerate([["Straße", "engines"], ["STRASSE"], ["Engines", "strass"], []])
        ]
        streets, street, engines, plain = (article.id for article in kept)
        assert await found("strasse") == [street, streets]
        assert await found("ENGINES") == [engines, streets]
        assert await found("engines", "straße") == [streets]
        assert await found("engines", "looms") == []
        assert await found() == [plain, engines, street, streets]

    async def test_tags_are_counted_the_most_frequent_first(self, storage: Storage) -> None:
        ada, bob = await keep_user(storage), await keep_bob(storage)

        async def counted(viewer: int | None, skip: int = 0, limit: int = 9) -> list[tuple[str, int]]:
            return [
                (tag.tag, tag.count) for tag in await storage.articles.tags(viewer=viewer, skip=skip, limit=limit)
            ]

        assert await counted(None) == []
        # Another order than that of the ids, and a spelling that somebody may not read.
        await keep_article(storage, ada, tags=Tags(["Looms", "a", "Z"]), created_at=NOON)
        await keep_article(storage, ada, tags=Tags(["looms", "é"]), created_at=NOON - timedelta(1))
        await keep_draft(storage, bob, tags=Tags(["LOOMS", "z"]), created_at=NOON + timedelta(1))
        everybodys = [("Looms", 2), ("a", 1), ("Z", 1), ("é", 1)]
        for viewer in (None, ada.id):
            assert await counted(viewer) == everybodys
        assert await counted(bob.id) == [("LOOMS", 3), ("z", 2), ("a", 1), ("é", 1)]
        for skip, limit in ((0, 1), (1, 2), (3, 9), (4, 1)):
            assert await counted(None, skip, limit) == everybodys[skip : skip + limit]

"""What a store promises: the ports `Transaction`, `ArticleQueries` and `UserQueries`."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from blog.application.ports import Transaction
from blog.application.queries import AccountView, ArticleView, ProfileView
from blog.container import Container
from blog.domain.articles import Article, ArticleNotFound, Content, Title
from blog.domain.errors import BlogError
from blog.domain.users import Email, EmailTaken, InvalidToken, User, Username, UsernameTaken, UserNotFound
from tests.builders import NOON, a_user, an_article

SOMEBODY_ELSE = 999


class Interrupted(Exception):
    """Something went wrong half-way."""


async def keep_user(container: Container, **different: object) -> User:
    async with container.transaction() as tx:
        user = a_user(**{"id": await tx.users.next_id()} | different)
        await tx.users.add(user)
    return user


async def keep_article(container: Container, author: User, **different: object) -> Article:
    async with container.transaction() as tx:
        article = an_article(**{"id": await tx.articles.next_id(), "author_id": author.id} | different)
        await tx.articles.add(article)
    return article


class StorageContract:
    async def test_a_user_is_kept_whole(self, container: Container) -> None:
        user = await keep_user(container)
        async with container.transaction() as tx:
            assert await tx.users.get(user.id) == user
            assert await tx.users.named(Username("aDA.l")) == user

    async def test_views_of_a_user_tell_everybody_what_they_may_know(self, container: Container) -> None:
        user = await keep_user(container)
        assert await container.user_queries().account(user.id) == AccountView.of(user)
        assert await container.user_queries().profile(Username("ADA.L")) == ProfileView(
            id=user.id, username="Ada.L", created_at=user.created_at, updated_at=user.updated_at
        )

    async def test_who_is_unknown_is_not_found(self, container: Container) -> None:
        for missing in (container.user_queries().account(404), container.user_queries().profile(Username("nobody"))):
            with pytest.raises(UserNotFound):
                await missing
        async with container.transaction() as tx:
            for missing_user in (tx.users.get(404), tx.users.named(Username("nobody")), tx.users.remove(404)):
                with pytest.raises(UserNotFound):
                    await missing_user

    async def test_an_email_is_taken_in_any_case(self, container: Container) -> None:
        user = await keep_user(container)
        with pytest.raises(EmailTaken):
            await keep_user(container, username=Username("another"), email=Email(user.email.upper()))

    async def test_a_username_is_taken_in_any_case(self, container: Container) -> None:
        user = await keep_user(container)
        with pytest.raises(UsernameTaken):
            await keep_user(container, email=Email("another@example.org"), username=Username(user.username.upper()))

    async def test_of_two_who_take_one_name_at_once_one_gets_it(self, container: Container) -> None:
        outcomes = await asyncio.gather(
            *(keep_user(container, email=Email(f"ada{number}@example.org")) for number in range(5)),
            return_exceptions=True,
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["User"] + ["UsernameTaken"] * 4

    async def test_a_name_is_free_once_its_user_is_gone(self, container: Container) -> None:
        user = await keep_user(container)
        async with container.transaction() as tx:
            await tx.users.remove(user.id)
        assert (await keep_user(container)).id > user.id

    async def test_articles_leave_with_their_author(self, container: Container) -> None:
        user = await keep_user(container)
        other = await keep_user(container, email=Email("b@example.org"), username=Username("bob"))
        gone, stays = await keep_article(container, user), await keep_article(container, other)
        async with container.transaction() as tx:
            await tx.users.remove(user.id)
        with pytest.raises(ArticleNotFound):
            await container.article_queries().get(gone.id, viewer=None)
        assert await container.article_queries().get(stays.id, viewer=None) == ArticleView.of(stays)

    async def test_an_article_is_kept_whole(self, container: Container) -> None:
        article = await keep_article(container, await keep_user(container))
        async with container.transaction() as tx:
            assert await tx.articles.get(article.id) == article
        assert await container.article_queries().get(article.id, viewer=None) == ArticleView.of(article)

    async def test_a_changed_article_is_kept_whole(self, container: Container) -> None:
        article = await keep_article(container, await keep_user(container), published=False)
        changed = replace(
            article,
            title=Title("Changed"),
            content=Content("Changed too"),
            published=True,
            updated_at=NOON + timedelta(days=3),
        )
        async with container.transaction() as tx:
            await tx.articles.get(article.id)
            await tx.articles.save(changed)
        async with container.transaction() as tx:
            assert await tx.articles.get(article.id) == changed

    async def test_a_removed_article_is_gone(self, container: Container) -> None:
        user = await keep_user(container)
        gone, stays = await keep_article(container, user), await keep_article(container, user)
        async with container.transaction() as tx:
            await tx.articles.get(gone.id)
            await tx.articles.remove(gone.id)
        async with container.transaction() as tx:
            with pytest.raises(ArticleNotFound):
                await tx.articles.get(gone.id)
        page = await container.article_queries().page(viewer=user.id, skip=0, limit=10)
        assert [article.id for article in page.articles] == [stays.id]

    async def test_nobody_writes_once_their_account_is_gone(self, container: Container) -> None:
        user = await keep_user(container)
        async with container.transaction() as tx:
            await tx.users.remove(user.id)
        with pytest.raises(InvalidToken):
            await keep_article(container, user)

    async def test_an_exception_undoes_everything(self, container: Container) -> None:
        user = await keep_user(container)
        article = await keep_article(container, user)
        with pytest.raises(Interrupted):
            async with container.transaction() as tx:
                await tx.articles.get(article.id)
                await tx.articles.save(replace(article, title=Title("Changed")))
                await tx.articles.add(an_article(id=await tx.articles.next_id(), author_id=user.id))
                await tx.users.add(
                    a_user(id=await tx.users.next_id(), email=Email("c@d.e"), username=Username("cde"))
                )
                raise Interrupted
        page = await container.article_queries().page(viewer=user.id, skip=0, limit=10)
        assert page.articles == (ArticleView.of(article),)
        with pytest.raises(UserNotFound):
            await container.user_queries().profile(Username("cde"))

    async def test_a_refused_statement_undoes_what_came_before_it(self, container: Container) -> None:
        user = await keep_user(container)
        article = await keep_article(container, user)
        with pytest.raises(EmailTaken):
            async with container.transaction() as tx:
                await tx.articles.get(article.id)
                await tx.articles.remove(article.id)
                await tx.users.add(a_user(id=await tx.users.next_id(), username=Username("another")))
        assert await container.article_queries().get(article.id, viewer=None) == ArticleView.of(article)

    async def test_nobody_sees_a_transaction_before_it_ends(self, container: Container) -> None:
        user = await keep_user(container)
        async with container.transaction() as tx:
            article = an_article(id=await tx.articles.next_id(), author_id=user.id)
            await tx.articles.add(article)
            with pytest.raises(ArticleNotFound):
                await container.article_queries().get(article.id, viewer=user.id)
            assert (await container.article_queries().page(viewer=user.id, skip=0, limit=10)).articles == ()
        assert await container.article_queries().get(article.id, viewer=user.id) == ArticleView.of(article)

    async def test_an_id_is_never_given_twice(self, container: Container) -> None:
        user = await keep_user(container)
        ids: list[int] = []
        for outcome in ("undone", "removed", "kept"):
            try:
                async with container.transaction() as tx:
                    article = an_article(id=await tx.articles.next_id(), author_id=user.id)
                    ids.append(article.id)
                    await tx.articles.add(article)
                    if outcome == "undone":
                        raise Interrupted
                if outcome == "removed":
                    async with container.transaction() as tx:
                        await tx.articles.get(article.id)
                        await tx.articles.remove(article.id)
            except Interrupted:
                pass
        assert ids == sorted(set(ids))

    async def test_an_article_that_was_got_is_held(self, container: Container) -> None:
        """Two who append at once both find what the other wrote, or one edit would be lost."""
        article = await keep_article(container, await keep_user(container), content=Content("0"))

        async def append(number: int) -> None:
            async with container.transaction() as tx:
                before = await tx.articles.get(article.id)
                await asyncio.sleep(0)
                await tx.articles.save(replace(before, content=Content(f"{before.content} {number}")))

        await asyncio.gather(*(append(number) for number in range(1, 9)))
        after = await container.article_queries().get(article.id, viewer=None)
        assert sorted(after.content.split()) == [str(number) for number in range(9)]

    async def test_drafts_are_read_by_their_author_alone(self, container: Container) -> None:
        user = await keep_user(container)
        draft = await keep_article(container, user, published=False)
        queries = container.article_queries()
        for viewer in (None, SOMEBODY_ELSE):
            with pytest.raises(ArticleNotFound):
                await queries.get(draft.id, viewer=viewer)
            assert (await queries.page(viewer=viewer, skip=0, limit=10)).articles == ()
        assert await queries.get(draft.id, viewer=user.id) == ArticleView.of(draft)
        assert (await queries.page(viewer=user.id, skip=0, limit=10)).articles == (ArticleView.of(draft),)

    async def test_an_unknown_article_is_not_found(self, container: Container) -> None:
        for viewer in (None, SOMEBODY_ELSE):
            with pytest.raises(ArticleNotFound):
                await container.article_queries().get(404, viewer=viewer)

    async def test_pages_have_the_newest_first_and_know_whether_there_is_more(self, container: Container) -> None:
        user = await keep_user(container)
        # Two within one microsecond, and one that was handed its id early.
        moments = [NOON, NOON + timedelta(seconds=9), NOON + timedelta(seconds=9), NOON + timedelta(seconds=3)]
        kept = [await keep_article(container, user, created_at=moment) for moment in moments]
        newest_first = [kept[2].id, kept[1].id, kept[3].id, kept[0].id]
        for viewer in (None, user.id):
            for skip, limit in ((0, 4), (0, 3), (1, 2), (2, 100), (4, 1), (9, 9)):
                page = await container.article_queries().page(viewer=viewer, skip=skip, limit=limit)
                assert [article.id for article in page.articles] == newest_first[skip : skip + limit]
                assert page.more == (skip + limit < 4)

    async def test_a_page_mixes_what_is_public_and_what_is_ones_own(self, container: Container) -> None:
        ada = await keep_user(container)
        bob = await keep_user(container, email=Email("b@example.org"), username=Username("bob"))
        public = await keep_article(container, ada, created_at=NOON)
        draft = await keep_article(container, ada, created_at=NOON + timedelta(1), published=False)
        other = await keep_article(container, bob, created_at=NOON + timedelta(2), published=False)
        pages = {
            viewer: [
                article.id
                for article in (await container.article_queries().page(viewer=viewer, skip=0, limit=9)).articles
            ]
            for viewer in (None, ada.id, bob.id)
        }
        assert pages == {None: [public.id], ada.id: [draft.id, public.id], bob.id: [other.id, public.id]}

    async def test_a_store_is_ready(self, container: Container) -> None:
        await container.readiness().check()

    async def test_every_refusal_is_of_the_blog(self, container: Container) -> None:
        """Nothing of the technology behind a port comes through it."""
        tx: Transaction = container.transaction()
        with pytest.raises(BlogError):
            async with tx:
                await tx.articles.get(2**62)

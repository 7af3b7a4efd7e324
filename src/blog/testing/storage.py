"""What any store promises: the ports `Transaction`, `ArticleQueries` and `UserQueries`."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from blog.application.ports import TransactionFactory
from blog.application.queries import AccountView, ArticleQueries, ArticleView, ProfileView, UserQueries
from blog.domain.articles import Article, ArticleNotFound, Content, Title
from blog.domain.errors import BlogError
from blog.domain.users import Email, EmailTaken, InvalidToken, User, Username, UsernameTaken, UserNotFound
from blog.testing.builders import NOON, a_user, an_article

SOMEBODY_ELSE = 999


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """A store under test: the three ports, over the same, empty, store."""

    transaction: TransactionFactory
    articles: ArticleQueries
    users: UserQueries


class Interrupted(Exception):
    """Something went wrong half-way."""


async def keep_user(storage: Storage, **different: object) -> User:
    async with storage.transaction() as tx:
        user = a_user(**{"id": await tx.users.next_id()} | different)
        await tx.users.add(user)
    return user


async def keep_article(storage: Storage, author: User, **different: object) -> Article:
    async with storage.transaction() as tx:
        article = an_article(**{"id": await tx.articles.next_id(), "author_id": author.id} | different)
        await tx.articles.add(article)
    return article


class StorageContract:
    """Every promise of the three ports, a test each."""

    pytestmark = pytest.mark.asyncio

    async def test_a_user_is_kept_whole(self, storage: Storage) -> None:
        user = await keep_user(storage)
        async with storage.transaction() as tx:
            assert await tx.users.get(user.id) == user
            assert await tx.users.named(Username("aDA.l")) == user

    async def test_views_of_a_user_tell_everybody_what_they_may_know(self, storage: Storage) -> None:
        user = await keep_user(storage)
        assert await storage.users.account(user.id) == AccountView.of(user)
        assert await storage.users.profile(Username("ADA.L")) == ProfileView(
            id=user.id, username="Ada.L", created_at=user.created_at, updated_at=user.updated_at
        )

    async def test_who_is_unknown_is_not_found(self, storage: Storage) -> None:
        for missing in (storage.users.account(404), storage.users.profile(Username("nobody"))):
            with pytest.raises(UserNotFound):
                await missing
        async with storage.transaction() as tx:
            for missing_user in (tx.users.get(404), tx.users.named(Username("nobody")), tx.users.remove(404)):
                with pytest.raises(UserNotFound):
                    await missing_user

    async def test_an_email_is_taken_in_any_case(self, storage: Storage) -> None:
        user = await keep_user(storage)
        with pytest.raises(EmailTaken):
            await keep_user(storage, username=Username("another"), email=Email(user.email.upper()))

    async def test_a_username_is_taken_in_any_case(self, storage: Storage) -> None:
        user = await keep_user(storage)
        with pytest.raises(UsernameTaken):
            await keep_user(storage, email=Email("another@example.org"), username=Username(user.username.upper()))

    async def test_of_two_who_take_one_name_at_once_one_gets_it(self, storage: Storage) -> None:
        outcomes = await asyncio.gather(
            *(keep_user(storage, email=Email(f"ada{number}@example.org")) for number in range(5)),
            return_exceptions=True,
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["User"] + ["UsernameTaken"] * 4

    async def test_a_name_is_free_once_its_user_is_gone(self, storage: Storage) -> None:
        user = await keep_user(storage)
        async with storage.transaction() as tx:
            await tx.users.remove(user.id)
        assert (await keep_user(storage)).id != user.id

    async def test_articles_leave_with_their_author(self, storage: Storage) -> None:
        user = await keep_user(storage)
        other = await keep_user(storage, email=Email("b@example.org"), username=Username("bob"))
        gone, stays = await keep_article(storage, user), await keep_article(storage, other)
        async with storage.transaction() as tx:
            await tx.users.remove(user.id)
        with pytest.raises(ArticleNotFound):
            await storage.articles.get(gone.id, viewer=None)
        assert await storage.articles.get(stays.id, viewer=None) == ArticleView.of(stays)

    async def test_an_article_is_kept_whole(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage))
        async with storage.transaction() as tx:
            assert await tx.articles.get(article.id, actor=article.author_id) == article
        view = await storage.articles.get(article.id, viewer=None)
        assert view == ArticleView.of(article)
        # Equal is not enough: 1 == True, and one moment is equal in two zones.
        assert view.published is True
        assert view.created_at.utcoffset() == view.updated_at.utcoffset() == timedelta(0)

    async def test_a_changed_article_is_kept_whole(self, storage: Storage) -> None:
        article = await keep_article(storage, await keep_user(storage), published=False)
        changed = replace(
            article,
            title=Title("Changed"),
            content=Content("Changed too"),
            published=True,
            updated_at=NOON + timedelta(days=3),
        )
        async with storage.transaction() as tx:
            await tx.articles.get(article.id, actor=article.author_id)
            await tx.articles.save(changed)
        async with storage.transaction() as tx:
            assert await tx.articles.get(article.id, actor=article.author_id) == changed

    async def test_a_removed_article_is_gone(self, storage: Storage) -> None:
        user = await keep_user(storage)
        gone, stays = await keep_article(storage, user), await keep_article(storage, user)
        async with storage.transaction() as tx:
            await tx.articles.get(gone.id, actor=gone.author_id)
            await tx.articles.remove(gone.id)
        async with storage.transaction() as tx:
            with pytest.raises(ArticleNotFound):
                await tx.articles.get(gone.id, actor=gone.author_id)
        page = await storage.articles.page(viewer=user.id, skip=0, limit=10)
        assert [article.id for article in page.articles] == [stays.id]

    async def test_nobody_writes_once_their_account_is_gone(self, storage: Storage) -> None:
        user = await keep_user(storage)
        async with storage.transaction() as tx:
            await tx.users.remove(user.id)
        with pytest.raises(InvalidToken):
            await keep_article(storage, user)

    async def test_an_exception_undoes_everything(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article = await keep_article(storage, user)
        with pytest.raises(Interrupted):
            async with storage.transaction() as tx:
                await tx.articles.get(article.id, actor=article.author_id)
                await tx.articles.save(replace(article, title=Title("Changed")))
                await tx.articles.add(an_article(id=await tx.articles.next_id(), author_id=user.id))
                await tx.users.add(
                    a_user(id=await tx.users.next_id(), email=Email("c@d.e"), username=Username("cde"))
                )
                raise Interrupted
        page = await storage.articles.page(viewer=user.id, skip=0, limit=10)
        assert page.articles == (ArticleView.of(article),)
        with pytest.raises(UserNotFound):
            await storage.users.profile(Username("cde"))

    async def test_a_refused_statement_undoes_what_came_before_it(self, storage: Storage) -> None:
        user = await keep_user(storage)
        article = await keep_article(storage, user)
        with pytest.raises(EmailTaken):
            async with storage.transaction() as tx:
                await tx.articles.get(article.id, actor=article.author_id)
                await tx.articles.remove(article.id)
                await tx.users.add(a_user(id=await tx.users.next_id(), username=Username("another")))
        assert await storage.articles.get(article.id, viewer=None) == ArticleView.of(article)

    async def test_a_refusal_that_stays_inside_loses_nothing_in_silence(self, storage: Storage) -> None:
        user = await keep_user(storage)
        kept = True
        try:
            async with storage.transaction() as tx:
                article = an_article(id=await tx.articles.next_id(), author_id=user.id)
                await tx.articles.add(article)
                with suppress(EmailTaken):
                    await tx.users.add(a_user(id=await tx.users.next_id(), username=Username("another")))
        except RuntimeError:
            kept = False
        page = await storage.articles.page(viewer=user.id, skip=0, limit=10)
        assert page.articles == ((ArticleView.of(article),) if kept else ())

    async def test_nobody_sees_a_transaction_before_it_ends(self, storage: Storage) -> None:
        user = await keep_user(storage)
        async with storage.transaction() as tx:
            article = an_article(id=await tx.articles.next_id(), author_id=user.id)
            await tx.articles.add(article)
            with pytest.raises(ArticleNotFound):
                await storage.articles.get(article.id, viewer=user.id)
            assert (await storage.articles.page(viewer=user.id, skip=0, limit=10)).articles == ()
        assert await storage.articles.get(article.id, viewer=user.id) == ArticleView.of(article)

    async def test_an_id_is_never_given_twice(self, storage: Storage) -> None:
        users, articles = [], []
        for outcome in ("undone", "removed", "kept"):
            with suppress(Interrupted):
                async with storage.transaction() as tx:
                    users.append(await tx.users.next_id())
                    articles.append(await tx.articles.next_id())
                    await tx.users.add(a_user(id=users[-1]))
                    await tx.articles.add(an_article(id=articles[-1], author_id=users[-1]))
                    if outcome == "undone":
                        raise Interrupted
            if outcome == "removed":
                async with storage.transaction() as tx:
                    await tx.articles.get(articles[-1], actor=users[-1])
                    await tx.articles.remove(articles[-1])
                    await tx.users.remove(users[-1])
        assert len(set(users)) == len(set(articles)) == 3

    async def test_an_article_that_was_got_is_held(self, storage: Storage) -> None:
        """Two who append at once both find what the other wrote, or one edit would be lost."""
        article = await keep_article(storage, await keep_user(storage), content=Content("0"))

        async def append(number: int) -> None:
            async with storage.transaction() as tx:
                before = await tx.articles.get(article.id, actor=article.author_id)
                await asyncio.sleep(0)
                await tx.articles.save(replace(before, content=Content(f"{before.content} {number}")))

        await asyncio.gather(*(append(number) for number in range(1, 9)))
        after = await storage.articles.get(article.id, viewer=None)
        assert sorted(after.content.split()) == [str(number) for number in range(9)]

    async def test_drafts_are_read_by_their_author_alone(self, storage: Storage) -> None:
        user = await keep_user(storage)
        draft = await keep_article(storage, user, published=False)
        queries = storage.articles
        for viewer in (None, SOMEBODY_ELSE):
            with pytest.raises(ArticleNotFound):
                await queries.get(draft.id, viewer=viewer)
            assert (await queries.page(viewer=viewer, skip=0, limit=10)).articles == ()
        assert await queries.get(draft.id, viewer=user.id) == ArticleView.of(draft)
        assert (await queries.page(viewer=user.id, skip=0, limit=10)).articles == (ArticleView.of(draft),)

    async def test_a_draft_is_held_by_its_author_alone(self, storage: Storage) -> None:
        user = await keep_user(storage)
        draft = await keep_article(storage, user, published=False)
        public = await keep_article(storage, user)
        async with storage.transaction() as tx:
            with pytest.raises(ArticleNotFound):
                await tx.articles.get(draft.id, actor=SOMEBODY_ELSE)
        async with storage.transaction() as tx:
            assert await tx.articles.get(public.id, actor=SOMEBODY_ELSE) == public
            assert await tx.articles.get(draft.id, actor=user.id) == draft

    async def test_an_unknown_article_is_not_found(self, storage: Storage) -> None:
        for viewer in (None, SOMEBODY_ELSE):
            with pytest.raises(ArticleNotFound):
                await storage.articles.get(404, viewer=viewer)

    async def test_pages_have_the_newest_first_and_know_whether_there_is_more(self, storage: Storage) -> None:
        user = await keep_user(storage)
        # Two within one microsecond, and one that was handed its id early.
        moments = [NOON, NOON + timedelta(seconds=9), NOON + timedelta(seconds=9), NOON + timedelta(seconds=3)]
        kept = [await keep_article(storage, user, created_at=moment) for moment in moments]
        by_age = sorted(kept, key=lambda article: (article.created_at, article.id))
        newest_first = [article.id for article in reversed(by_age)]
        for viewer in (None, user.id):
            for skip, limit in ((0, 4), (0, 3), (1, 2), (2, 100), (4, 1), (9, 9)):
                page = await storage.articles.page(viewer=viewer, skip=skip, limit=limit)
                assert [article.id for article in page.articles] == newest_first[skip : skip + limit]
                assert page.more == (skip + limit < 4)

    async def test_a_page_mixes_what_is_public_and_what_is_ones_own(self, storage: Storage) -> None:
        ada = await keep_user(storage)
        bob = await keep_user(storage, email=Email("b@example.org"), username=Username("bob"))
        public = await keep_article(storage, ada, created_at=NOON)
        draft = await keep_article(storage, ada, created_at=NOON + timedelta(1), published=False)
        other = await keep_article(storage, bob, created_at=NOON + timedelta(2), published=False)
        pages = {
            viewer: [article.id for article in (await storage.articles.page(viewer=viewer, skip=0, limit=9)).articles]
            for viewer in (None, ada.id, bob.id)
        }
        assert pages == {None: [public.id], ada.id: [draft.id, public.id], bob.id: [other.id, public.id]}

    async def test_every_refusal_is_of_the_blog(self, storage: Storage) -> None:
        """Nothing of the technology behind a port comes through it."""
        with pytest.raises(BlogError):
            async with storage.transaction() as tx:
                await tx.articles.get(2**62, actor=1)

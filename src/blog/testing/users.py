"""What a store promises of users."""

import asyncio
from collections.abc import Callable

import pytest

from blog.application.queries import AccountView, ProfileView, UserView
from blog.domain.articles import ArticleNotFound
from blog.domain.users import Email, EmailTaken, InvalidToken, User, Username, UsernameTaken, UserNotFound
from blog.testing.keeping import Storage, keep_article, keep_bob, keep_user, view_of


class StoredUsers:
    async def test_a_user_is_kept_whole(self, storage: Storage) -> None:
        user = await keep_user(storage)
        async with storage.transaction() as tx:
            assert await tx.users.get(user.id) == user
            assert await tx.users.named(Username("aDA.l")) == user

    async def test_a_user_of_an_older_rule_is_kept_whole(self, storage: Storage) -> None:
        user = await keep_user(storage, email=str.__new__(Email, "Ada"), username=str.__new__(Username, "ada l."))
        async with storage.transaction() as tx:
            assert await tx.users.get(user.id) == user

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
            at = storage.clock.moment
            for missing_user in (
                tx.users.get(404),
                tx.users.named(Username("nobody")),
                tx.users.remove(404, at=at),
            ):
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
            await tx.users.remove(user.id, at=storage.clock.moment)
        assert (await keep_user(storage)).id != user.id

    async def test_a_changed_user_is_kept_whole(self, storage: Storage) -> None:
        user, other = await keep_user(storage), await keep_bob(storage)
        at = storage.clock.moment
        changed = user.change_password("scheme$another", at=at).disable(at=at)
        async with storage.transaction() as tx:
            assert await tx.users.get_for_update(Username("aDA.l")) == user
            await tx.users.save(changed)
        async with storage.transaction() as tx:
            assert await tx.users.get(user.id) == await tx.users.named(user.username) == changed
            assert await tx.users.get(other.id) == other
            with pytest.raises(UserNotFound):
                await tx.users.get_for_update(Username("nobody"))

    async def test_of_two_changes_at_the_same_time_none_is_lost(self, storage: Storage) -> None:
        user, at = await keep_user(storage), storage.clock.moment

        async def change(how: Callable[[User], User]) -> None:
            async with storage.transaction() as tx:
                found = await tx.users.get_for_update(user.username)
                await asyncio.sleep(0.01)
                await tx.users.save(how(found))

        await asyncio.gather(
            change(lambda found: found.disable(at=at)),
            change(lambda found: found.change_password("scheme$another", at=at)),
        )
        async with storage.transaction() as tx:
            kept = await tx.users.get(user.id)
        assert (kept.disabled_at, kept.password_hash) == (at, "scheme$another")

    async def test_a_disabled_user_has_a_profile_and_no_account(self, storage: Storage) -> None:
        user = await keep_user(storage)
        for changed, known in ((user.disable(at=storage.clock.moment), False), (user, True)):
            async with storage.transaction() as tx:
                await tx.users.get_for_update(user.username)
                await tx.users.save(changed)
            assert (await storage.users.profile(user.username)).id == user.id
            if known:
                assert await storage.users.account(user.id) == AccountView.of(user)
                continue
            with pytest.raises(UserNotFound):
                await storage.users.account(user.id)

    async def test_those_who_run_the_blog_see_every_user(self, storage: Storage) -> None:
        user, other = await keep_user(storage), await keep_bob(storage)
        async with storage.transaction() as tx:
            user = user.disable(at=storage.clock.moment)
            await tx.users.get_for_update(user.username)
            await tx.users.save(user)
        await keep_article(storage, other)
        await keep_article(storage, other, publish_at=None)
        views = [UserView.of(user, articles=0), UserView.of(other, articles=2)]
        assert list(await storage.users.page(skip=0, limit=9)) == views
        assert list(await storage.users.page(skip=1, limit=1)) == views[1:]
        assert list(await storage.users.page(skip=0, limit=1)) == views[:1]
        assert list(await storage.users.page(skip=2, limit=1)) == []
        assert await storage.users.user(Username("ADA.L")) == views[0]
        with pytest.raises(UserNotFound):
            await storage.users.user(Username("nobody"))

    async def test_articles_leave_with_their_author(self, storage: Storage) -> None:
        user, other = await keep_user(storage), await keep_bob(storage)
        gone, stays = await keep_article(storage, user), await keep_article(storage, other)
        async with storage.transaction() as tx:
            await tx.users.remove(user.id, at=storage.clock.moment)
        with pytest.raises(ArticleNotFound):
            await storage.articles.get(gone.id, viewer=None)
        assert await storage.articles.get(stays.id, viewer=None) == view_of(storage, stays)

    async def test_nobody_writes_once_their_account_is_gone(self, storage: Storage) -> None:
        user = await keep_user(storage)
        async with storage.transaction() as tx:
            await tx.users.remove(user.id, at=storage.clock.moment)
        with pytest.raises(InvalidToken):
            await keep_article(storage, user)

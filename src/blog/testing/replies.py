"""What a store promises of the replies that it remembers."""

import asyncio
from datetime import timedelta

import pytest

from blog.application.ports import Reply, RequestKey
from blog.application.remembering import KeyReused, StillRunning
from blog.domain.users import InvalidToken
from blog.testing.builders import NOON, a_reply, a_request
from blog.testing.keeping import SOMEBODY_ELSE, Interrupted, Storage, keep_bob, keep_user

INSTANT = timedelta(microseconds=1)


async def keep_reply(storage: Storage, request: RequestKey, reply: Reply) -> None:
    async with storage.transaction() as tx:
        assert await tx.replies.claim(request, since=NOON) is None
        await tx.replies.keep(request, reply, at=NOON)


class StoredReplies:
    async def test_a_reply_is_kept_whole(self, storage: Storage) -> None:
        request = a_request(caller=(await keep_user(storage)).id)
        await keep_reply(storage, request, a_reply())
        async with storage.transaction() as tx:
            assert await tx.replies.claim(request, since=NOON - INSTANT) == a_reply()

    async def test_a_reply_is_forgotten_in_time(self, storage: Storage) -> None:
        request = a_request(caller=(await keep_user(storage)).id)
        await keep_reply(storage, request, a_reply())
        async with storage.transaction() as tx:
            assert await tx.replies.claim(request, since=NOON) == a_reply()
        another, moment = a_reply(status=204, headers={}, body=b""), NOON + timedelta(days=1)
        later = a_request(caller=request.caller, fingerprint=b"another")
        async with storage.transaction() as tx:
            assert await tx.replies.claim(later, since=NOON + INSTANT) is None
            await tx.replies.keep(later, another, at=moment)
        async with storage.transaction() as tx:
            assert await tx.replies.claim(later, since=moment) == another

    async def test_a_key_stands_for_one_request(self, storage: Storage) -> None:
        request = a_request(caller=(await keep_user(storage)).id)
        await keep_reply(storage, request, a_reply())
        with pytest.raises(KeyReused):
            async with storage.transaction() as tx:
                await tx.replies.claim(a_request(caller=request.caller, fingerprint=b"another"), since=NOON)

    async def test_a_key_is_its_callers_and_its_routes(self, storage: Storage) -> None:
        ada, bob = await keep_user(storage), await keep_bob(storage)
        requests = [
            a_request(caller=ada.id),
            a_request(caller=bob.id),
            a_request(caller=ada.id, route="POST /other"),
            a_request(caller=ada.id, key="other"),
        ]
        for number, request in enumerate(requests):
            await keep_reply(storage, request, a_reply(status=200 + number))
        for number, request in enumerate(requests):
            async with storage.transaction() as tx:
                assert await tx.replies.claim(request, since=NOON) == a_reply(status=200 + number)

    async def test_of_several_who_ask_the_same_at_once_one_is_at_work(self, storage: Storage) -> None:
        """The others are told so, or are given the reply once there is one."""
        request = a_request(caller=(await keep_user(storage)).id)

        async def once() -> Reply | str:
            async with storage.transaction() as tx:
                if given := await tx.replies.claim(request, since=NOON):
                    return given
                await asyncio.sleep(0)
                await tx.replies.keep(request, a_reply(), at=NOON)
            return "worked"

        outcomes = await asyncio.gather(*(once() for _ in range(5)), return_exceptions=True)
        others = [outcome for outcome in outcomes if outcome != "worked"]
        assert len(others) == 4
        assert all(outcome == a_reply() or isinstance(outcome, StillRunning) for outcome in others)

    async def test_whoever_asks_what_another_is_at_work_on_hears_so_at_once(self, storage: Storage) -> None:
        user = await keep_user(storage)
        request = a_request(caller=user.id)
        async with storage.transaction() as tx:
            assert await tx.replies.claim(request, since=NOON) is None
            await tx.users.get(user.id)
            for fingerprint in (request.fingerprint, b"another"):
                again = a_request(caller=user.id, fingerprint=fingerprint)
                # Whoever waited for the other transaction would wait for ever.
                with pytest.raises(StillRunning):
                    async with asyncio.timeout(2), storage.transaction() as other:
                        await other.replies.claim(again, since=NOON)
            # Who was refused has not taken the claim away with it.
            with pytest.raises(StillRunning):
                async with asyncio.timeout(2), storage.transaction() as other:
                    await other.replies.claim(request, since=NOON)
            await tx.replies.keep(request, a_reply(), at=NOON)
        async with storage.transaction() as tx:
            assert await tx.replies.claim(request, since=NOON) == a_reply()

    async def test_nobody_is_replied_to_who_is_gone(self, storage: Storage) -> None:
        with pytest.raises(InvalidToken):
            async with storage.transaction() as tx:
                await tx.replies.claim(a_request(caller=SOMEBODY_ELSE), since=NOON)
        user = await keep_user(storage)
        request = a_request(caller=user.id)
        with pytest.raises(InvalidToken):
            async with storage.transaction() as tx:
                await tx.replies.claim(request, since=NOON)
                await tx.users.remove(user.id, at=NOON)
                await tx.replies.keep(request, a_reply(), at=NOON)

    async def test_a_claim_ends_with_its_transaction(self, storage: Storage) -> None:
        request = a_request(caller=(await keep_user(storage)).id)
        with pytest.raises(Interrupted):
            async with storage.transaction() as tx:
                assert await tx.replies.claim(request, since=NOON) is None
                await tx.replies.keep(request, a_reply(), at=NOON)
                raise Interrupted
        async with storage.transaction() as tx:
            assert await tx.replies.claim(request, since=NOON) is None

    async def test_replies_leave_with_their_caller(self, storage: Storage) -> None:
        user, bob = await keep_user(storage), await keep_bob(storage)
        for caller in (user.id, bob.id):
            await keep_reply(storage, a_request(caller=caller), a_reply())
        async with storage.transaction() as tx:
            await tx.users.remove(user.id, at=NOON)
        with pytest.raises(InvalidToken):
            async with storage.transaction() as tx:
                await tx.replies.claim(a_request(caller=user.id), since=NOON)
        async with storage.transaction() as tx:
            assert await tx.replies.claim(a_request(caller=bob.id), since=NOON) == a_reply()

"""A request that comes again while the first one still runs, over HTTP, in PostgreSQL."""

import asyncio

import httpx
import pytest

from tests.contracts.asking import ARTICLE, ada, bob, edit, found, headers, problem, write
from tests.integration.elsewhere import OURS, Elsewhere, until

__all__ = ["ada", "bob"]

WAITING = f"{OURS} AND wait_event_type = 'Lock'"
KEY = {"Idempotency-Key": '"once"'}


@pytest.mark.parametrize("what", ["writing", "restoring"])
async def test_what_still_runs_is_not_done_again_and_not_waited_for(
    client: httpx.AsyncClient, elsewhere: Elsewhere, ada: dict[str, str], bob: dict[str, str], what: str
) -> None:
    article = await write(client, ada)
    await edit(client, ada, article, title="New")
    path, body, holding = {
        "writing": ("/articles", ARTICLE, "SELECT 1 FROM users WHERE username = 'Ada' FOR UPDATE"),
        "restoring": (f"/articles/{article['id']}/revisions/1/restore", None, "SELECT 1 FROM articles FOR UPDATE"),
    }[what]

    def ask() -> asyncio.Task[httpx.Response]:
        return asyncio.create_task(client.post(path, json=body, headers=ada | KEY))

    async with asyncio.timeout(30):
        async with elsewhere.holding(holding):
            first = ask()
            await until(lambda: elsewhere.ask(f"SELECT count(*) = 1 {WAITING}"))
            refused = await ask()
            assert "still running" in problem(refused, 409)["detail"]
            # Another's key of the same name is another key.
            theirs = await client.post("/articles", json=ARTICLE | {"title": "Bob's"}, headers=bob | KEY)
            assert theirs.status_code == 201
            assert not first.done()
        done, again = await first, await ask()
    assert done.is_success
    assert (again.status_code, again.content, headers(again)) == (done.status_code, done.content, headers(done))
    assert len(await found(client, f"/articles/{article['id']}/revisions", ada)) == (2 if what == "writing" else 3)
    assert len(await found(client, "/articles", ada)) == (3 if what == "writing" else 2)


async def test_the_key_of_a_request_that_failed_is_free_at_once(
    client: httpx.AsyncClient, elsewhere: Elsewhere, ada: dict[str, str]
) -> None:
    article = await write(client, ada)
    path = f"/articles/{article['id']}/revisions/1/restore"
    async with asyncio.timeout(30):
        async with elsewhere.holding("SELECT 1 FROM articles FOR UPDATE"):
            first = asyncio.create_task(client.post(path, headers=ada | KEY))
            await until(lambda: elsewhere.ask(f"SELECT count(*) = 1 {WAITING}"))
            await elsewhere.terminate(await elsewhere.ask(f"SELECT pid {WAITING}"))
            assert problem(await first, 503)
        answer = await client.post(path, headers=ada | KEY)
    assert answer.status_code == 200

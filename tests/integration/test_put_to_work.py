"""The blog over HTTP on PostgreSQL, wired as it is put to work, when something ends in the middle."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from blog.container import Container
from blog.domain.errors import Unavailable
from blog.domain.users import Password, Username
from blog.entrypoints.http.app import build
from tests.builders import a_user
from tests.contracts.asking import PASSWORD, problem, register
from tests.integration.elsewhere import A_LONG_TIME, OURS, Elsewhere, lent, until

ACCOUNT = {"email": "ada@example.org", "username": "ada", "password": PASSWORD}


async def test_a_request_that_is_cancelled_does_not_cancel_its_commit(
    client: httpx.AsyncClient, container: Container, elsewhere: Elsewhere, slow_commits: str
) -> None:
    async with elsewhere.holding(slow_commits):
        asking = asyncio.create_task(client.post("/users", json=ACCOUNT))
        backend = await elsewhere.waiting_in("COMMIT")
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        # Nobody else is given its connection, and nobody ends it.
        database = container.database()
        assert lent(database) == 1
        assert await elsewhere.waiting_in("COMMIT") == backend
    await until(lambda: elsewhere.has_kept("ada"))

    async def given_back() -> bool:
        return lent(database) == 0

    await until(given_back)
    async with database.connect() as connection:
        assert connection.get_server_pid() == backend


NOT_NOW = [
    *("08006", "53100", "53200", "57014", "57P03", "55P03", "40001", "40P01", "25P03", "25P04", "25006", "58030"),
    *("28000", "3D000", "42501", "42P01"),
]
"""By which PostgreSQL says that the same may succeed later, or once an operator has mended it (appendix A)."""

FAULTS = ["22012", "23514", "25001", "40002", "42703", "55000", "58000", "P0001", "XX000"]


@pytest.mark.parametrize("when", ["IMMEDIATE", "DEFERRED"])
@pytest.mark.parametrize(("states", "status"), [(NOT_NOW, 503), (FAULTS, 500)], ids=["not now", "faults"])
async def test_what_may_succeed_later_is_503_in_a_statement_and_in_a_commit(
    client: httpx.AsyncClient, elsewhere: Elsewhere, when: str, states: list[str], status: int
) -> None:
    await elsewhere.tell(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = NEW.email_key; END$$",
        "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON users DEFERRABLE INITIALLY"
        f" {when} FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    # The address is the error that is wanted.
    await elsewhere.tell(
        "CREATE FUNCTION shorten() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN NEW.email_key = upper(split_part(NEW.email_key, '@', 1)); RETURN NEW; END$$",
        "CREATE TRIGGER shorten BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION shorten()",
    )
    try:
        for state in states:
            answer = await client.post("/users", json=ACCOUNT | {"email": f"{state}@example.org"})
            assert problem(answer, status), state
            assert answer.headers.get("retry-after") == ("2" if status == 503 else None)
    finally:
        await elsewhere.tell("DROP FUNCTION refuse CASCADE", "DROP FUNCTION shorten CASCADE")
    assert await register(client)


async def test_a_connection_that_comes_back_within_a_transaction_is_not_used_again(
    client: httpx.AsyncClient, container: Container, elsewhere: Elsewhere
) -> None:
    database = container.database()
    async with database.connect(writing=True) as connection:
        backend = connection.get_server_pid()
        await connection.execute("BEGIN")
        await connection.execute("LOCK TABLE users")
    # Nobody waits for its lock, and nobody goes on in its transaction.
    await register(client)
    assert await elsewhere.has_kept("Ada")
    await elsewhere.gone(backend)
    rows = await database.read(text("SELECT pg_backend_pid() AS pid"), {})
    assert rows[0].pid != backend


@pytest.mark.parametrize("ends", ["cancelled", "too late"])
async def test_a_connection_on_which_a_statement_may_still_run_is_not_used_again(
    container: Container, elsewhere: Elsewhere, ends: str
) -> None:
    database = container.database()
    reading = asyncio.create_task(database.read(A_LONG_TIME, {}))
    backend = await elsewhere.waiting_in("SELECT pg_sleep")
    if ends == "cancelled":
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    else:
        await elsewhere.ask("SELECT pg_cancel_backend(:backend)", backend=backend)
        with pytest.raises(Unavailable):
            await reading
    assert lent(database) == 0
    assert backend not in {connection.get_server_pid() for connection in database.connections}


async def test_what_only_reads_cannot_write(container: Container, elsewhere: Elsewhere) -> None:
    with pytest.raises(Unavailable):
        async with container.reading() as tx:
            await tx.users.add(a_user(id=await tx.users.next_id(), username=Username("ada")))
    assert not await elsewhere.has_kept("ada")


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """A server that has started the application, and stops it."""
    heard, said = asyncio.Queue[dict[str, str]](), asyncio.Queue[dict[str, Any]]()
    running = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}}, heard.get, said.put))
    await heard.put({"type": "lifespan.startup"})
    assert (await said.get())["type"] == "lifespan.startup.complete"
    yield
    await heard.put({"type": "lifespan.shutdown"})
    assert (await said.get())["type"] == "lifespan.shutdown.complete"
    await running


async def test_what_runs_beside_requests_has_ended_before_connections_are_closed(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    async def watch(_: Container) -> None:
        try:
            told.append("begun")
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            told.append("ended")

    async def close(_: Container) -> None:
        told.append("closed")

    monkeypatch.setattr("blog.entrypoints.http.app.watch", watch)
    monkeypatch.setattr("blog.entrypoints.http.app.close", close)
    async with lifespan(build(container)):
        await asyncio.sleep(0)
    assert told == ["begun", "ended", "closed"]


async def test_an_application_that_stops_lets_go_of_connections_and_threads(
    container: Container, elsewhere: Elsewhere
) -> None:
    app = build(container)
    hasher = container.hasher()
    threads = set(threading.enumerate())
    async with lifespan(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://blog.test") as client:
            await register(client)
            assert await elsewhere.ask(f"SELECT count(*) > 0 {OURS}")
    await until(lambda: elsewhere.ask(f"SELECT count(*) = 0 {OURS}"))
    with pytest.raises(RuntimeError, match="shutdown"):
        await hasher.hash(Password(PASSWORD))

    async def ended() -> bool:
        return not {thread.name for thread in set(threading.enumerate()) - threads} & {"passwords_0", "markdown_0"}

    await until(ended)

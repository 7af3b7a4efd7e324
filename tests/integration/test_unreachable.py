"""PostgreSQL servers that cannot be had: `Unavailable`, and soon."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg  # type: ignore[import-untyped]
import pytest
from sqlalchemy import URL

from blog.adapters.database import Database
from blog.domain.errors import Unavailable
from tests.integration.conftest import execute
from tests.integration.elsewhere import PATIENCE, Elsewhere, all_unavailable, keep_user, lent, read


def address(port: int, host: str = "127.0.0.1") -> URL:
    return URL.create("postgresql+asyncpg", "ada", "secret", host, port, "blog")


@asynccontextmanager
async def nobody_listens() -> AsyncIterator[URL]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield address(port)


@asynccontextmanager
async def no_such_socket() -> AsyncIterator[URL]:
    yield URL.create("postgresql+asyncpg", "ada", database="blog", query={"host": "/no/such/folder"})


@asynccontextmanager
async def no_such_host() -> AsyncIterator[URL]:
    yield address(5432, host="nowhere.invalid")


@asynccontextmanager
async def silence() -> AsyncIterator[URL]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield address(listener.getsockname()[1])


@asynccontextmanager
async def hanging_up() -> AsyncIterator[URL]:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        yield address(server.sockets[0].getsockname()[1])


def refusing(code: str) -> Callable[[], AbstractAsyncContextManager[URL]]:
    """A server that lets nobody in, and says why by this SQLSTATE."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def message() -> bytes:
            return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)

        # The first message may ask for encryption, which there is none of.
        if await message() == (80877103).to_bytes(4, "big"):
            writer.write(b"N")
            await message()
        fields = f"SFATAL\0VFATAL\0C{code}\0MNot now.\0\0".encode()
        writer.write(b"E" + (4 + len(fields)).to_bytes(4, "big") + fields)
        await writer.drain()
        writer.close()

    @asynccontextmanager
    async def listening() -> AsyncIterator[URL]:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            yield address(server.sockets[0].getsockname()[1])

    return listening


AWAY: dict[str, Callable[[], AbstractAsyncContextManager[URL]]] = {
    "nobody listens": nobody_listens,
    "no such socket": no_such_socket,
    "no such host": no_such_host,
    "silence": silence,
    "hanging up": hanging_up,
    "too many connections": refusing("53300"),
    "starting up": refusing("57P03"),
    "shutting down": refusing("57P01"),
}


@pytest.mark.parametrize("where", AWAY)
async def test_a_server_that_cannot_be_had(where: str) -> None:
    async with AWAY[where]() as url:
        database = Database(url, pool_size=1, timeout=PATIENCE)
        for work in (read, keep_user):
            assert await all_unavailable(work(database)) < PATIENCE + 1
            assert lent(database) == 0
        await database.close()


@pytest.mark.parametrize("code", ["28000", "28P01", "3D000", "42501", "42P01"])
async def test_a_server_that_lets_us_in_no_longer(code: str) -> None:
    async with refusing(code)() as url:
        database = Database(url, pool_size=1, timeout=PATIENCE)
        for work in (read, keep_user):
            with pytest.raises(Unavailable) as refused:
                await work(database)
            assert isinstance(refused.value.__cause__, asyncpg.PostgresError)
            assert refused.value.__cause__.sqlstate == code
        await database.close()


async def test_a_server_with_too_many_connections(
    server: URL, migrated: URL, database: Database, elsewhere: Elsewhere
) -> None:
    if await elsewhere.ask("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        pytest.skip("No limit keeps a superuser out.")
    execute(server, f"ALTER DATABASE {migrated.database} CONNECTION LIMIT 0")
    try:
        await all_unavailable(read(database), keep_user(database))
    finally:
        execute(server, f"ALTER DATABASE {migrated.database} CONNECTION LIMIT -1")

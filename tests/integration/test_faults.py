"""Nothing that was acknowledged is ever lost, and nobody waits for ever, whatever is killed meanwhile."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.service import PASSWORD, Service, alive, eventually, kill

Outage = Callable[[Service], AbstractContextManager[None]]
Property = Callable[[str, object], None]

DEADLINE = 10.0
"""Seconds within which every request is answered."""
WRITERS = 4
LETTERS = "abc xyz ÄÖü ß ñ Ω ж 漢字 ✍️ 👩‍💻 '\"\\/%$;-- \u2028\r\n\t"


@dataclass
class Stream:
    """Several clients that write articles without pause, and keep what they were told."""

    service: Service
    headers: Mapping[str, str]
    acknowledged: dict[int, Any] = field(default_factory=dict)
    """What each reply 201 said, by the article's id."""
    refused: int = 0
    """Replies that said 503."""
    broken: int = 0
    """Requests that had no reply, because the service was gone."""
    slowest: float = 0.0
    """Seconds that a request has taken at most."""

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Write as long as the block lasts. A reply that should not be, or a writer that hangs, fails it."""
        stopped = asyncio.Event()
        async with asyncio.TaskGroup() as writers:
            for seed in range(WRITERS):
                writers.create_task(self._write(random.Random(seed), stopped))
            yield
            stopped.set()

    async def _write(self, chance: random.Random, stopped: asyncio.Event) -> None:
        async with httpx.AsyncClient(base_url=self.service.url, timeout=DEADLINE, trust_env=False) as client:
            while not stopped.is_set():
                content = "".join(chance.choices(LETTERS, k=chance.randint(20, 2000)))
                article = {"title": f"No. {chance.random()}", "content": content, "published": chance.random() < 0.5}
                began = time.monotonic()
                try:
                    reply = await client.post("/articles", json=article, headers=self.headers)
                except httpx.TimeoutException:
                    raise AssertionError(f"no reply within {DEADLINE:.0f} seconds") from None
                except httpx.TransportError:
                    self.broken += 1
                    await asyncio.sleep(0.05)
                else:
                    await self._take(article, reply)
                finally:
                    self.slowest = max(self.slowest, time.monotonic() - began)

    async def _take(self, article: Mapping[str, Any], reply: httpx.Response) -> None:
        if reply.status_code == 201:
            view = reply.json()
            assert {name: view[name] for name in article} == article
            self.acknowledged[view["id"]] = view
        else:
            assert_unavailable(reply)
            self.refused += 1
            await asyncio.sleep(0.05)

    async def outage(self) -> None:
        """Wait until it shows in the replies that there is one."""
        refused = self.refused
        await until(lambda: self.refused > refused, "a request is refused")

    async def more(self, count: int) -> None:
        """Wait until so many more are acknowledged."""
        enough = len(self.acknowledged) + count
        await until(lambda: len(self.acknowledged) >= enough, f"{count} more articles are acknowledged")

    def __str__(self) -> str:
        counts = f"{len(self.acknowledged)} acknowledged, {self.refused} refused, {self.broken} without a reply"
        return f"{counts}, the slowest after {self.slowest:.2f} s"


def assert_unavailable(reply: httpx.Response) -> None:
    """A 503 as the contract has it."""
    assert reply.status_code == 503, reply.text
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert int(reply.headers["Retry-After"]) > 0
    assert reply.json()["status"] == 503


async def until(look: Callable[[], bool], what: str) -> None:
    """Wait for something, and let others work meanwhile."""
    await asyncio.to_thread(eventually, look, what)


def kept(service: Service, headers: Mapping[str, str]) -> dict[int, Any]:
    """Every article that the service has now, by its id, drafts included."""
    articles: dict[int, Any] = {}
    with service.client() as client:
        page: str | None = "/articles?limit=100"
        while page:
            reply = client.get(page, headers=headers)
            assert reply.status_code == 200
            articles |= {article["id"]: article for article in reply.json()}
            page = reply.links.get("next", {}).get("url")
    return articles


def lost(acknowledged: Mapping[int, Any], kept: Mapping[int, Any]) -> set[int]:
    """The articles that are gone, or are not as they were acknowledged."""
    return {number for number, article in acknowledged.items() if kept.get(number) != article}


@contextmanager
def away(service: Service) -> Iterator[None]:
    """PostgreSQL is killed, and nobody starts it again until the end of the block."""
    postmaster = service.postmaster()
    (supervisor,) = (process.parent for process in service.processes() if process.pid == postmaster)
    sessions = [process.pid for process in service.processes() if process.parent == postmaster]
    os.kill(supervisor, signal.SIGSTOP)
    kill(postmaster)
    # A session answers until it notices.
    eventually(lambda: not alive(*sessions), "its sessions end")
    try:
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)


@contextmanager
def silent(service: Service) -> Iterator[None]:
    """PostgreSQL does nothing, and holds on to every connection."""
    postmaster = service.postmaster()
    servers = [process.pid for process in service.processes() if postmaster in (process.pid, process.parent)]
    for pid in servers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in servers:
            os.kill(pid, signal.SIGCONT)


async def test_nothing_acknowledged_is_lost_when_postgresql_is_killed(
    tmp_path: Path, record_property: Property
) -> None:
    with Service(tmp_path / "data") as service:
        stream = Stream(service, service.register())
        async with stream.flowing():
            for _ in range(2):
                await stream.more(100)
                kill(await asyncio.to_thread(service.postmaster))
                await stream.outage()
            # It comes back by itself, and the service goes on.
            await stream.more(100)
        gone = lost(stream.acknowledged, kept(service, stream.headers))
        record_property("counted", f"PostgreSQL killed twice: {stream}, {len(gone)} lost")
        assert stream.broken == 0
        assert len(stream.acknowledged) >= 300
        assert gone == set()


async def test_nothing_acknowledged_is_lost_when_the_service_is_killed(
    tmp_path: Path, record_property: Property
) -> None:
    with Service(tmp_path / "data") as service:
        stream = Stream(service, service.register())
        async with stream.flowing():
            await stream.more(100)
            kill(*await asyncio.to_thread(service.workers_alive))
            await stream.more(100)
            for everything in (False, True):
                processes = await asyncio.to_thread(service.processes)
                kill(service.pid, *(process.pid for process in processes if everything))
                await asyncio.to_thread(service.wait)
                # Started again at once, as a supervisor of services does.
                service.start()
                await asyncio.to_thread(service.wait_until_ready)
                await stream.more(100)
        gone = lost(stream.acknowledged, kept(service, stream.headers))
        record_property("counted", f"Worker, main process and all at once killed: {stream}, {len(gone)} lost")
        assert stream.broken > 0
        assert len(stream.acknowledged) >= 400
        assert gone == set()


@pytest.mark.parametrize("outage", [away, silent])
async def test_without_postgresql_it_lives_and_says_so(outage: Outage, tmp_path: Path) -> None:
    with Service(tmp_path / "data", database_timeout_seconds=1) as service:
        headers = service.register()
        article = {"title": "On engines", "content": "Algebraic patterns."}
        async with httpx.AsyncClient(base_url=service.url, timeout=DEADLINE, trust_env=False) as client:

            async def ask_for_everything() -> tuple[httpx.Response, ...]:
                return await asyncio.gather(
                    client.get("/health/ready"),
                    client.get("/articles"),
                    client.get("/users/me", headers=headers),
                    client.post("/articles", json=article, headers=headers),
                    client.post("/auth/login", data={"username": "ada", "password": PASSWORD}),
                )

            assert {reply.status_code for reply in await ask_for_everything()} == {200, 201}
            with outage(service):
                for reply in await ask_for_everything():
                    assert_unavailable(reply)
                assert (await client.get("/health/live")).status_code == 200
            await until(lambda: service.status("/health/ready") == 200, "it is ready again")
            assert {reply.status_code for reply in await ask_for_everything()} == {200, 201}


async def test_what_is_lost_shows(tmp_path: Path) -> None:
    """The control: somebody else deletes one article that was acknowledged, and changes another by one letter."""
    with Service(tmp_path / "data") as service:
        stream = Stream(service, service.register())
        async with stream.flowing():
            await stream.more(10)
        gone, changed, *_ = stream.acknowledged
        title = stream.acknowledged[changed]["title"]
        with service.client() as client:
            assert client.delete(f"/articles/{gone}", headers=stream.headers).status_code == 204
            different = {"title": title.swapcase()}
            assert client.patch(f"/articles/{changed}", json=different, headers=stream.headers).status_code == 200
        assert lost(stream.acknowledged, kept(service, stream.headers)) == {gone, changed}

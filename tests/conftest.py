"""What all tests share."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from blog.container import Container
from blog.entrypoints.http.edge import ASGIApp
from blog.testing import Storage
from tests.builders import NOON, Clock

pytest.register_assert_rewrite("tests.contracts")


@pytest.fixture(scope="session")
def one_clock() -> Clock:
    return Clock()


@pytest.fixture
def clock(one_clock: Clock) -> Clock:
    """The time of the blog under test: noon, to begin with."""
    one_clock.moment = NOON
    return one_clock


@pytest.fixture
def elapse(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Awaitable[None]]:
    """Let seconds pass for the event loop, and for whatever asks `time.monotonic`, without waiting for them.

    Other time passes at a twentieth of its speed, so that a busy machine does not come near a deadline. Whatever can
    run does so before, and whatever is due has run afterwards, as far as it waits for nothing else.
    """
    monotonic, ahead = time.monotonic, 0.0
    began = monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began + (monotonic() - began) / 20 + ahead)

    async def elapse(seconds: float) -> None:
        nonlocal ahead
        for passing in (0.0, seconds):
            ahead += passing
            for _ in range(200):
                await asyncio.sleep(0)

    return elapse


@pytest.fixture
async def client(app: ASGIApp, container: Container) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001
    """The API of the blog under test, without a network between."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://blog.test") as client:
        yield client


@pytest.fixture
def storage(container: Container, clock: Clock) -> Storage:
    """What the blog under test is kept in."""
    return Storage(
        transaction=container.transaction,
        articles=container.article_queries(),
        users=container.user_queries(),
        clock=clock,
    )

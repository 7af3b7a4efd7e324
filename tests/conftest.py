"""What all tests share."""

from collections.abc import AsyncIterator

import httpx
import pytest

from blog.container import Container
from blog.entrypoints.http.app import build
from tests.builders import Clock

pytest.register_assert_rewrite("tests.contracts")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(container: Container) -> AsyncIterator[httpx.AsyncClient]:
    """The API of the blog under test, without a network between."""
    transport = httpx.ASGITransport(build(container))
    async with httpx.AsyncClient(transport=transport, base_url="http://blog.test") as client:
        yield client

"""The blog in memory."""

from collections.abc import AsyncIterator

import pytest

from blog.container import Container, close, in_memory
from tests.builders import Clock
from tests.support import quick


@pytest.fixture
async def container(clock: Clock) -> AsyncIterator[Container]:
    container = quick(in_memory, clock)
    yield container
    await close(container)

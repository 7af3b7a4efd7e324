"""The blog in memory: one application, which every test finds empty."""

from collections.abc import Iterator

import pytest

from blog.container import Container, in_memory
from blog.entrypoints.http.app import build
from blog.entrypoints.http.edge import ASGIApp
from tests.builders import Clock
from tests.support import quick


@pytest.fixture(scope="session")
def one_container(one_clock: Clock) -> Iterator[Container]:
    container = quick(in_memory, one_clock)
    yield container
    container.hasher().close()


@pytest.fixture(scope="session")
def app(one_container: Container) -> ASGIApp:
    return build(one_container)


@pytest.fixture
def container(one_container: Container, clock: Clock) -> Iterator[Container]:  # noqa: ARG001
    """The blog under test."""
    yield one_container
    one_container.reset_singletons()

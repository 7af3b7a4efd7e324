"""A blog to test: a quick hash, a clock that a test moves, settings that no environment touches."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from dependency_injector import providers

from blog.adapters.passwords import BcryptHasher
from blog.container import Container
from blog.settings import Settings
from tests.builders import Clock

KEY = "a key for tests, of 32 bytes or more"


def quick(make: Callable[[Settings], Container], clock: Clock, **environment: str) -> Container:
    """A container whose passwords take a millisecond and whose time is the test's."""
    # Whoever tests a limit switches it on.
    environment = {"SECRET_KEY": KEY, "RATE_LIMITS": "off", **environment}
    container = make(Settings.load(environment, file=None))
    container.now.override(providers.Object(clock))
    container.hasher.override(providers.Object(BcryptHasher(cost=4)))
    return container


@contextmanager
def replaced(container: Container, **parts: object) -> Iterator[None]:
    """Have the blog of a container work with other parts, by their names there."""
    with ExitStack() as stack:
        for name, part in parts.items():
            stack.enter_context(getattr(container, name).override(part))
        container.blog.reset()
        yield
    container.blog.reset()

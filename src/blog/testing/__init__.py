"""To prove an adapter of your own: the contract that ours keep, and things to test with.

Needs pytest and pytest-asyncio, the package's extra `testing`. Bind the contract by answering one fixture:

    class TestMyStorage(StorageContract):
        @pytest_asyncio.fixture
        async def storage(self) -> AsyncIterator[Storage]:
            ...  # empty at the start of each test
            yield Storage(transaction=..., articles=..., users=...)
"""

import pytest

# So that a broken promise shows what was promised and what was found.
pytest.register_assert_rewrite("blog.testing.storage")

from blog.testing.builders import NOON, Clock, a_user, an_article  # noqa: E402
from blog.testing.storage import Storage, StorageContract  # noqa: E402

__all__ = ["NOON", "Clock", "Storage", "StorageContract", "a_user", "an_article"]

"""To prove an adapter of your own: the contract that ours keep, and things to test with.

Needs pytest and pytest-asyncio, as `hexablog[testing]` brings them. Bind the contract by answering one fixture:

    class TestMyStorage(StorageContract):
        @pytest_asyncio.fixture
        async def storage(self) -> AsyncIterator[Storage]:
            clock = Clock()
            ...  # empty at the start of each test; the queries look at that clock
            yield Storage(transaction=..., articles=..., users=..., clock=clock)
"""

import pytest

# So that a broken promise shows what was promised and what was found.
pytest.register_assert_rewrite(
    *(
        f"blog.testing.{noun}"
        for noun in (
            "articles",
            "keeping",
            "logins",
            "previews",
            "replies",
            "revisions",
            "slugs",
            "transactions",
            "users",
            "visibility",
            "working_copies",
        )
    )
)

from blog.testing.builders import (  # noqa: E402
    NOON,
    Clock,
    PlainMarkdown,
    a_change,
    a_draft,
    a_manuscript,
    a_preview,
    a_rendition,
    a_reply,
    a_request,
    a_revision,
    a_user,
    a_working_copy,
    an_article,
)
from blog.testing.keeping import Storage  # noqa: E402
from blog.testing.logins import LoginLimitsContract  # noqa: E402
from blog.testing.storage import StorageContract  # noqa: E402

__all__ = [
    "NOON",
    "Clock",
    "LoginLimitsContract",
    "PlainMarkdown",
    "Storage",
    "StorageContract",
    "a_change",
    "a_draft",
    "a_manuscript",
    "a_preview",
    "a_rendition",
    "a_reply",
    "a_request",
    "a_revision",
    "a_user",
    "a_working_copy",
    "an_article",
]

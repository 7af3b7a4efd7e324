"""A blog that lives in the memory of one process, on one event loop.

It keeps every promise of the ports but to outlive the process: for tests of rules in milliseconds, and for
whoever embeds a blog that need not be kept.
"""

from blog.adapters.memory.logins import MemoryLoginLimits
from blog.adapters.memory.queries import MemoryArticleQueries, MemoryUserQueries
from blog.adapters.memory.store import MemoryReadiness, MemoryStore
from blog.adapters.memory.transaction import MemoryTransaction

__all__ = [
    "MemoryArticleQueries",
    "MemoryLoginLimits",
    "MemoryReadiness",
    "MemoryStore",
    "MemoryTransaction",
    "MemoryUserQueries",
]

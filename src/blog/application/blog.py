"""A blog: its use cases and queries, as an edge is given them."""

from dataclasses import dataclass

from blog.application.accounts import Accounts
from blog.application.authenticating import Authenticating
from blog.application.ports import Clock, Readiness
from blog.application.previewing import Previewing
from blog.application.publishing import Publishing
from blog.application.queries import ArticleQueries, UserQueries
from blog.application.remembering import Remembering
from blog.application.revising import Revising
from blog.application.reworking import Reworking


@dataclass(frozen=True, slots=True, kw_only=True)
class Blog:
    """What can be done with a blog, and what can be read of it."""

    accounts: Accounts
    authenticating: Authenticating
    publishing: Publishing
    revising: Revising
    reworking: Reworking
    previewing: Previewing
    remembering: Remembering
    article_queries: ArticleQueries
    user_queries: UserQueries
    readiness: Readiness
    now: Clock

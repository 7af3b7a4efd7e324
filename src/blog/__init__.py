"""A blog: users, login and articles, to serve over HTTP or to embed.

These are the names that an embedding service needs. They come with the standard library alone: adapters, and what
they are made of, are imported from `blog.adapters` by whoever wants them.
"""

from blog.application.accounts import Accounts
from blog.application.administering import Administering
from blog.application.authenticating import Authenticating
from blog.application.ports import AccessToken
from blog.application.previewing import Previewing
from blog.application.publishing import Publishing
from blog.application.queries import (
    AccountView,
    ArticlePage,
    ArticleQueries,
    ArticleView,
    ProfileView,
    UserQueries,
)
from blog.application.remembering import Remembering
from blog.application.revising import Revising
from blog.application.reworking import Reworking
from blog.domain.articles import ArticleMoved, Content, Title
from blog.domain.errors import (
    BlogError,
    Conflict,
    Forbidden,
    Invalid,
    Moved,
    NotFound,
    Stale,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from blog.domain.preconditions import Precondition
from blog.domain.slugs import Slug
from blog.domain.users import Email, NewPassword, Password, Username

__version__ = "0.1.0"

__all__ = [
    "AccessToken",
    "AccountView",
    "Accounts",
    "Administering",
    "ArticleMoved",
    "ArticlePage",
    "ArticleQueries",
    "ArticleView",
    "Authenticating",
    "BlogError",
    "Conflict",
    "Content",
    "Email",
    "Forbidden",
    "Invalid",
    "Moved",
    "NewPassword",
    "NotFound",
    "Password",
    "Precondition",
    "Previewing",
    "ProfileView",
    "Publishing",
    "Remembering",
    "Revising",
    "Reworking",
    "Slug",
    "Stale",
    "Title",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
    "UserQueries",
    "Username",
]

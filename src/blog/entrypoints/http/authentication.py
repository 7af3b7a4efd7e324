"""Who sends a request: the bearer token of its header Authorization (RFC 6750, section 2.1)."""

from typing import Any, ClassVar

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from blog.domain.users import InvalidToken
from blog.entrypoints.http.problems import NotSignedIn

MAX_AUTHORIZATION = 8 * 1024
"""Bytes of the header that a token comes in, of which the blog's own take some hundred."""

Connection = ASGIConnection[Any, Any, Any, Any]


class Authentication(AbstractAuthenticationMiddleware):
    """Puts the account of the user who is signed in into `request.user`; None without a token.

    Routes with `exclude_from_auth=True` ignore the header, because their reply is the same for everybody. A contract
    whose clients name another scheme has a subclass.
    """

    scheme: ClassVar[str] = "Bearer"

    async def authenticate_request(self, connection: Connection) -> AuthenticationResult:
        """Raises `InvalidToken` where the header is not one that holds."""
        authorization = dict(connection.scope["headers"]).get(b"authorization")
        if authorization is None:
            return AuthenticationResult(user=None, auth=None)
        if len(authorization) > MAX_AUTHORIZATION:
            raise InvalidToken
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        if scheme.lower() != self.scheme.lower():
            raise InvalidToken
        blog = connection.app.state["blog"]()
        return AuthenticationResult(user=await blog.authenticating.identify(token.strip()), auth=None)


async def signed_in(connection: Connection, _: BaseRouteHandler) -> None:
    """A guard: raises `NotSignedIn` where no user is signed in."""
    if connection.scope["user"] is None:
        raise NotSignedIn

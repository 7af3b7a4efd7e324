"""Logging in (OAuth 2.0, the password grant: RFC 6749, section 4.3)."""

from typing import Annotated, ClassVar, Literal, Self

import msgspec
from litestar import Response, post

from blog.application.authenticating import Authenticating
from blog.domain.logins import TooManyLogins
from blog.domain.text import check_text
from blog.domain.users import AccountDisabled, InvalidCredentials, InvalidToken, Password
from blog.entrypoints.http.contract import FORM, Body, Contract


class Line(str):
    """A line of at most 255 characters. Raises `Invalid`."""

    __slots__ = ()
    MIN: ClassVar[int] = 0
    MAX: ClassVar[int] = 255

    def __new__(cls, text: str) -> Self:
        check_text(text, at_least=cls.MIN, at_most=cls.MAX)
        return super().__new__(cls, text)


class LoginForm(Body):
    """A name and a password, and what OAuth 2.0 clients send along."""

    username: Line
    password: Password
    grant_type: Literal["password"] = "password"
    scope: Line | msgspec.UnsetType = msgspec.UNSET
    client_id: Line | msgspec.UnsetType = msgspec.UNSET
    client_secret: Line | msgspec.UnsetType = msgspec.UNSET


class Token(msgspec.Struct, kw_only=True):
    """A token to send with requests as `Authorization: Bearer …`."""

    access_token: str
    expires_in: Annotated[int, msgspec.Meta(description="Seconds.")]
    token_type: Literal["bearer"] = "bearer"  # noqa: S105


@post(
    "/auth/login",
    status_code=200,
    tags=["auth"],
    contract=Contract(
        body=LoginForm,
        media_type=FORM,
        client_may_authenticate=True,
        headers=("Cache-Control",),
        problems=(InvalidCredentials, AccountDisabled, InvalidToken, TooManyLogins),
    ),
)
async def log_in(
    payload: LoginForm,
    authenticating: Authenticating,
    client: str,
) -> Response[Token]:
    """Exchange a username and a password for an access token.

    The password grant of OAuth 2.0 (RFC 6749, section 4.3). Clients have no credentials of their own: what is sent as
    such is ignored.

    After five failures for a name or from an address, each attempt has to wait longer, for 15 minutes at most: 429
    with `Retry-After`. A client that has signed in to the account within 30 days has five tries a minute instead.
    """
    token = await authenticating.log_in(username=payload.username, password=payload.password, client=client)
    return Response(
        Token(access_token=token.access_token, expires_in=token.expires_in), headers={"Cache-Control": "no-store"}
    )

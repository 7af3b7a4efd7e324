"""Logging in (OAuth 2.0, the password grant: RFC 6749, section 4.3)."""

from typing import Annotated, ClassVar, Literal, Self

import msgspec
from litestar import Response, post

from blog.domain.logins import TooManyLogins
from blog.domain.text import check_text
from blog.domain.users import AccountDisabled, InvalidCredentials, Password
from blog.entrypoints.http.contract import FORM, Body, Contract
from blog.entrypoints.http.forwarded import client_of
from blog.entrypoints.http.requests import ApiRequest


class Line(str):
    """A line of at most 255 characters. Raises `Invalid`."""

    __slots__ = ()
    MIN: ClassVar[int] = 0
    MAX: ClassVar[int] = 255

    def __new__(cls, text: str) -> Self:
        check_text(text, at_least=cls.MIN, at_most=cls.MAX)
        return super().__new__(cls, text)


class LoginForm(Body, forbid_unknown_fields=False):
    """A username and a password, and what OAuth 2.0 clients send along. Unknown parameters are ignored."""

    username: Line
    password: Password
    grant_type: Literal["password", ""] = "password"
    """A parameter without a value counts as omitted (RFC 6749, section 3.2)."""
    scope: Line | msgspec.UnsetType = msgspec.UNSET
    client_id: Line | msgspec.UnsetType = msgspec.UNSET
    client_secret: Line | msgspec.UnsetType = msgspec.UNSET


class Token(msgspec.Struct, kw_only=True):
    """A token to send with requests as `Authorization: Bearer …`."""

    access_token: str
    expires_in: Annotated[int, msgspec.Meta(description="Seconds.")]
    token_type: Literal["bearer"] = "bearer"  # noqa: S105


ERROR_CODES: dict[int | str, str] = {
    "#/grant_type": "unsupported_grant_type",
    **dict.fromkeys((400, 408, 413, 415, 422), "invalid_request"),
    401: "invalid_grant",
    **dict.fromkeys((429, 503), "temporarily_unavailable"),
}
"""OAuth 2.0 clients look for `error`, and some take an answer without it for a token, whatever the status.

RFC 6749, section 5.2. It has no code for 429 and 503; `temporarily_unavailable` is that of section 4.1.2.1.
"""


@post(
    "/auth/login",
    status_code=200,
    tags=["auth"],
    exclude_from_auth=True,
    contract=Contract(
        body=LoginForm,
        media_type=FORM,
        error_codes=ERROR_CODES,
        headers=("Cache-Control",),
        problems=(InvalidCredentials, AccountDisabled, TooManyLogins),
    ),
)
async def log_in(request: ApiRequest[LoginForm, None]) -> Response[Token]:
    """Exchange a username and a password for an access token.

    The password grant of OAuth 2.0 (RFC 6749, section 4.3). Clients have no credentials of their own: what is sent as
    such is ignored, in the form and in the header Authorization. Spaces around the username are ignored, and so are
    parameters that are not named here. Problems have the member `error`, a code of OAuth 2.0 (section 5.2).

    After five failures for a name or from an address, each attempt has to wait longer, for 15 minutes at most: 429
    with `Retry-After`. A client that has signed in to the account within 30 days has five tries a minute instead.
    """
    payload = request.payload
    token = await request.blog.authenticating.log_in(
        username=payload.username, password=payload.password, client=client_of(request.scope)
    )
    return Response(
        Token(access_token=token.access_token, expires_in=token.expires_in), headers={"Cache-Control": "no-store"}
    )

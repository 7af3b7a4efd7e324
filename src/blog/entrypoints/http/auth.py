"""Logging in (OAuth 2.0, the password grant: RFC 6749, section 4.3)."""

from typing import Annotated, Literal

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from blog.application.authenticating import Authenticating
from blog.domain.users import InvalidCredentials, InvalidToken, Password
from blog.entrypoints.http.contract import FORM, Body, Contract


class LoginForm(Body):
    """A name and a password, and what OAuth 2.0 clients send along."""

    username: Annotated[str, msgspec.Meta(max_length=255)]
    password: Password
    grant_type: Literal["password"] = "password"
    scope: Annotated[str, msgspec.Meta(max_length=255)] = ""
    client_id: Annotated[str, msgspec.Meta(max_length=255)] = ""
    client_secret: Annotated[str, msgspec.Meta(max_length=255)] = ""


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
        problems=(InvalidCredentials, InvalidToken),
    ),
)
async def log_in(
    payload: NamedDependency[SkipValidation[LoginForm]],
    authenticating: NamedDependency[SkipValidation[Authenticating]],
) -> Response[Token]:
    """Exchange a username and a password for an access token.

    The password grant of OAuth 2.0 (RFC 6749, section 4.3). Clients have no credentials of their own: what is sent as
    such is ignored.
    """
    token = await authenticating.log_in(username=payload.username, password=payload.password)
    return Response(
        Token(access_token=token.access_token, expires_in=token.expires_in), headers={"Cache-Control": "no-store"}
    )

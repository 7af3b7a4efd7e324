"""Users."""

from litestar import Response, delete, get, post

from blog.application.queries import AccountView, ProfileView
from blog.domain.errors import Invalid
from blog.domain.logins import TooManyLogins
from blog.domain.users import (
    Email,
    EmailTaken,
    NewPassword,
    Password,
    RegistrationClosed,
    Username,
    UsernameTaken,
    UserNotFound,
    WrongPassword,
)
from blog.entrypoints.http.authentication import signed_in
from blog.entrypoints.http.contract import OPEN, Body, Contract, Path
from blog.entrypoints.http.forwarded import client_of
from blog.entrypoints.http.requests import ApiRequest, PathWord


class Registration(Body):
    """Somebody new."""

    email: Email
    username: Username
    password: NewPassword


class UserPath(Path):
    """Whose profile."""

    username: Username


class Farewell(Body):
    """The password, once more, of an account that is to be deleted."""

    password: Password


@post(
    "/users",
    tags=["users"],
    exclude_from_auth=True,
    contract=Contract(
        body=Registration,
        headers=("Location",),
        problems=(RegistrationClosed, EmailTaken, UsernameTaken),
    ),
)
async def register(request: ApiRequest[Registration, None]) -> Response[AccountView]:
    """Register an account.

    Names and addresses that differ in case alone are the same. A password that many others have, and one's own name
    or address, is refused (422). Where registration is closed, every request is (403).
    """
    payload = request.payload
    user = await request.blog.accounts.register(
        email=payload.email, username=payload.username, password=payload.password, client=client_of(request.scope)
    )
    return Response(user, headers={"Location": f"{request.site.path}/users/{user.username}"})


@post("/users", sync_to_thread=False, exclude_from_auth=True)
def refuse_registration() -> None:
    """Say that registration is closed, whatever was sent."""
    raise RegistrationClosed


@get("/users/me", tags=["users"], guards=[signed_in], contract=OPEN)
async def show_me(request: ApiRequest[None, None]) -> AccountView:
    """Your own account."""
    return request.account


@delete(
    "/users/me",
    tags=["users"],
    guards=[signed_in],
    contract=Contract(body=Farewell, problems=(WrongPassword, TooManyLogins)),
)
async def delete_me(request: ApiRequest[Farewell, None]) -> None:
    """Delete your account and every article it wrote.

    Its tokens do not hold from then on.
    """
    await request.blog.accounts.delete(
        actor=request.actor, password=request.payload.password, client=client_of(request.scope)
    )


@get("/users/{username:str}", tags=["users"], contract=Contract(path=UserPath, problems=(UserNotFound,)))
async def show_profile(username: PathWord, request: ApiRequest[None, None]) -> ProfileView:
    """A public profile."""
    try:
        name = Username(username)
    except Invalid:
        raise UserNotFound from None
    return await request.blog.user_queries.profile(name)

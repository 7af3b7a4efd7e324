"""Users."""

from litestar import Response, delete, get, post

from blog.application.accounts import Accounts
from blog.application.queries import AccountView, ProfileView, UserQueries
from blog.domain.errors import Invalid
from blog.domain.users import (
    Email,
    EmailTaken,
    NewPassword,
    Password,
    Username,
    UsernameTaken,
    UserNotFound,
    WrongPassword,
)
from blog.entrypoints.formats.feeds import Site
from blog.entrypoints.http.contract import Body, Contract, Path


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
    contract=Contract(body=Registration, headers=("Location",), problems=(EmailTaken, UsernameTaken)),
)
async def register(payload: Registration, accounts: Accounts, site: Site) -> Response[AccountView]:
    """Register an account.

    Names and addresses that differ in case alone are the same.
    """
    user = await accounts.register(email=payload.email, username=payload.username, password=payload.password)
    return Response(user, headers={"Location": f"{site.path}/users/{user.username}"})


@get("/users/me", tags=["users"], contract=Contract(signed_in=True))
async def show_me(account: AccountView) -> AccountView:
    """Your own account."""
    return account


@delete(
    "/users/me",
    tags=["users"],
    contract=Contract(body=Farewell, signed_in=True, problems=(WrongPassword,)),
)
async def delete_me(
    payload: Farewell,
    actor: int,
    accounts: Accounts,
) -> None:
    """Delete your account and every article it wrote.

    Its tokens do not hold from then on.
    """
    await accounts.delete(actor=actor, password=payload.password)


@get("/users/{username:str}", tags=["users"], contract=Contract(path=UserPath, problems=(UserNotFound,)))
async def show_profile(username: str, user_queries: UserQueries) -> ProfileView:
    """A public profile."""
    try:
        name = Username(username)
    except Invalid:
        raise UserNotFound from None
    return await user_queries.profile(name)

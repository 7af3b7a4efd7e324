"""Users."""

from litestar import Response, delete, get, post

from blog.application.accounts import Accounts
from blog.application.queries import AccountView, ProfileView, UserQueries
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
    contract=Contract(
        body=Registration,
        exclude_from_auth=True,
        headers=("Location",),
        problems=(RegistrationClosed, EmailTaken, UsernameTaken),
    ),
)
async def register(payload: Registration, accounts: Accounts, site: Site, client: str) -> Response[AccountView]:
    """Register an account.

    Names and addresses that differ in case alone are the same. A password that many others have, and one's own name
    or address, is refused (422). Where registration is closed, every request is (403).
    """
    user = await accounts.register(
        email=payload.email, username=payload.username, password=payload.password, client=client
    )
    return Response(user, headers={"Location": f"{site.path}/users/{user.username}"})


@post("/users", sync_to_thread=False, contract=Contract(exclude_from_auth=True))
def refuse_registration() -> None:
    """Say that registration is closed, whatever was sent."""
    raise RegistrationClosed


@get("/users/me", tags=["users"], contract=Contract(signed_in=True))
async def show_me(account: AccountView) -> AccountView:
    """Your own account."""
    return account


@delete(
    "/users/me",
    tags=["users"],
    contract=Contract(body=Farewell, signed_in=True, problems=(WrongPassword, TooManyLogins)),
)
async def delete_me(
    payload: Farewell,
    actor: int,
    accounts: Accounts,
    client: str,
) -> None:
    """Delete your account and every article it wrote.

    Its tokens do not hold from then on.
    """
    await accounts.delete(actor=actor, password=payload.password, client=client)


@get("/users/{username:str}", tags=["users"], contract=Contract(path=UserPath, problems=(UserNotFound,)))
async def show_profile(username: str, user_queries: UserQueries) -> ProfileView:
    """A public profile."""
    try:
        name = Username(username)
    except Invalid:
        raise UserNotFound from None
    return await user_queries.profile(name)

"""Requests as handlers get them: authenticated, validated, and with the blog that they are for."""

from typing import TYPE_CHECKING, Generic, TypeVar

from litestar import Request
from litestar.datastructures import State
from litestar.params import FromPath

from blog.application.blog import Blog
from blog.application.ports import RequestKey
from blog.application.queries import AccountView
from blog.domain.preconditions import Precondition
from blog.entrypoints.formats.feeds import Site
from blog.entrypoints.http.delivery import Budget
from blog.entrypoints.http.limits import PageLimits

PathWord = FromPath[str]
"""A word of the path, as a handler's parameter of its name."""

PayloadT = TypeVar("PayloadT")
ParametersT = TypeVar("ParametersT")


class ApiRequest(Request[AccountView | None, None, State], Generic[PayloadT, ParametersT]):
    """A request with a body of the first type and a query of the second; None where its route takes none.

    `Authentication` and `validate` have seen it before its handler does.
    """

    if not TYPE_CHECKING:
        # Litestar compares the type of each request with that of the handler's parameter, and a class with types in
        # brackets takes it as long as half of what it does for a route otherwise.
        def __class_getitem__(cls, _: object) -> type["ApiRequest"]:
            return cls

    @property
    def blog(self) -> Blog:
        """The blog."""
        blog: Blog = self.app.state["blog"]()
        return blog

    @property
    def site(self) -> Site:
        """Where the blog is for its readers."""
        site: Site = self.app.state["site"]
        return site

    @property
    def limits(self) -> PageLimits:
        """How many pages of each kind may be made at a time."""
        limits: PageLimits = self.app.state["limits"]
        return limits

    @property
    def budget(self) -> Budget:
        """How many bytes of large replies may be held."""
        budget: Budget = self.app.state["budget"]
        return budget

    @property
    def payload(self) -> PayloadT:
        """The body."""
        payload: PayloadT = self.scope["state"]["payload"]
        return payload

    @property
    def parameters(self) -> ParametersT:
        """The parameters of the query."""
        parameters: ParametersT = self.scope["state"]["parameters"]
        return parameters

    @property
    def account(self) -> AccountView:
        """The user who is signed in; for routes with the guard `signed_in`."""
        account: AccountView = self.scope["user"]
        return account

    @property
    def actor(self) -> int:
        """The id of the user who is signed in; for routes with the guard `signed_in`."""
        return self.account.id

    @property
    def viewer(self) -> int | None:
        """The id of the user who reads, if known."""
        user = self.scope["user"]
        return user.id if user else None

    @property
    def precondition(self) -> Precondition:
        """For which version a change is made."""
        precondition: Precondition = self.scope["state"]["precondition"]
        return precondition

    @property
    def request_key(self) -> RequestKey | None:
        """By what the request is known when it comes again."""
        key: RequestKey | None = self.scope["state"].get("request_key")
        return key

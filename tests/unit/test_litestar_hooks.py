"""Litestar's hooks do in this application what Litestar's manual says of them, also beside our own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import msgspec
import pytest
from litestar import Request, Response, Router, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException, ImproperlyConfiguredException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.params import FromPath, FromQuery

from blog.container import Container, close, in_memory
from blog.domain.articles import Title
from blog.domain.errors import BlogError, NotFound
from blog.domain.tags import Tags
from blog.entrypoints.http.app import build, router
from blog.entrypoints.http.authentication import Authentication, signed_in
from blog.entrypoints.http.contract import JSON, Body, Contract, Query
from blog.entrypoints.http.delivery import IN_FLIGHT, LARGE
from blog.entrypoints.http.replies import Answer
from blog.entrypoints.http.requests import ApiRequest
from tests.builders import Clock
from tests.contracts.asking import problem, sign_in, wrong
from tests.support import quick


@asynccontextmanager
async def api(*handlers: Any, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The production application, with these routes beside its own, as its own are."""
    async with serving(router("/mine", handlers, **options)) as client:
        yield client


@asynccontextmanager
async def serving(*routers: Router) -> AsyncIterator[httpx.AsyncClient]:
    """The production application, with these routers beside its own."""
    container = quick(in_memory, Clock())
    transport = httpx.ASGITransport(build(container, routers=routers))
    async with httpx.AsyncClient(transport=transport, base_url="http://blog.test") as client:
        yield client
    await close(container)


class Word(Query, frozen=True):
    """A query."""

    word: str = "nothing"


async def test_a_guard_refuses_before_anything_is_read() -> None:
    async def deny(_: ASGIConnection[Any, Any, Any, Any], __: BaseRouteHandler) -> None:
        raise PermissionDeniedException("Not you.")

    @post("/", guards=[deny], contract=Contract(query=Word))
    async def guarded(request: ApiRequest[None, Word]) -> str:
        return request.parameters.word

    async with api(guarded) as client:
        assert problem(await client.post("/mine?unknown=1"), 403)["detail"] == "Not you."


async def test_a_guard_sees_who_is_signed_in() -> None:
    @get("/", guards=[signed_in], contract=Contract())
    async def name(request: ApiRequest[None, None]) -> str:
        return str(request.user.username) if request.user else ""

    async with api(name) as client:
        assert problem(await client.get("/mine"), 401)
        assert (await client.get("/mine", headers=await sign_in(client, "Ada"))).text == "Ada"


async def test_a_handler_is_given_what_litestar_gives() -> None:
    async def words(request: Request[Any, Any, Any]) -> list[str]:
        return request.headers.get("x-words", "").split(",")

    @get("/{number:int}", dependencies={"words": Provide(words)}, opt={"greeting": "Hello"}, contract=Contract())
    async def show(
        number: FromPath[int], words: NamedDependency[list[str]], request: ApiRequest[None, None], state: State
    ) -> Any:
        return [number, words, request.route_handler.opt["greeting"], "site" in state]

    async with api(show) as client:
        answer = await client.get("/mine/7", headers={"X-Words": "a,b"})
        assert answer.json() == [7, ["a", "b"], "Hello", True]
        assert problem(await client.get("/mine/seven"), 404)


@pytest.mark.parametrize("encoded", [True, False])
async def test_a_route_gives_its_replies_headers(encoded: bool) -> None:
    @get("/", response_headers={"X-Mine": "yes", "X-Other": "route"}, contract=Contract())
    async def show() -> Response[Any]:
        headers = {"X-Other": "reply"}
        return Answer(b"{}", media_type=JSON, headers=headers) if encoded else Response({}, headers=headers)

    async with api(show) as client:
        answer = await client.get("/mine")
        assert (answer.json(), answer.headers["X-Mine"], answer.headers["X-Other"]) == ({}, "yes", "reply")


async def test_a_reply_that_finds_the_budget_taken_since_it_was_checked_is_a_503() -> None:
    @get("/", contract=Contract())
    async def show(request: ApiRequest[None, None]) -> Answer:
        request.budget.check(2 * LARGE)
        request.budget.taken += IN_FLIGHT
        return Answer(b"x" * 2 * LARGE, media_type="text/plain")

    async with api(show) as client:
        answer = await client.get("/mine")
        assert problem(answer, 503)["detail"].startswith("Too many large replies")
        assert int(answer.headers["Retry-After"]) > 0


async def test_cookies_of_a_reply_are_sent() -> None:
    @get("/", contract=Contract())
    async def show() -> Answer:
        answer = Answer(b"{}", media_type=JSON)
        answer.set_cookie("seen", "yes")
        return answer

    async with api(show) as client:
        assert (await client.get("/mine")).cookies["seen"] == "yes"


async def test_the_innermost_before_request_is_the_one() -> None:
    async def mine(_: Request[Any, Any, Any]) -> Response[str]:
        return Response("mine")

    @get("/", before_request=mine, contract=Contract())
    async def show() -> str:
        return "the handler's"

    async with api(show) as client:
        assert (await client.get("/mine")).text == "mine"


async def test_a_router_has_exception_handlers_and_middleware_of_its_own() -> None:
    def in_words(_: Request[Any, Any, Any], error: BlogError) -> Response[dict[str, str]]:
        return Response({"message": str(error)}, status_code=418)

    def marked(app: Any) -> Any:
        async def middleware(scope: Any, receive: Any, send: Any) -> None:
            async def sending(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"x-marked", b"yes")]
                await send(message)

            await app(scope, receive, sending)

        return middleware

    @get("/", contract=Contract())
    async def fail() -> None:
        raise NotFound

    async with api(fail, exception_handlers={BlogError: in_words}, middleware=[marked]) as client:
        answer = await client.get("/mine")
        assert (answer.status_code, answer.json()) == (418, {"message": str(NotFound())})
        assert answer.headers["x-marked"] == "yes"
        assert problem(await client.get("/articles/7"), 404)
        assert "x-marked" not in (await client.get("/articles")).headers


async def test_a_route_without_a_contract_is_left_to_litestar() -> None:
    @get("/")
    async def add(one: FromQuery[int], two: FromQuery[int] = 2) -> int:
        return one + two

    async with api(add) as client:
        assert (await client.get("/mine?one=1&two=3")).json() == 4


async def test_a_query_and_a_body_are_what_the_contract_names() -> None:
    class Given(Body):
        number: int

    @post("/", status_code=200, contract=Contract(query=Word, body=Given))
    async def show(request: ApiRequest[Given, Word]) -> Any:
        return [request.parameters.word, request.payload.number]

    async with api(show) as client:
        assert (await client.post("/mine?word=a", json={"number": 1})).json() == ["a", 1]
        assert set(wrong(await client.post("/mine?words=a", json={"number": "1"}))) == {"words", "#/number"}


class Inner(Body):
    """An object within another."""

    name: Title
    words: Tags | msgspec.UnsetType = msgspec.UNSET


class Outer(Body):
    """A body with objects in it."""

    one: Inner
    some: Annotated[list[Inner], msgspec.Meta(max_length=2)] | msgspec.UnsetType = msgspec.UNSET


@pytest.mark.parametrize(
    ("sent", "errors"),
    [
        ({"one": {"name": "a"}}, {}),
        ({"one": {"name": "a", "words": ["x"]}, "some": [{"name": "b"}, {"name": "c"}]}, {}),
        ({}, {"#/one": "Is missing."}),
        ({"one": "a"}, {"#/one": "Must be an object."}),
        ({"one": None}, {"#/one": "Must be an object."}),
        ({"one": {}}, {"#/one/name": "Is missing."}),
        ({"one": {"name": 7, "words": [1]}}, {"#/one/name": "Must be a string.", "#/one/words": None}),
        ({"one": {"name": "a", "a/b~": 1}}, {"#/one/a~1b~0": "Is not a field of this request."}),
        ({"one": {"name": "a"}, "some": {}}, {"#/some": "Must be a list."}),
        ({"one": {"name": "a"}, "some": [{"name": "b"}, 7]}, {"#/some/1": "Must be an object."}),
        ({"one": {"name": "a"}, "some": [{}, {"name": ""}]}, {"#/some/0/name": "Is missing.", "#/some/1/name": None}),
        ({"one": {"name": "a"}, "some": [{"name": "b"}] * 3}, {"#/some": "Must have at most 2 items."}),
        ({"one": {"name": "a"}, "some": [{"name": "b"}] * 9999}, {"#/some": "Must have at most 2 items."}),
    ],
)
async def test_each_error_of_a_nested_body_is_at_its_json_pointer(
    sent: dict[str, Any], errors: dict[str, str | None]
) -> None:
    @post("/", status_code=200, contract=Contract(body=Outer))
    async def show(request: ApiRequest[Outer, None]) -> Any:
        some = request.payload.some or []
        return [str(each.name) for each in (request.payload.one, *some)]

    async with api(show) as client:
        answer = await client.post("/mine", json=sent)
        if not errors:
            names = [sent["one"]["name"], *(each["name"] for each in sent.get("some", []))]
            assert (answer.status_code, answer.json()) == (200, names)
            return
        said = wrong(answer)
        assert said.keys() == errors.keys()
        assert {name: said[name] for name, detail in errors.items() if detail} == {
            name: detail for name, detail in errors.items() if detail
        }


@pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")
def test_a_misspelled_parameter_of_a_handler_is_found_at_the_start(container: Container) -> None:
    @get("/", contract=Contract(query=Word))
    async def show(parametres: Word) -> str:
        return parametres.word

    with pytest.raises(ImproperlyConfiguredException, match="parametres"):
        build(container, routers=[router("/mine", [show])])


class TokenAuthentication(Authentication):
    """Another scheme than the API's."""

    scheme = "Token"


async def test_a_second_contract_has_its_own_scheme_and_its_own_errors() -> None:
    def in_other_words(_: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        return Response({"errors": {"body": [str(error)]}}, status_code=422)

    @get("/user")
    async def show_user(request: Request[Any, Any, Any]) -> Any:
        return {"user": {"username": request.user.username}}

    second = Router(
        "/second",
        route_handlers=[show_user],
        middleware=[DefineMiddleware(TokenAuthentication)],
        exception_handlers={BlogError: in_other_words, HTTPException: in_other_words},
    )
    async with serving(second) as client:
        token = (await sign_in(client, "Ada"))["Authorization"].removeprefix("Bearer ")
        answer = await client.get("/second/user", headers={"Authorization": f"Token {token}"})
        assert answer.json() == {"user": {"username": "Ada"}}
        answer = await client.get("/second/user", headers={"Authorization": "Token none"})
        assert (answer.status_code, list(answer.json())) == (422, ["errors"])
        assert problem(await client.get("/users/me"), 401)
        assert problem(await client.get("/users/me", headers={"Authorization": f"Token {token}"}), 401)

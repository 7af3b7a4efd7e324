"""How the contracts ask the blog, and read what it answers."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from blog.container import Container
from blog.entrypoints.http.app import build

PASSWORD = "correct horse battery"
ARTICLE = {"title": "On engines", "content": "The engine weaves algebraic patterns.", "published": True}
DRAFT = ARTICLE | {"published": False}
MISSING = {"title": "Not Found", "status": 404, "detail": "Article not found"}


async def register(client: httpx.AsyncClient, name: str = "Ada") -> dict[str, Any]:
    answer = await client.post(
        "/users", json={"email": f"{name}@example.org", "username": name, "password": PASSWORD}
    )
    assert answer.status_code == 201
    return dict(answer.json())


async def token_of(client: httpx.AsyncClient, name: str = "Ada") -> str:
    answer = await client.post("/auth/login", data={"username": name, "password": PASSWORD})
    assert answer.status_code == 200
    return str(answer.json()["access_token"])


async def sign_in(client: httpx.AsyncClient, name: str) -> dict[str, str]:
    """Somebody new: the headers that say who asks."""
    await register(client, name)
    return await signed_in(client, name)


async def signed_in(client: httpx.AsyncClient, name: str) -> dict[str, str]:
    """Somebody who is known, perhaps once more: a token is over in half an hour."""
    return bearer(await token_of(client, name))


async def write(client: httpx.AsyncClient, author: dict[str, str], **different: Any) -> dict[str, Any]:
    """An article as it was written: a published one, unless it is to be different; what is None is not sent."""
    article = {name: value for name, value in (ARTICLE | different).items() if value is not None}
    answer = await client.post("/articles", json=article, headers=author)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def edit(client: httpx.AsyncClient, author: dict[str, str], article: dict[str, Any], **changes: Any) -> Any:
    """The article after a change."""
    answer = await client.patch(f"/articles/{article['id']}", json=changes, headers=author)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def found(client: httpx.AsyncClient, path: str, reader: dict[str, str] | None = None) -> Any:
    """What is at a path, for somebody or for nobody in particular."""
    answer = await client.get(path, headers=reader)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def hidden(client: httpx.AsyncClient, path: str, reader: dict[str, str] | None = None) -> bool:
    """Whether there is nothing at a path for somebody, or for nobody in particular."""
    answer = await client.get(path, headers=reader)
    assert answer.status_code in (200, 404), answer.text
    return answer.status_code == 404


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The reply as a problem, after a look at what every problem has."""
    assert answer.headers["content-type"] == "application/problem+json"
    content = dict(answer.json())
    assert answer.status_code == content["status"] == status
    assert content["title"]
    assert content["detail"]
    more = {412: {"version", "changed_by", "changed_at"}, 422: {"errors"}}.get(status, set())
    signing_in = (answer.request.method, answer.request.url.path) == ("POST", "/auth/login")
    always = {"title", "status", "detail"} | ({"error"} if signing_in else set())
    assert always <= set(content) <= always | more
    return content


def headers(answer: httpx.Response) -> dict[str, str]:
    """The headers of a reply, but for what names the request."""
    return {name: value for name, value in answer.headers.items() if name != "x-request-id"}


def wrong(answer: httpx.Response) -> dict[str, str]:
    """What is wrong by place, of a reply that must be 422."""
    errors = problem(answer, 422)["errors"]
    places = [error.get("pointer") or error.get("parameter", error.get("header")) for error in errors]
    assert len(set(places)) == len(places), "a place is named twice"
    return {place: error["detail"] for place, error in zip(places, errors, strict=True)}


@pytest.fixture
async def ada(client: httpx.AsyncClient) -> dict[str, str]:
    """Ada, signed in: the headers that say so."""
    return await sign_in(client, "Ada")


@pytest.fixture
async def bob(client: httpx.AsyncClient) -> dict[str, str]:
    return await sign_in(client, "Bob")


@pytest.fixture
async def strict(container: Container) -> AsyncIterator[httpx.AsyncClient]:
    """The same blog, told to refuse changes that do not say which version they are for."""
    with container.settings.override(replace(container.settings(), require_if_match=True)):
        app = build(container)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://blog.test") as client:
        yield client

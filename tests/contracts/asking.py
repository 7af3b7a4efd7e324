"""How the contracts ask the blog, and read what it answers."""

from typing import Any

import httpx
import pytest

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


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The reply as a problem, after a look at what every problem has."""
    assert answer.headers["content-type"] == "application/problem+json"
    content = dict(answer.json())
    assert answer.status_code == content["status"] == status
    assert content["title"]
    assert content["detail"]
    assert set(content) <= {"title", "status", "detail", "errors"}
    return content


def headers(answer: httpx.Response) -> dict[str, str]:
    """The headers of a reply, but for what names the request."""
    return {name: value for name, value in answer.headers.items() if name != "x-request-id"}


def wrong(answer: httpx.Response) -> dict[str, str]:
    """What is wrong by place, of a reply that must be 422."""
    errors = problem(answer, 422)["errors"]
    places = [error.get("pointer") or error["parameter"] for error in errors]
    assert len(set(places)) == len(places), "a place is named twice"
    return {place: error["detail"] for place, error in zip(places, errors, strict=True)}


@pytest.fixture
async def ada(client: httpx.AsyncClient) -> dict[str, str]:
    """Ada, signed in: the headers that say so."""
    await register(client, "Ada")
    return bearer(await token_of(client, "Ada"))


@pytest.fixture
async def bob(client: httpx.AsyncClient) -> dict[str, str]:
    await register(client, "Bob")
    return bearer(await token_of(client, "Bob"))

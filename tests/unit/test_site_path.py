"""A path in SITE_URL: the blog behind a proxy that takes the path away, as a client outside of it sees the blog.

Whatever looks like an address of the service, in any header or body that it sends, lies below SITE_URL, and is there.
"""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import unquote, urljoin

import httpx
import pytest

from blog.container import Container, in_memory
from blog.entrypoints.http import docs
from blog.entrypoints.http.app import build
from blog.entrypoints.http.edge import ASGIApp
from tests.builders import Clock
from tests.contracts.asking import ARTICLE, edit, sign_in, write
from tests.support import quick

pytestmark = pytest.mark.http

HOST = "https://blog.example"
PATHS = ["", "/blog", "/nested/blog", "/A/~b%20c"]

Found = tuple[str, str]
"""Where an address was, and the address."""


def behind_proxy(app: ASGIApp, path: str) -> ASGIApp:
    """What a proxy does for a blog below a path: it takes the path away, and knows nothing else."""

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        raw = scope["raw_path"].decode()
        if raw.startswith(f"{path}/"):
            rest = raw.removeprefix(path)
            await app({**scope, "path": unquote(rest), "raw_path": rest.encode()}, receive, send)
            return
        await send({"type": "http.response.start", "status": 404, "headers": [(b"x-outside", b"yes")]})
        await send({"type": "http.response.body", "body": b""})

    return proxy


def is_address(text: str) -> bool:
    return bool(re.match(rf"/|{HOST}(/|$)", text))


def in_text(place: str, text: str) -> Iterator[Found]:
    """The addresses in what a reply holds for a person or a program: a value, or markup with attributes."""
    if is_address(text):
        yield place, text
    elif "<" in text:
        for name, value in re.findall(r'\s([a-z-]+)="([^"]*)"', text):
            if is_address(value):
                yield f"{place} {name}", unescape(value)
        for tag, value in re.findall(r"<(\w+)[^>]*>([^<]+)(?=<)", text):
            # The HTML of an article is the text of an element in XML.
            yield from in_text(f"{place} {tag}", unescape(value))


def in_json(place: str, value: object) -> Iterator[Found]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from in_json(f"{place} {name}" if place else name, each)
    elif isinstance(value, list):
        for each in value:
            yield from in_json(place, each)
    elif isinstance(value, str):
        yield from in_text(place, value)


def in_body(reply: httpx.Response) -> Iterator[Found]:
    kind = reply.headers.get("content-type", "").partition(";")[0]
    if kind.endswith("json") and reply.content:
        yield from in_json("", reply.json())
    elif kind == "text/javascript":
        if "bundle" not in str(reply.url):  # Swagger UI has addresses of its own, none of which is of a service.
            yield from ((kind, text) for text in re.findall(r'"([^"]*)"', reply.text) if is_address(text))
    elif kind == "text/plain":
        for line in reply.text.splitlines():
            name, _, value = line.partition(": ")
            yield from in_text(name, value)
    elif kind in ("text/html", "text/css") or kind.endswith("xml"):
        yield from in_text("", reply.text)


def in_headers(reply: httpx.Response) -> Iterator[Found]:
    for name, value in reply.headers.multi_items():
        links = re.findall(r'<([^>]*)>; rel="(\w+)"', value)
        yield from ((f"{name} {relation}", address) for address, relation in links)
        if is_address(value):
            yield name, value


class Visitor:
    """A client that notes which addresses it is given, and of what kind they are."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self.site = HOST + path
        self.found: dict[str, set[str]] = {}
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(behind_proxy(app, path)),
            base_url=f"{self.site}/",
            event_hooks={"response": [self.note]},
        )

    async def note(self, reply: httpx.Response) -> None:
        await reply.aread()
        assert "x-outside" not in reply.headers, f"{reply.request.method} {reply.url} is outside of the blog"
        asked = f"{reply.request.method} {str(reply.url.copy_with(query=None)).removeprefix(self.site)}"
        for place, address in [*in_headers(reply), *in_body(reply)]:
            way = " by cursor" if "cursor=" in address else ""
            kind = " ".join(f"{re.sub('[0-9]+', 'N', asked)}: {place}{way}".split())
            # As a client does it (RFC 3986, section 5).
            self.found.setdefault(kind, set()).add(urljoin(str(reply.url), address))


async def visit(visitor: Visitor) -> dict[str, str]:
    """Have the service write every kind of address. Returns the headers of the author, who may follow them all."""
    client = visitor.client
    ada = await sign_in(client, "Ada")
    first = await write(client, ada, content="On [looms](on-looms), [below](#below) and [Ada](../users/Ada).")
    await write(client, ada, title="On looms", tags=["a/b"])
    for title in ("More", "And more"):
        await write(client, ada, title=title)
    one = f"/articles/{first['id']}"
    await edit(client, ada, first, slug="engines-that-weave", title="Engines")
    await client.patch(f"{one}/working-copy", json={"title": "Of engines"}, headers=ada)
    await client.post(f"{one}/working-copy/publish", headers=ada)
    await client.post(f"{one}/revisions/1/restore", headers=ada)
    await client.post(f"{one}/previews", json={}, headers=ada)
    by_cursor = await client.get("/articles?cursor=&limit=2")
    for path in (
        *("/articles/on-engines?include=author", f"{one}?include=content_html", "/articles/0", "/nowhere"),
        *("/users/me", f"{one}/working-copy", f"{one}/previews", f"{one}/revisions/2/diff?against=1", "/tags"),
        *("/articles?skip=1&limit=1", f"{one}/revisions?skip=1&limit=1"),
        *(urljoin(str(by_cursor.url), by_cursor.links["next"]["url"]), "/health/ready"),
    ):
        await client.get(path, headers=ada)
    for place in ("/feed", "/users/Ada/feed", "/tags/a%2Fb/feed"):
        for kind in ("atom", "rss", "json"):
            await client.get(f"{place}.{kind}")
    for path in ("/docs", "/docs/", *(f"/docs/{name}" for name in docs.MEDIA_TYPES)):
        await client.get(path)
    for path in ("/openapi.json", "/sitemap.xml", "/robots.txt"):
        await client.get(path)
    return ada


KINDS = {
    "POST /users: location",
    "POST /articles: location",
    "GET /articles/on-engines: location",
    "GET /articles: link next",
    "GET /articles: link prev",
    "GET /articles: link alternate",
    "GET /articles: link next by cursor",
    "GET /articles: link prev by cursor",
    "GET /articles/N/revisions: link next",
    "GET /articles/N/revisions: link prev",
    "POST /articles/N/previews: url",
    *(f"GET {page}: {name}" for page in ("/docs", "/docs/") for name in ("href", "src", "a")),
    "GET /openapi.json: servers url",
    "GET /openapi.json: components securitySchemes password flows password tokenUrl",
    "GET /openapi.json: components schemas IssuedPreviewReply examples url",
    "GET /feed.atom: href",
    "GET /feed.atom: content href",
    "GET /feed.rss: link",
    "GET /feed.json: feed_url",
    "GET /feed.json: items url",
    "GET /feed.json: items content_html href",
    "GET /users/Ada/feed.atom: href",
    "GET /tags/a%NFb/feed.atom: href",
    "GET /sitemap.xml: loc",
    "GET /robots.txt: Disallow",
    "GET /robots.txt: Allow",
    "GET /robots.txt: Sitemap",
}
"""At the least: where addresses are."""

NO_PAGES = {
    "servers url": None,
    "GET /robots.txt: Allow": 404,
    "GET /robots.txt: Disallow": 422,
    "tokenUrl": 405,
    "IssuedPreviewReply examples url": 404,
}
"""What is not read as it stands, by the ends of kinds, and what it is answered all the same."""


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def below(clock: Clock, path: str) -> Iterator[Container]:
    """A blog that is below the path."""
    container = quick(in_memory, clock, SITE_URL=HOST + path)
    yield container
    container.hasher().close()
    container.markdown().close()


@pytest.fixture
async def visitor(below: Container, path: str) -> AsyncIterator[Visitor]:
    visitor = Visitor(build(below), path)
    async with visitor.client:
        yield visitor


async def test_every_address_that_is_written_is_below_the_path_and_is_there(visitor: Visitor) -> None:
    ada = await visit(visitor)
    assert set(visitor.found) >= KINDS
    found = {(kind, address) for kind, addresses in visitor.found.items() for address in addresses}
    outside = [(kind, there) for kind, there in found if not f"{there}/".startswith(f"{visitor.site}/")]
    assert outside == []
    for kind, address in sorted(found):
        expected = next((status for end, status in NO_PAGES.items() if kind.endswith(end)), 200)
        if expected:
            reply = await visitor.client.get(address, headers=ada)
            assert reply.status_code == expected, (kind, address, reply.text)
    # What came of following them had addresses, too.
    assert [there for each in visitor.found.values() for there in each if not there.startswith(visitor.site)] == []


async def test_an_operation_of_the_document_is_at_its_server_and_path(visitor: Visitor, path: str) -> None:
    reply = await visitor.client.get("/openapi.json")
    document = reply.json()
    assert [server["url"] for server in document["servers"]] == [path or "/", HOST + path]
    for address in document["paths"]:
        there = urljoin(str(reply.url), document["servers"][0]["url"].rstrip("/") + address)
        assert (
            await visitor.client.options(re.sub(r"{\w+}", "1", there.replace("{format}", "atom")))
        ).status_code == 204


async def test_the_addresses_are_these(visitor: Visitor, path: str) -> None:
    client = visitor.client
    reply = await client.post(
        "/users", json={"email": "bob@example.org", "username": "Bob", "password": "correct horse battery"}
    )
    assert reply.headers["location"] == f"{path}/users/Bob"
    ada = await sign_in(client, "Ada")
    reply = await client.post("/articles", json=ARTICLE, headers=ada)
    article = reply.json()
    assert reply.headers["location"] == f"{path}/articles/{article['id']}"
    await write(client, ada)
    links = (await client.get("/articles?limit=1")).links
    assert links["next"]["url"] == f"{path}/articles?skip=1&limit=1"
    assert links["alternate"]["url"] == f"{HOST}{path}/feed.atom"
    await edit(client, ada, article, slug="engines")
    reply = await client.get("/articles/on-engines?fields=id")
    assert (reply.status_code, reply.headers["location"]) == (308, f"{path}/articles/engines?fields=id")
    reply = await client.get(f"/articles/{article['id']}/revisions?limit=1", headers=ada)
    assert reply.links["next"]["url"] == f"{path}/articles/{article['id']}/revisions?skip=1&limit=1"
    preview = (await client.post(f"/articles/{article['id']}/previews", json={}, headers=ada)).json()
    assert preview["url"] == f"{path}/preview?token={preview['token']}"
    page = (await client.get("/docs")).text
    assert f'<script src="{path}/docs/start.js" defer>' in page
    assert f'<link rel="service-desc" href="{path}/openapi.json">' in page
    robots = (await client.get("/robots.txt")).text
    rules = f"User-agent: *\nDisallow: {path}/preview\nAllow: {path}/\n"
    assert robots == f"{rules}\nSitemap: {HOST}{path}/sitemap.xml\n"


async def test_what_the_service_takes_is_without_the_path(below: Container, path: str) -> None:
    """A proxy that leaves the path where it is finds nothing, so that each thing has one address."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build(below)), base_url=HOST) as client:
        for address in ("/articles", "/docs", "/openapi.json"):
            assert (await client.get(address)).status_code == 200
            assert (await client.get(path + address)).status_code == (404 if path else 200)


async def test_a_reply_that_is_given_again_is_right_after_a_move(below: Container, path: str) -> None:
    first, ada = Visitor(build(below), path), {}
    async with first.client as client:
        ada = await sign_in(client, "Ada") | {"Idempotency-Key": '"a key of mine"'}
        reply = await client.post("/articles", json=ARTICLE, headers=ada)
        assert reply.headers["location"] == f"{path}/articles/{reply.json()['id']}"
    with below.settings.override(replace(below.settings(), site_url=f"{HOST}/moved")):
        second = Visitor(build(below), "/moved")
    async with second.client as client:
        again = await client.post("/articles", json=ARTICLE, headers=ada)
        assert (again.status_code, again.content) == (reply.status_code, reply.content)
        assert again.headers["location"] == f"/moved/articles/{reply.json()['id']}"
        there = await client.get(urljoin(str(again.url), again.headers["location"]))
        assert (there.status_code, there.json()["id"]) == (200, reply.json()["id"])


@pytest.mark.parametrize("path", ["/a&b's"])
async def test_characters_of_the_path_that_mean_something_in_html_are_escaped(visitor: Visitor) -> None:
    page = await visitor.client.get("/docs")
    assert 'src="/a&amp;b&#x27;s/docs/start.js"' in page.text
    assert [there for each in visitor.found.values() for there in each if not there.startswith(visitor.site)] == []
    for address in {there for each in visitor.found.values() for there in each}:
        assert (await visitor.client.get(address)).status_code == 200

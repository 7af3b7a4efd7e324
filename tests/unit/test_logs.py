"""What is logged, and what never is."""

import json
import logging
import re
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import ip_network
from typing import Any, Literal

import httpx
import pytest
from sqlalchemy import make_url

from blog.adapters.database import Database
from blog.adapters.passwords import TooManyPasswords
from blog.container import Container
from blog.domain.errors import Unavailable
from blog.entrypoints import logs
from blog.entrypoints.http.edge import Receive, Send, edge
from blog.entrypoints.http.limits import PageLimiter
from blog.entrypoints.http.problems import cause_of
from tests.contracts.asking import edit, sign_in, write
from tests.support import replaced


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers and levels of the tests come back afterwards."""
    root, names = logging.getLogger(), ("", "blog", "httpx", "sqlalchemy.engine")
    levels = {name: logging.getLogger(name).level for name in names}
    before = root.handlers[:]
    logging.getLogger("httpx").setLevel(logging.WARNING)
    yield
    root.handlers[:] = before
    logs.access_log.stream = None
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


Captured = pytest.CaptureFixture[str]


def said(capsys: Captured) -> str:
    """What is to be read on standard error, with what would be written at the end of this turn of the loop."""
    logs.access_log.flush()
    return capsys.readouterr().err


def records(capsys: Captured) -> list[dict[str, Any]]:
    """What was logged as JSON: each line must be a whole record."""
    return [json.loads(line) for line in said(capsys).splitlines()]


async def test_a_request_is_one_line_with_its_id_and_none_of_its_secrets(
    client: httpx.AsyncClient, capsys: Captured
) -> None:
    logs.configure(log_format="json", debug=True)
    password = "correct horse battery"
    await client.post("/users", json={"email": "a@b.c", "username": "ada", "password": password})
    login = await client.post("/auth/login", data={"username": "ada", "password": password})
    token = login.json()["access_token"]
    answer = await client.post(
        "/articles",
        json={"title": "A title", "content": "Content to be kept out"},
        headers={"Authorization": f"Bearer {token}"},
    )
    logged = said(capsys)
    lines = [json.loads(line) for line in logged.splitlines()]
    assert [(line["event"], line["status"]) for line in lines] == [
        ("POST /users", 201),
        ("POST /auth/login", 200),
        ("POST /articles", 201),
    ]
    assert lines[2]["request_id"] == answer.headers["x-request-id"]
    assert len({line["request_id"] for line in lines}) == 3
    assert {"timestamp", "level", "logger", "milliseconds", "client"} <= set(lines[2])
    for secret in (password, token, "A title", "kept out", "$2b$", "a@b.c"):
        assert secret not in logged


async def test_a_fault_is_logged_once_with_the_id_of_its_reply(
    client: httpx.AsyncClient, container: Container, capsys: Captured
) -> None:
    logs.configure(log_format="json", debug=False)

    class Broken:
        async def page(self, **_: object) -> None:
            secret = "a local " + "variable"
            raise RuntimeError("the cause", len(secret))

    with replaced(container, article_queries=Broken()):
        answer = await client.get("/articles")
    fault, access = records(capsys)
    assert fault["level"] == "error"
    assert "RuntimeError: ('the cause'" in fault["exception"]
    assert fault["request_id"] == access["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-request-id"] in answer.json()["detail"]
    assert access["status"] == 500
    assert "a local variable" not in str(fault)


class Away:
    """Articles that cannot be had."""

    def __init__(self, how: Callable[[], Awaitable[object]]) -> None:
        self._how = how

    async def page(self, **_: object) -> None:
        await self._how()


async def _a_database_that_is_away() -> None:
    raise Unavailable from ConnectionRefusedError(111, "Connection refused")


async def _a_turn_that_does_not_come() -> None:
    turns = PageLimiter(at_once=1, patience=0.01)
    async with turns, turns:
        raise AssertionError("there is one turn")


async def _no_reason_at_all() -> None:
    raise Unavailable


async def _a_kind_of_its_own() -> None:
    raise TooManyPasswords


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        (_a_database_that_is_away, "Cause: ConnectionRefusedError(111, 'Connection refused')"),
        (_a_turn_that_does_not_come, "no turn within 0.01 seconds"),
        (
            _a_kind_of_its_own,
            "Too many passwords are being checked at the moment. Try again shortly. Cause: TooManyP",
        ),
        (_no_reason_at_all, "Cause: Unavailable in blog.entrypoints.http.articles.list_articles"),
    ],
)
async def test_a_503_says_why_and_on_which_route(
    client: httpx.AsyncClient,
    container: Container,
    capsys: Captured,
    how: Callable[[], Awaitable[object]],
    cause: str,
) -> None:
    logs.configure(log_format="json", debug=False)
    with replaced(container, article_queries=Away(how)):
        answer = await client.get("/articles?q=a-secret")
    assert answer.status_code == 503
    why, access = records(capsys)
    assert why["level"] == "warning"
    assert why["event"].startswith("503 on GET /articles: ")
    assert cause in why["event"]
    assert "None" not in why["event"]
    assert "a-secret" not in why["event"]
    assert why["request_id"] == access["request_id"]


async def test_what_a_deadline_ended_is_named() -> None:
    """A deadline says nothing itself: where in the blog something waited does."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = make_url(f"postgresql+asyncpg://u@127.0.0.1:{silent.getsockname()[1]}/d?ssl=disable")
        with pytest.raises(Unavailable) as caught:
            await Database(url, pool_size=1, timeout=0.05).acquire()
    assert cause_of(caught.value) == "TimeoutError in blog.adapters.database.pool.ConnectionPool.obtain"


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_a_line_break_in_an_input_stays_in_its_line(
    client: httpx.AsyncClient, capsys: Captured, log_format: Literal["json", "console"]
) -> None:
    logs.configure(log_format=log_format, debug=False)
    await client.get("/articles/1%0A2026-01-01%20[error]%20forged%1B[2J")
    logging.getLogger("blog").warning("a name: %s", "ada\nforged\x1b[2J\x9b")
    logged = said(capsys)
    assert len(logged.splitlines()) == 2
    assert "\x1b[2J" not in logged
    assert "\x9b" not in logged


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_a_status_is_a_number(
    client: httpx.AsyncClient, capsys: Captured, log_format: Literal["json", "console"]
) -> None:
    ada = await sign_in(client, "Ada")
    moved = await write(client, ada, slug="before")
    await edit(client, ada, moved, slug="after")
    logs.configure(log_format=log_format, debug=False)
    seen = set()
    for path in ("/articles", "/articles/before", "/articles?limit=0", "/users/me", "/nowhere", "/" + "a" * 9000):
        for method in ("GET", "POST", "OPTIONS"):
            answer = await client.request(method, path)
            line = re.sub(r"\x1b\[[0-9;]*m", "", said(capsys))
            assert re.search(rf'\bstatus("?:|=){answer.status_code}\b', line), line
            seen.add(answer.status_code)
    assert seen == {200, 204, 308, 401, 404, 405, 414, 422}


async def test_looking_at_health_is_no_news(client: httpx.AsyncClient, capsys: Captured) -> None:
    logs.configure(log_format="json", debug=False)
    await client.get("/health/live")
    assert said(capsys) == ""


def test_auto_is_for_machines_where_there_is_no_terminal(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    logs.configure(log_format="auto", debug=False)
    logging.getLogger("blog").info("to a machine")
    assert [record["event"] for record in records(capsys)] == ["to a machine"]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    logs.configure(log_format="auto", debug=False)
    logging.getLogger("blog").info("to a person")
    logged = said(capsys)
    assert "to a person" in logged
    assert not logged.startswith("{")


async def ask(peer: str | None, headers: dict[str, str], *proxies: str) -> tuple[Any, str, str]:
    """The client and the scheme that the application is told, and the id that the reply carries."""
    seen: dict[str, Any] = {}
    sent: list[dict[str, Any]] = []

    async def app(scope: dict[str, Any], _: Receive, send: Send) -> None:
        seen.update(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "scheme": "http",
        "client": (peer, 1234) if peer else None,
        "headers": [
            (name.lower().encode(), value.encode())
            for name, value in ({"Host": "blog.example.org"} | headers).items()
        ],
    }

    async def receive() -> dict[str, Any]:
        raise AssertionError("the application reads nothing")

    await edge(app, proxies=[ip_network(proxy) for proxy in proxies])(scope, receive, send)
    request_id = dict(sent[0]["headers"])[b"x-request-id"].decode()
    return seen["client"] and seen["client"][0], seen["scheme"], request_id


SAID = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "X-Request-ID": "abc.DEF-1_2"}


async def test_a_trusted_proxy_is_believed() -> None:
    for peer in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::1"):
        assert await ask(peer, SAID, "10.0.0.0/8", "fd00::/8") == ("203.0.113.7", "https", "abc.DEF-1_2")


async def test_nobody_else_is_believed() -> None:
    for peer, proxies in (
        ("10.1.2.3", []),
        ("192.0.2.1", ["10.0.0.0/8"]),
        (None, ["10.0.0.0/8"]),
        ("pipe", ["::/0"]),
    ):
        client, scheme, request_id = await ask(peer, SAID, *proxies)
        assert (client, scheme) == (peer, "http")
        assert request_id != "abc.DEF-1_2"
        assert len(request_id) == 32


async def test_what_the_client_wrote_itself_is_not_believed() -> None:
    told = SAID | {"X-Forwarded-For": "127.0.0.1, 203.0.113.7, 10.9.9.9"}
    assert (await ask("10.1.2.3", told, "10.0.0.0/8"))[0] == "203.0.113.7"


@pytest.mark.parametrize("nonsense", ["", "not an address", "203.0.113.7:80", "1\r\n2", "10.0.0.1"])
async def test_nonsense_from_a_proxy_changes_nothing(nonsense: str) -> None:
    told = {"X-Forwarded-For": nonsense, "X-Forwarded-Proto": nonsense, "X-Request-ID": nonsense + "\n" + "x" * 200}
    client, scheme, request_id = await ask("10.1.2.3", told, "10.0.0.0/8")
    assert (client, scheme, len(request_id)) == ("10.1.2.3", "http", 32)

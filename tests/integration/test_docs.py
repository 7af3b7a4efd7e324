"""The page at /docs, tried in a real browser against the real service.

Chromium is told what to do in its own protocol (DevTools), which tells in return what the page asks the network for
and what its console says. That takes a WebSocket and no driver, whose version would have to be the browser's.
"""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from blog.entrypoints.http import docs
from tests.integration.service import PASSWORD, PATIENCE, Service, eventually

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CONSOLE = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")


class Page:
    """A page of a browser, and what it has done so far."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._session: str | None = None
        self._calls = 0
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Log", "Network", "Page", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Have something done; the answer is its result."""
        self._calls += 1
        session = {"sessionId": self._session} if self._session else {}
        self._connection.send(json.dumps({"id": self._calls, "method": method, "params": parameters, **session}))
        while (message := json.loads(self._connection.recv(PATIENCE))).get("id") != self._calls:
            self.events.append(message)
        assert "error" not in message, message["error"]
        return dict(message["result"])

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, selector: str, text: str = "") -> None:
        """Wait until there is such an element, with this text in it."""
        found = f"[...document.querySelectorAll({selector!r})].some(e => (e.value || e.innerText).includes({text!r}))"
        eventually(lambda: self.evaluate(found), f"{selector} with {text!r} is in the page")

    def click(self, selector: str) -> None:
        self.wait_for(selector)
        self.evaluate(f"document.querySelector({selector!r}).click()")

    def write(self, selector: str, text: str) -> None:
        """Write into a field as a keyboard does, over what is there."""
        self.wait_for(selector)
        self.evaluate(f"document.querySelector({selector!r}).select()")
        self.call("Input.insertText", text=text)

    def requests(self) -> list[str]:
        """The addresses that the page has asked for, but those that are themselves what they are the address of."""
        asked = [
            event["params"]["request"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]
        return [request["url"] for request in asked if not request["url"].startswith("data:")]

    def failures(self) -> list[str]:
        """The addresses of what was asked for and refused, and why the browser could not ask for others."""
        answered = [
            event["params"]["response"] for event in self.events if event["method"] == "Network.responseReceived"
        ]
        failed = [event["params"] for event in self.events if event["method"] == "Network.loadingFailed"]
        return [f"{reply['status']} {reply['url']}" for reply in answered if reply["status"] >= 400] + [
            json.dumps(each) for each in failed
        ]

    def complaints(self) -> list[str]:
        """What its console has to say but advice: faults, and violations of its policy among them."""
        said = [event["params"] for event in self.events if event["method"] in CONSOLE]
        return [json.dumps(each) for each in said if each.get("entry", {}).get("level") != "verbose"]


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A page of a Chromium that knows nothing and keeps nothing."""
    assert CHROMIUM
    process = subprocess.Popen(
        [
            CHROMIUM,
            *("--headless", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--disable-sync"),
            *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
            "--no-sandbox",  # It needs rights that not every machine gives, and shields from pages of others.
            *("--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"),
        ],
        env=os.environ | {"HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        written = folder / "DevToolsActivePort"
        eventually(lambda: written.exists() and written.read_text().count("\n"), "Chromium is ready")
        port, path = written.read_text().splitlines()
        with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None) as connection:
            page = Page(connection)
            yield page
            page.call("Browser.close")
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()


class Proxy(ThreadingHTTPServer):
    """Passes on what is asked for below /blog, without that, to a port; it knows nothing else."""

    daemon_threads = True
    upstream: int

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ProxyHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # A reply in two pieces would wait for the client's word on the first one.
    server: Proxy

    def answer(self) -> None:
        status, headers, body = self.passed_on()
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def passed_on(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """What the service replies; nothing is found elsewhere."""
        sent = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if not self.path.startswith("/blog/"):
            return 404, [], b""
        with closing(HTTPConnection("127.0.0.1", self.server.upstream, timeout=PATIENCE)) as connection:
            connection.request(self.command, self.path.removeprefix("/blog"), sent, dict(self.headers))
            reply = connection.getresponse()
            return reply.status, reply.getheaders(), reply.read()

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def below_a_path(folder: Path) -> Iterator[tuple[Service, str]]:
    """The service, and where it is for readers: behind a proxy, at /blog of a host."""
    with Proxy() as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        site = f"{proxy.url}/blog"
        with Service(folder, site_url=site) as service:
            proxy.upstream = service.port
            thread.start()
            try:
                yield service, site
            finally:
                proxy.shutdown()
                thread.join()


@contextmanager
def at_the_root(folder: Path) -> Iterator[tuple[Service, str]]:
    """The service, and where it is for readers: at its own port."""
    with Service(folder) as service:
        yield service, service.url


def sign_in(page: Page, name: str) -> None:
    """Sign in with the form that the page has for that."""
    page.click("button.authorize")
    page.write("#oauth_username", name)
    page.write("#oauth_password", PASSWORD)
    page.click(".modal-ux button.authorize")
    page.wait_for(".modal-ux h6", "Authorized")
    page.click(".modal-ux button.btn-done")


def open_everything(page: Page) -> None:
    """Open every operation."""
    closed = "document.querySelectorAll('.opblock:not(.is-open) button.opblock-summary-control')"
    # A few at a time: all at once would keep the page from answering for a while.
    few = f"[...{closed}].slice(0, 5).forEach(button => button.click())"

    def is_open() -> bool:
        page.evaluate(few)
        return bool(page.evaluate(f"{closed}.length") == 0)

    eventually(is_open, "every operation is open", within=2 * PATIENCE)


def reload(page: Page) -> None:
    """Load the page anew, and wait until its API is there."""
    page.evaluate("window.isOld = true")
    page.call("Page.reload")
    eventually(lambda: page.evaluate("!window.isOld"), "the page is a new one")
    page.wait_for(".opblock")


def execute(page: Page, operation: str) -> str:
    """Send what the form of an operation holds; the answer is the status of the reply."""
    page.wait_for(operation)
    # One that was open is open again after a reload.
    if not page.evaluate(f"document.querySelector({operation!r}).matches('.is-open')"):
        page.click(f"{operation} button.opblock-summary-control")
    page.click(f"{operation} .try-out__btn")
    page.click(f"{operation} button.execute")
    status = f"{operation} .live-responses-table tbody .response-col_status"
    page.wait_for(status)
    return str(page.evaluate(f"document.querySelector({status!r}).innerText")).strip()[:3]


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed.")
@pytest.mark.parametrize(("started", "docs_path"), [(at_the_root, "/docs"), (below_a_path, "/docs/")])
def test_an_article_is_written_from_the_page(
    tmp_path: Path, started: Callable[[Path], AbstractContextManager[tuple[Service, str]]], docs_path: str
) -> None:
    with (
        started(tmp_path / "data") as (service, site),
        browser(tmp_path / "chromium") as page,
        service.client() as client,
    ):
        service.register("ada")
        page.call("Page.navigate", url=site + docs_path)

        sign_in(page, "ada")
        article = {"title": "Written in the page", "content": "Tried out, and kept.", "published": True}
        writing = "#operations-articles-write_article"
        page.click(f"{writing} button.opblock-summary-control")
        page.click(f"{writing} .try-out__btn")
        page.wait_for(f"{writing} textarea", "On engines")
        page.write(f"{writing} textarea", json.dumps(article))
        page.click(f"{writing} button.execute")
        page.wait_for(f"{writing} .live-responses-table .response-col_status", "201")
        page.wait_for(f"{writing} .live-responses-table", '"title": "Written in the page"')

        (found,) = client.get("/articles").json()
        assert {name: found[name] for name in article} == article

        open_everything(page)
        requests = page.requests()
        expected = {docs_path, "/docs/swagger-ui.css", "/openapi.json", "/auth/login", "/articles"}
        assert set(requests) >= {site + path for path in expected}
        assert [url for url in requests if not url.startswith(f"{site}/")] == []
        assert page.failures() == []
        assert page.complaints() == []

        # What would have been seen.
        page.evaluate("new Image().src = 'http://elsewhere.invalid/'")
        eventually(
            lambda: page.evaluate("true") and "Content Security Policy" in str(page.complaints()),
            "the policy is violated",
        )


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed.")
def test_a_reload_keeps_the_token_and_no_password(tmp_path: Path) -> None:
    with Service(tmp_path / "data", app_name="Notes & <More>") as service, browser(tmp_path / "chromium") as page:
        service.register("ada")
        page.call("Page.navigate", url=f"{service.url}/docs")
        assert execute(page, "#operations-users-show_me") == "401"
        sign_in(page, "ada")
        kept = page.evaluate("JSON.stringify(sessionStorage) + JSON.stringify(localStorage)")
        assert "access_token" in kept
        assert PASSWORD not in kept

        reload(page)
        page.wait_for("button.authorize.locked")
        assert page.evaluate("document.title") == "Notes & <More> · API"
        assert execute(page, "#operations-users-show_me") == "200"

        page.click("button.authorize")
        page.click(".modal-ux .auth-btn-wrapper button.modal-btn:not(.btn-done)")
        reload(page)
        page.wait_for("button.authorize.unlocked")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed.")
def test_a_phone_shows_the_page_without_scrolling_sideways(tmp_path: Path) -> None:
    with Service(tmp_path / "data") as service, browser(tmp_path / "chromium") as page:
        page.call("Emulation.setDeviceMetricsOverride", width=360, height=780, deviceScaleFactor=2, mobile=True)
        page.call("Page.navigate", url=f"{service.url}/docs")
        assert execute(page, "#operations-articles-list_articles") == "200"
        open_everything(page)
        page.click("button.authorize")
        page.wait_for("#oauth_username")
        assert page.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [360, 360]
        cut = "[...document.querySelectorAll('button, input, select, textarea')].map(e => e.getBoundingClientRect())"
        assert page.evaluate(f"{cut}.filter(place => place.left < 0 || place.right > 360).length") == 0


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
async def test_the_page_may_ask_nobody_but_the_service(client: httpx.AsyncClient, path: str) -> None:
    answer, head = await client.get(path), await client.head(path)
    assert answer.status_code == head.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert int(head.headers["content-length"]) == len(answer.content)
    policy = dict(directive.split(" ", 1) for directive in answer.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_every_file_of_the_page_is_served(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    files = re.findall(r'(?:src|href)="(/docs/.+?)"', page)
    assert len(files) == len(docs.MEDIA_TYPES) - 1
    for file in files:
        answer = await client.get(file)
        assert answer.status_code == 200
        assert answer.content == (docs.FOLDER / file.rpartition("/")[2]).read_bytes()


@pytest.mark.parametrize("name", ["nothing", "README.md", "LICENSE", "../docs.py", "..%2Fdocs.py", "%00", "a/b"])
async def test_nothing_else_is(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/docs/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_page_travels_with_the_package_and_so_do_its_licences(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        folder = "blog/entrypoints/http/swagger_ui/"
        packed = {name.removeprefix(folder) for name in archive.namelist() if name.startswith(folder)}
    assert packed >= {*docs.MEDIA_TYPES, "LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"}

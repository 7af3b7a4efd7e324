"""The example that publishes Markdown, run as its users run it, against the real service, which is started here.

The large test wants real posts: BLOG_POSTS names a folder of Markdown files with titles, all different, in TOML
front matter.
"""

import http.server
import os
import shutil
import subprocess
import sys
import threading
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.service import PASSWORD, Service, environment

EXAMPLE = Path(__file__).parents[2] / "examples" / "publish_markdown.py"
RUN_SECONDS = 60


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service that is ready, with nothing in it yet."""
    with Service(tmp_path / "data") as service:
        yield service


def publish(url: str, username: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the example."""
    options = ("--url", url, "--username", username, "--email", f"{username}@example.org", *options)
    return subprocess.run(
        [sys.executable, EXAMPLE, *options, folder],
        env=environment({"blog_password": PASSWORD}),
        capture_output=True,
        encoding="utf-8",
        timeout=RUN_SECONDS,
        check=False,
    )


def assert_published(run: subprocess.CompletedProcess[str], summary: str) -> None:
    assert (run.returncode, run.stdout) == (0, f"{summary}\n"), run.stderr


def articles(url: str, reader: str | None = None) -> list[dict[str, Any]]:
    """Every article that somebody, or nobody in particular, finds in the list, the newest first."""
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        if reader:
            form = {"username": reader, "password": PASSWORD}
            token = client.post("/auth/login", data=form).raise_for_status().json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
        found: list[dict[str, Any]] = []
        page: str | None = "/articles?limit=40"
        while page:
            response = client.get(page).raise_for_status()
            found += response.json()
            page = response.links.get("next", {}).get("url")
        for article in found:
            assert client.get(f"/articles/{article['id']}").json() == article
        return found


def texts(found: Sequence[dict[str, Any]]) -> list[tuple[str, str, bool]]:
    """What was written, without what the service adds, in no order that matters."""
    return sorted((article["title"], article["content"], article["published"]) for article in found)


def expected(files: Sequence[Path], *, published: bool) -> list[tuple[str, str, bool]]:
    """The same, of files with front matter, read without the help of the example."""
    pieces = [file.read_bytes().decode().split("+++\n", 2) for file in files]
    return [(tomllib.loads(front_matter)["title"], content, published) for _, front_matter, content in pieces]


def copies(files: Sequence[Path], folder: Path) -> Path:
    folder.mkdir()
    for file in files:
        shutil.copyfile(file, folder / file.name)
    return folder


@pytest.mark.skipif(not os.environ.get("BLOG_POSTS"), reason="BLOG_POSTS is not set: the folder of real posts.")
def test_two_authors_publish_real_posts(service: Service, tmp_path: Path) -> None:
    files = sorted(Path(os.environ["BLOG_POSTS"]).glob("*.md"))
    assert len(files) >= 4
    of_bob, of_ada = files[::2], files[1::2]
    of_ada, drafts = of_ada[::2], of_ada[1::2]
    runs: list[tuple[str, Path, list[str], int]] = [
        ("ada", copies(of_ada, tmp_path / "ada"), [], len(of_ada)),
        ("ada", copies(drafts, tmp_path / "drafts"), ["--drafts"], len(drafts)),
        ("bob", copies(of_bob, tmp_path / "bob"), [], len(of_bob)),
    ]

    for username, folder, options, count in runs:
        run = publish(service.url, username, folder, *options)
        assert_published(run, f"{count} files: {count} created.")

    public = expected([*of_ada, *of_bob], published=True)
    seen = {reader: articles(service.url, reader) for reader in ("ada", "bob", None)}
    assert texts(seen[None]) == sorted(public)
    assert texts(seen["bob"]) == sorted(public)
    assert texts(seen["ada"]) == sorted(public + expected(drafts, published=False))
    assert len(seen["ada"]) == len(files)
    authors = Counter(article["author_id"] for article in seen["ada"])
    assert sorted(authors.values()) == sorted([len(of_ada) + len(drafts), len(of_bob)])

    for username, folder, options, count in runs:
        run = publish(service.url, username, folder, *options)
        assert_published(run, f"{count} files: {count} unchanged.")

    assert {reader: articles(service.url, reader) for reader in seen} == seen
    assert service.stop() == 0
    assert service.status("/health/ready") is None


def test_an_author_changes_files_and_publishes_again(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "posts"
    folder.mkdir()
    (folder / "a.md").write_bytes(b'+++\r\ntitle = "Front matter"\r\n+++\r\n\r\nLines that end\r\nas on Windows.\r\n')
    (folder / "b.md").write_bytes("Some words.\n\n# A [red]heading[/red] … \n\n# Another\n".encode())
    (folder / "c.md").write_bytes(b"\tNothing but text, without an end of line")
    texts_of_ada = [
        ("A [red]heading[/red] …", "Some words.\n\n# A [red]heading[/red] … \n\n# Another\n", False),
        ("Front matter", "\r\nLines that end\r\nas on Windows.\r\n", False),
        ("c", "\tNothing but text, without an end of line", False),
    ]

    assert_published(publish(service.url, "ada", folder, "--drafts"), "3 files: 3 created.")

    assert texts(articles(service.url, "ada")) == texts_of_ada
    assert articles(service.url) == []
    before = articles(service.url, "ada")
    assert_published(publish(service.url, "ada", folder, "--drafts"), "3 files: 3 unchanged.")
    assert articles(service.url, "ada") == before

    (folder / "c.md").write_bytes(b"\tOther text altogether")
    changed = publish(service.url, "ada", folder, "--drafts")
    assert_published(changed, "3 files: 2 unchanged, 1 updated.")
    assert "c.md: updated" in changed.stderr
    texts_of_ada[2] = ("c", "\tOther text altogether", False)
    assert texts(articles(service.url, "ada")) == texts_of_ada

    assert_published(publish(service.url, "ada", folder), "3 files: 3 updated.")
    assert texts(articles(service.url)) == [(title, content, True) for title, content, _ in texts_of_ada]

    # The same titles by somebody else are other articles.
    assert_published(publish(service.url, "bob", folder), "3 files: 3 created.")
    assert len(articles(service.url)) == 6


def test_what_is_refused_is_said_and_the_rest_is_published(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "posts"
    folder.mkdir()
    (folder / "a.md").write_text("# " + 201 * "x" + 200_000 * "x")
    (folder / "b.md").write_text("+++\ntitle = \n+++\nNot TOML.")
    (folder / "c.md").write_bytes(b"Not UTF-8: \xff\xfe.")
    (folder / "d.md").write_text("+++\ntitle = 'e'\n+++\nThe first of its name.")
    (folder / "e.md").write_text("The second of its name.")

    for outcome in ("created", "unchanged"):
        run = publish(service.url, "ada", folder)

        assert (run.returncode, run.stdout) == (1, f"5 files: 4 refused, 1 {outcome}.\n")
        assert "a.md: title: Must be at most 200 characters long. content: Must be at most 200000" in run.stderr
        assert [name for name in "abcde" if f"{name}.md: " in run.stderr] == ["a", "b", "c", "e"]
        assert texts(articles(service.url)) == [("e", "The first of its name.", True)]


def test_a_token_that_expires_and_a_service_that_is_unavailable_for_a_while(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "posts"
    folder.mkdir()
    for name in "abcd":
        (folder / f"{name}.md").write_text(f"The text of {name}.")
    faults = {
        ("POST", "/auth/login", 1): "unavailable",
        ("POST", "/articles", 2): "expired",
        ("POST", "/articles", 4): "unavailable, but done",  # 2 and 3 are the same article.
        ("GET", "/articles", 2): "unavailable",
    }

    with faulty(service.url, faults) as url:
        run = publish(url, "ada", folder)

    assert faults == {}
    assert_published(run, "4 files: 3 created, 1 unchanged.")
    assert run.stderr.count("Waiting for 1 s") == 3
    assert texts(articles(service.url)) == [(name, f"The text of {name}.", True) for name in "abcd"]


def test_a_service_that_stays_unavailable_and_one_that_is_not_there(service: Service, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Nobody will read this.")

    faults = {("POST", "/auth/login", n): "unavailable" for n in range(1, 100)}
    with faulty(service.url, faults, retry_after=0) as url:
        run = publish(url, "ada", tmp_path)
    assert run.returncode == 1
    assert run.stderr.endswith("The blog refuses: Come back later.\n")

    assert service.stop() == 0
    run = publish(service.url, "ada", tmp_path)
    assert run.returncode == 1
    assert run.stderr.startswith(f"The blog at {service.url} cannot be reached")
    assert run.stderr.count("\n") == 1


@contextmanager
def faulty(service: str, faults: dict[tuple[str, str, int], str], *, retry_after: int = 1) -> Iterator[str]:
    """A proxy in front of the service. Faults are what goes wrong with the nth request of a method and a path.

    A fault is removed as it happens. A token that has expired is refused from then on, wherever it is sent.
    """
    counts: Counter[tuple[str, str]] = Counter()
    expired: set[str | None] = set()

    class Proxy(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.partition("?")[0]
            counts[self.command, path] += 1
            fault = faults.pop((self.command, path, counts[self.command, path]), "")
            token = self.headers["Authorization"]
            if fault == "expired":
                expired.add(token)
            if token and token in expired:
                self.reply(401, b'{"detail": "The token has expired."}', "application/problem+json")
                return
            if fault != "unavailable":
                kept = {
                    name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers
                }
                response = client.request(self.command, self.path, content=body, headers=kept)
            if fault:
                again = ("Retry-After", str(retry_after))
                self.reply(503, b'{"detail": "Come back later."}', "application/problem+json", again)
            else:
                links = [("Link", response.headers["Link"])] if "Link" in response.headers else []
                self.reply(response.status_code, response.content, response.headers["Content-Type"], *links)

        do_GET = do_PATCH = do_POST = forward  # noqa: N815 -- http.server wants these names

        def reply(self, status: int, body: bytes, media_type: str, *headers: tuple[str, str]) -> None:
            self.send_response(status)
            for name, value in (("Content-Type", media_type), ("Content-Length", str(len(body))), *headers):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002
            """Say nothing."""

    with (
        httpx.Client(base_url=service, trust_env=False, timeout=30) as client,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server,
    ):
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()

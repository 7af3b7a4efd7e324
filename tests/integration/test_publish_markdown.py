"""The example that publishes Markdown, run as its users run it, against the real service, which is started here.

Posts are made for it. For real ones, BLOG_POSTS names a folder of Markdown files with titles, all different, and
dated paths in TOML front matter.
"""

import http.server
import os
import re
import runpy
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


def signed_in(url: str, username: str | None) -> httpx.Client:
    """The API, as somebody or nobody in particular uses it."""
    client = httpx.Client(base_url=url, trust_env=False, timeout=30)
    if username:
        form = {"username": username, "password": PASSWORD}
        reply = httpx.post(f"{url}/auth/login", data=form, trust_env=False, timeout=30).raise_for_status()
        token = reply.json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
    return client


def articles(url: str, reader: str | None = None) -> list[dict[str, Any]]:
    """Every article that somebody, or nobody in particular, finds in the list, the newest first."""
    with signed_in(url, reader) as client:
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


def parts(file: Path) -> tuple[dict[str, Any], str]:
    """The front matter and the content of a file, read without the help of the example."""
    _, front_matter, content = file.read_bytes().decode().split("+++\n", 2)
    return tomllib.loads(front_matter), content


def expected(files: Sequence[Path], *, published: bool) -> list[tuple[str, str, bool]]:
    """What is written of files with front matter."""
    return [(said["title"], content, published) for said, content in map(parts, files)]


def old_slug(said: dict[str, Any]) -> str:
    return re.sub("[^a-z0-9]+", "-", said["path"].rpartition("/")[2].lower()).strip("-")


def leads_to(url: str, slug: str) -> tuple[int, str]:
    """The status of an address, and the title of the article that is found there in the end."""
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        first = client.get(f"/articles/{slug}")
        found = client.get(first.headers["Location"]) if first.is_redirect else first
        return first.status_code, found.json().get("title", "")


def copies(files: Sequence[Path], folder: Path) -> Path:
    folder.mkdir()
    for file in files:
        shutil.copyfile(file, folder / file.name)
    return folder


def generated(folder: Path) -> list[Path]:
    """Posts with whatever makes posts awkward."""
    folder.mkdir()
    for number in range(12):
        front_matter = f"""\
title = "Post {number}: “Ünïcode”, <tags> & all"
path = "20{10 + number}/0{1 + number % 9}/1{number % 10}/Post-{number}.{number // 2}"
aliases = ["20{10 + number}/0{1 + number % 9}/1{number % 10}/Post-{number}.{number // 2}.html", "posts/{number}"]
authors = ["Somebody"]
{'description = "What it is about."' if number % 3 else ""}
{'tags = ["Ada", "Größe"]' if number % 4 else ""}
[extra]
release = true
"""
        content = (
            f"\n# Heading\r\n\tCode 🦆\n\n| a |\n|--:|\n| {number} |\n\n+++\nnot the end\n+++\n<b>raw</b>" * number
        )
        (folder / f"{number}.md").write_bytes(f"+++\n{front_matter}+++\n{content or 'The first one.'}".encode())
    return sorted(folder.glob("*.md"))


@pytest.fixture(params=["generated", "real"])
def posts(request: pytest.FixtureRequest, tmp_path: Path) -> list[Path]:
    """Posts with dated paths."""
    if request.param == "generated":
        return generated(tmp_path / "generated")
    if not os.environ.get("BLOG_POSTS"):
        pytest.skip("BLOG_POSTS is not set: the folder of real posts.")
    files = sorted(Path(os.environ["BLOG_POSTS"]).glob("*.md"))
    assert len(files) >= 4
    return files


def test_two_authors_publish_posts_and_keep_dates_and_addresses(
    service: Service, tmp_path: Path, posts: list[Path]
) -> None:
    of_bob, of_ada = posts[::2], posts[1::2]
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
    assert len(seen["ada"]) == len(posts)
    authors = Counter(article["author_id"] for article in seen["ada"])
    assert sorted(authors.values()) == sorted([len(of_ada) + len(drafts), len(of_bob)])

    said = {said["title"]: said for said, _ in map(parts, posts)}
    for article in seen["ada"]:
        wanted = said[article["title"]]
        date = wanted["path"][:10].replace("/", "-")
        assert article["published_at"] == (f"{date}T00:00:00Z" if article["published"] else None)
        assert article["tags"] == wanted.get("tags", [])
        assert article["summary"] == wanted.get("description", article["summary"])
    of_slug: dict[str, set[str]] = {}
    for file in (*of_ada, *of_bob):
        wanted, _ = parts(file)
        of_slug.setdefault(old_slug(wanted), set()).add(wanted["title"])
    now = {article["slug"] for article in seen[None]}
    for slug, titles in of_slug.items():
        status, title = leads_to(service.url, slug)
        assert (status, title in titles) == (200 if slug in now else 308, True)
    hidden = {old_slug(parts(file)[0]) for file in drafts} - of_slug.keys()
    assert {leads_to(service.url, slug)[0] for slug in hidden} == {404}
    # Whoever has written them in the order of their dates finds the newest first.
    of_bob_titles = {title for title, _, _ in expected(of_bob, published=True)}
    dates = [article["published_at"] for article in seen[None] if article["title"] in of_bob_titles]
    assert dates == sorted(dates, reverse=True)

    for username, folder, options, count in runs:
        run = publish(service.url, username, folder, *options)
        assert_published(run, f"{count} files: {count} unchanged.")

    assert {reader: articles(service.url, reader) for reader in seen} == seen

    run = publish(service.url, "ada", tmp_path / "drafts")
    assert_published(run, f"{len(drafts)} files: {len(drafts)} updated.")
    assert texts(articles(service.url)) == sorted(public + expected(drafts, published=True))
    assert {leads_to(service.url, slug)[0] for slug in hidden} <= {200, 308}
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


def test_an_address_that_does_not_fit_keeps_nobody_from_publishing(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "posts"
    folder.mkdir()
    for name, title, path in (
        ("a", "A year", "2019/11/07/2019"),
        ("b", "Looking for", "2019/11/08/search"),
        ("c", "Archive", "2019/11/09/old-things"),
        ("d", "世界", "2019/11/10/The-World.html"),
    ):
        (folder / f"{name}.md").write_text(f'+++\ntitle = "{title}"\npath = "{path}"\n+++\nThe text of {name}.')

    assert_published(publish(service.url, "ada", folder), "4 files: 4 created.")
    slugs = {article["title"]: article["slug"] for article in articles(service.url)}
    assert slugs == {"A year": "a-year", "Looking for": "looking-for", "Archive": "old-things", "世界": "the-world"}
    assert_published(publish(service.url, "ada", folder), "4 files: 4 unchanged.")


def test_a_run_that_ends_early_is_made_good_by_the_next(service: Service, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text('+++\ntitle = "New words"\npath = "2019/11/07/old-words"\n+++\nThe text of a.')
    with faulty(service.url, {("PATCH", "/articles/1", n): "unavailable" for n in range(1, 9)}, retry_after=0) as url:
        assert publish(url, "ada", tmp_path).returncode == 1
    assert leads_to(service.url, "old-words") == (200, "New words")

    assert_published(publish(service.url, "ada", tmp_path), "1 files: 1 updated.")
    assert leads_to(service.url, "old-words") == (308, "New words")
    assert leads_to(service.url, "new-words") == (200, "New words")


def test_a_token_that_expires_and_a_service_that_is_unavailable_for_a_while(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "posts"
    folder.mkdir()
    for name in "abcd":
        path = 'path = "2019/11/07/old"' if name == "a" else ""
        (folder / f"{name}.md").write_text(f'+++\ntitle = "{name}"\n{path}\n+++\nThe text of {name}.')
    faults = {
        ("POST", "/auth/login", 1): "unavailable",
        ("PATCH", "/articles/1", 1): "unavailable, but done",
        ("POST", "/articles", 2): "expired",
        ("POST", "/articles", 4): "unavailable, but done",  # 2 and 3 are the same article.
    }

    with faulty(service.url, faults) as url:
        run = publish(url, "ada", folder)

    assert faults == {}
    assert_published(run, "4 files: 4 created.")
    assert run.stderr.count("Waiting for 1 s") == 3
    found = articles(service.url)
    assert texts(found) == [(name, f"The text of {name}.", True) for name in "abcd"]
    assert [article["version"] for article in found] == [1, 1, 1, 2]


def test_what_somebody_changes_meanwhile_is_left_alone(service: Service, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("The text of a.")
    assert_published(publish(service.url, "ada", tmp_path), "1 files: 1 created.")
    (tmp_path / "a.md").write_text("The other text of a.")

    with faulty(service.url, {("PATCH", "/articles/1", 1): "somebody is quicker"}) as url:
        run = publish(url, "ada", tmp_path)

    assert (run.returncode, run.stdout) == (1, "1 files: 1 refused.\n")
    assert "a.md: This was changed since you read it" in run.stderr
    assert texts(articles(service.url)) == [("a", "Somebody was quicker.", True)]

    with signed_in(service.url, "ada") as ada:
        ada.post("/articles/1/archive").raise_for_status()
    assert_published(publish(service.url, "ada", tmp_path), "1 files: 1 updated.")
    assert texts(articles(service.url, "ada")) == [("a", "The other text of a.", False)]


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
                sent = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match")
                kept = {name: self.headers[name] for name in sent if name in self.headers}
                if fault == "somebody is quicker":
                    fault = ""
                    other = {"Authorization": kept["Authorization"]}
                    client.patch(self.path, json={"content": "Somebody was quicker."}, headers=other)
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


def test_the_pages_of_a_blog_below_a_path_are_followed() -> None:
    pages = {"0": ([1, 2], '</blog/articles?skip=2>; rel="next"'), "2": ([3], "")}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/blog/users/me":
            return httpx.Response(200, json={"id": 7})
        assert request.url.path == "/blog/articles"
        numbers, link = pages[request.url.params.get("skip", "0")]
        found = [{"id": number, "title": f"Title {number}", "author_id": 7} for number in numbers]
        return httpx.Response(200, json=found, headers={"Link": link} if link else {})

    blog = runpy.run_path(str(EXAMPLE))["Blog"]("https://blog.example/blog", "ada", PASSWORD)
    with httpx.Client(base_url=blog.client.base_url, transport=httpx.MockTransport(answer)) as blog.client:
        assert set(blog.my_articles()) == {"Title 1", "Title 2", "Title 3"}

"""Publish a folder of Markdown files on a blog, through its HTTP API.

Run it again whenever you like: an article of yours that has the title of a file is that file, and only what has
changed is sent. A title is what the front matter says (TOML, between two lines of `+++`), or else the first
`# heading`, or else the name of the file. The content is what follows the front matter, to the letter.
"""

import argparse
import getpass
import os
import re
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
from rich.console import Console
from rich.progress import track

EXAMPLES = """examples:
  publish_markdown.py --username ada --email ada@example.org posts   register first, if need be
  publish_markdown.py --username ada --drafts unfinished             as drafts, which only ada can read
  publish_markdown.py --username ada --url https://blog.example.org posts

The password is asked for, or taken from the environment variable BLOG_PASSWORD.
"""
FRONT_MATTER = re.compile(r"\+\+\+[ \t]*\r?\n(.*?)^\+\+\+[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
ATTEMPTS = 5
LONGEST_WAIT = 30  # seconds

console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
Result = TypeVar("Result")


class Refused(Exception):
    """The API says no. Its errors are problem details (RFC 9457): `detail` says why, and `errors` what to mend."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.status = response.status_code
        reason = f"{response.status_code} {response.reason_phrase}"
        if response.headers.get("Content-Type") == "application/problem+json":
            problem = response.json()
            errors = [f"{error.get('pointer', '')[2:]}: {error['detail']}" for error in problem.get("errors", ())]
            reason = " ".join(errors) or problem["detail"]
        super().__init__(reason)


class Blog:
    """The API, as one author uses it."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=30)
        self.username = username
        self.password = password
        self.articles: dict[str, Any] | None = None  # the author's own, by title, once they are known

    def call(self, method: str, path: str, **body: Any) -> httpx.Response:  # noqa: ANN401
        """Send a request and answer the reply. Raises `Refused`."""
        response = self.client.request(method, path, **body)
        if response.status_code == 401 and "Authorization" in self.client.headers:
            self.log_in()  # The token has expired.
            response = self.client.request(method, path, **body)
        if not response.is_success:
            raise Refused(response)
        return response

    def log_in(self) -> None:
        """Get a token, and send it with every request from now on."""
        self.client.headers.pop("Authorization", None)  # An expired token is refused everywhere, here too.
        form = {"grant_type": "password", "username": self.username, "password": self.password}
        token = self.call("POST", "/auth/login", data=form).json()
        self.client.headers["Authorization"] = f"Bearer {token['access_token']}"

    def register(self, email: str) -> None:
        """Make an account."""
        self.call("POST", "/users", json={"email": email, "username": self.username, "password": self.password})

    def my_articles(self) -> dict[str, Any]:
        """The author's own articles by title, out of the list of all that the author may read, drafts included."""
        me = self.call("GET", "/users/me").json()["id"]
        articles: dict[str, Any] = {}
        page: str | None = "/articles?limit=100"
        while page:
            response = self.call("GET", page)
            for article in response.json():
                if article["author_id"] == me:
                    articles.setdefault(article["title"], article)  # The newest comes first.
            page = response.links.get("next", {}).get("url")
        return articles

    def publish(self, title: str, content: str, published: bool) -> str:
        """Create the article, or update what has changed of it, and answer which."""
        if self.articles is None:
            self.articles = self.my_articles()
        wanted = {"title": title, "content": content, "published": published}
        article = self.articles.get(title)
        if article is None:
            self.articles[title] = self.call("POST", "/articles", json=wanted).json()
            return "created"
        changes = {name: value for name, value in wanted.items() if article[name] != value}
        if not changes:
            return "unchanged"
        self.articles[title] = self.call("PATCH", f"/articles/{article['id']}", json=changes).json()
        return "updated"

    def patiently(self, action: Callable[..., Result], *arguments: object) -> Result:
        """Do it; where the API is unavailable, wait for as long as it asks and do it again, a few times."""
        for _ in range(ATTEMPTS - 1):
            try:
                return action(*arguments)
            except Refused as refused:
                wait = refused.response.headers.get("Retry-After", "")
                if refused.status != 503 or not wait.isdecimal():
                    raise
                seconds = min(int(wait), LONGEST_WAIT)
                console.print(f"{refused} Waiting for {seconds} s …")
                time.sleep(seconds)
                # What is answered 503 may have been written all the same: look again, so as not to write it twice.
                self.articles = None
        return action(*arguments)


def read(file: Path) -> tuple[str, str]:
    """The title and the content of a file. Raises `ValueError` if it is not UTF-8, or its front matter not TOML."""
    text = file.read_bytes().decode("utf-8-sig")  # read_text() would change the ends of lines.
    title = None
    if front_matter := FRONT_MATTER.match(text):
        title = tomllib.loads(front_matter[1]).get("title")
        text = text[front_matter.end() :]
    heading = re.search(r"^# +(.*\S)", text, re.MULTILINE)
    return str(title or (heading[1] if heading else file.stem)), text


def publish_all(blog: Blog, files: list[Path], *, published: bool) -> Counter[str]:
    """Publish each file, say what was updated or refused, and count what came of them."""
    outcomes: Counter[str] = Counter()
    files_by_title: dict[str, Path] = {}
    for file in track(files, "Publishing", console=console):
        try:
            title, content = read(file)
            if (other := files_by_title.setdefault(title, file)) is not file:
                raise ValueError(f"{other.name} has the same title, {title!r}.")
            outcome = blog.patiently(blog.publish, title, content, published)
            if outcome == "updated":
                console.print(f"{file.name}: updated")
        except (OSError, ValueError, Refused) as error:
            if isinstance(error, Refused) and error.status in (401, 503):
                raise
            outcome = "refused"
            console.print(f"{file.name}: {error}", style="red")
        outcomes[outcome] += 1
    return outcomes


def main() -> int:
    """Do what the command line asks for; the answer is the exit code."""
    parser = argparse.ArgumentParser(
        description="Publish a folder of Markdown files on a blog.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="folder of the *.md files")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the blog is (default: %(default)s)")
    parser.add_argument("--username", required=True, help="who publishes")
    parser.add_argument("--email", help="only needed to register")
    parser.add_argument("--drafts", action="store_true", help="make every file a draft, published or not so far")
    options = parser.parse_args()
    files = sorted(options.folder.glob("*.md"))
    if not files:
        parser.error(f"there are no *.md files in {options.folder}")
    password = os.environ.get("BLOG_PASSWORD") or getpass.getpass(f"Password of {options.username}: ")
    try:
        blog = Blog(options.url, options.username, password)
        try:
            blog.patiently(blog.log_in)
        except Refused as refused:
            if refused.status != 401 or not options.email:
                raise
            blog.patiently(blog.register, options.email)
            blog.patiently(blog.log_in)
        outcomes = publish_all(blog, files, published=not options.drafts)
    except Refused as refused:
        sys.exit(f"The blog refuses: {refused}")
    except (httpx.TransportError, httpx.InvalidURL) as error:
        sys.exit(f"The blog at {options.url} cannot be reached ({error}). Is it running?")
    print(f"{len(files)} files: " + ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()) + ".")
    return 1 if outcomes["refused"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (EOFError, KeyboardInterrupt):
        sys.exit("Stopped.")

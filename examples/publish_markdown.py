"""Publish a folder of Markdown files on a blog, through its HTTP API.

Run it again whenever you like: an article of yours that has the title of a file is that file, and only what has
changed is sent. A title is what the front matter says (TOML, between two lines of `+++`), or else the first
`# heading`, or else the name of the file. The content is what follows the front matter, to the letter.

Of the front matter it also takes `description`, `tags`, and `path` and `aliases`, which say where the post was until
now: `path = "2019/11/07/Async-await-stable"` is published under that date, and whoever asks for `async-await-stable`
is sent on to where the article is, which is named by the words of its title.
"""

import argparse
import getpass
import os
import re
import sys
import time
import tomllib
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

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
DATE = re.compile(r"([0-9]{4})/([0-9]{2})/([0-9]{2})/")
AWAY = (502, 503, 504)  # The service, or what stands in front of it, asks for patience.
ATTEMPTS = 5
LONGEST_WAIT = 30  # seconds

console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Post:
    """What is in a file."""

    title: str
    text: dict[str, Any]
    """The fields of an article that the file says something about."""
    publish_at: str | None
    old_slug: str | None
    """Where it was until now, as far as a slug can say that."""


class Refused(Exception):
    """The API says no. Its errors are problem details (RFC 9457): `detail` says why, and `errors` what to mend."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.status = response.status_code
        self.fields: set[str] = set()
        reason = f"{response.status_code} {response.reason_phrase}"
        if response.headers.get("Content-Type") == "application/problem+json":
            problem = response.json()
            errors = [(error.get("pointer", "")[2:], error["detail"]) for error in problem.get("errors", ())]
            reason = " ".join(f"{field}: {detail}" for field, detail in errors) or problem["detail"]
            self.fields = {field for field, _ in errors}
        super().__init__(reason)


class Blog:
    """The API, as one author uses it."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=30)
        self.username = username
        self.password = password
        self.articles: dict[str, Any] | None = None  # the author's own, by title, once they are known

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        """Send a request and answer the reply; where the service is away, wait for as long as it asks, a few times.

        What is answered that way may have been done all the same. So whatever writes an article says which request
        (`Idempotency-Key`) or which version (`If-Match`) it is, and is not done twice. Raises `Refused`.
        """
        for attempt in range(1, ATTEMPTS + 1):
            response = self.client.request(method, path, **options)
            if response.status_code == 401 and "Authorization" in self.client.headers:
                self.log_in()  # The token has expired.
                response = self.client.request(method, path, **options)
            wait = response.headers.get("Retry-After", "")
            if response.status_code not in AWAY or not wait.isdecimal() or attempt == ATTEMPTS:
                break
            seconds = min(int(wait), LONGEST_WAIT)
            console.print(f"{Refused(response)} Waiting for {seconds} s …")
            time.sleep(seconds)
        if not response.is_success:
            raise Refused(response)
        return response

    def log_in(self) -> None:
        """Get a token, and send it with every request from now on."""
        self.client.headers.pop("Authorization", None)  # What is refused without a token is not tried again.
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
        page: str | None = "/articles?limit=100&sort=-created_at"
        while page:
            response = self.call("GET", page)
            for article in response.json():
                if article["author_id"] == me:
                    articles.setdefault(article["title"], article)  # The newest comes first.
            following = response.links.get("next", {}).get("url")
            # By the address of the reply: a blog below a path of its host has that path in its links already.
            page = str(response.url.join(following)) if following else None
        return articles

    def publish(self, post: Post, *, draft: bool) -> str:
        """Create the article, or update what has changed of it, and answer which."""
        if self.articles is None:
            self.articles = self.my_articles()
        before = self.articles.get(post.title)
        wanted = dict(post.text)
        if draft or post.publish_at:
            wanted["publish_at"] = None if draft else post.publish_at
        elif before is None or before["status"] != "archived":  # What was put away on the blog stays away.
            wanted["published"] = True
        comes_out = not draft and (before is None or before["status"] == "draft")
        if comes_out and post.old_slug:
            wanted["slug"] = post.old_slug  # It was public there; one that has been public leads on for ever.
        article = self.save(before, wanted)
        if post.old_slug and (comes_out or article["slug"] == post.old_slug):
            article = self.save(article, {"slug": slug_of(post.title) or post.old_slug})
        self.articles[post.title] = article
        if before is None:
            return "created"
        return "unchanged" if article["edition"] == before["edition"] else "updated"

    def save(self, article: dict[str, Any] | None, wanted: dict[str, Any]) -> Any:  # noqa: ANN401
        """Change the article, or create it where there is none; without a slug that the service cannot take."""
        try:
            if article:
                return self.change(article, wanted)
            return self.call("POST", "/articles", json=wanted, headers={"Idempotency-Key": f'"{uuid4()}"'}).json()
        except Refused as refused:
            if refused.fields != {"slug"}:
                raise
            return self.save(article, {name: value for name, value in wanted.items() if name != "slug"})

    def change(self, article: dict[str, Any], wanted: dict[str, Any]) -> Any:  # noqa: ANN401
        """Change what is not as it should be, unless somebody has changed the article since it was read."""
        changes = {name: value for name, value in wanted.items() if article[name] != value}
        if not changes:
            return article
        path = f"/articles/{article['id']}"
        try:
            return self.call("PATCH", path, json=changes, headers={"If-Match": f'"{article["edition"]}"'}).json()
        except Refused as refused:
            found = self.call("GET", path).json() if refused.status == 412 else {}
            # It may be this very change that was made meanwhile, by a request whose answer got lost.
            if not changes.items() <= found.items():
                raise
            return found


def slug_of(words: str) -> str | None:
    """The words as an address has them, if it can: a number is none, because numbers are ids."""
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode().lower().replace("'", "")
    slug = "-".join(re.findall(r"[a-z0-9]+", plain))[:100].rstrip("-")
    return None if not slug or slug.isdecimal() else slug


def read(file: Path) -> Post:
    """What is in a file. Raises `ValueError` if it is not UTF-8, or its front matter not TOML."""
    content = file.read_bytes().decode("utf-8-sig")  # read_text() would change the ends of lines.
    said: dict[str, Any] = {}
    if front_matter := FRONT_MATTER.match(content):
        said = tomllib.loads(front_matter[1])
        content = content[front_matter.end() :]
    heading = re.search(r"^# +(.*\S)", content, re.MULTILINE)
    title = str(said.get("title") or (heading[1] if heading else file.stem))
    text = {"title": title, "content": content}
    if "description" in said:
        text["summary"] = said["description"]
    if "tags" in said:
        text["tags"] = said["tags"]
    path = str(said.get("path", ""))
    date = DATE.match(path)
    old = path or str(next(iter(said.get("aliases", ())), ""))
    return Post(
        title=title,
        text=text,
        publish_at=f"{date[1]}-{date[2]}-{date[3]}T00:00:00Z" if date else None,
        old_slug=slug_of(re.sub(r"\.(html|md)$", "", old.rstrip("/").rpartition("/")[2])),
    )


def publish_all(blog: Blog, files: list[Path], *, drafts: bool) -> Counter[str]:
    """Publish each file, the oldest post first, say what was updated or refused, and count what came of them."""
    outcomes: Counter[str] = Counter()
    posts: dict[str, tuple[Path, Post]] = {}
    for file in files:
        try:
            post = read(file)
            if other := posts.get(post.title):
                raise ValueError(f"{other[0].name} has the same title, {post.title!r}.")
            posts[post.title] = file, post
        except (OSError, ValueError) as error:
            outcomes["refused"] += 1
            console.print(f"{file.name}: {error}", style="red")
    in_order = sorted(posts.values(), key=lambda found: found[1].publish_at or "9999")
    for file, post in track(in_order, "Publishing", console=console):
        try:
            outcome = blog.publish(post, draft=drafts)
            if outcome == "updated":
                console.print(f"{file.name}: updated")
        except Refused as refused:
            if refused.status in (401, *AWAY):
                raise
            outcome = "refused"
            console.print(f"{file.name}: {refused}", style="red")
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
            blog.log_in()
        except Refused as refused:
            if refused.status != 401 or not options.email:
                raise
            blog.register(options.email)
            blog.log_in()
        outcomes = publish_all(blog, files, drafts=options.drafts)
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

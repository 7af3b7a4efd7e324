"""Clients that others generate from the OpenAPI document: that they have the types that their users expect.

Nobody needs the tools to develop: where one is missing, or cannot be fetched, its test is skipped.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blog.entrypoints.formats.feeds import Site
from blog.entrypoints.http import openapi
from blog.entrypoints.http.app import ROUTES
from tests.integration.service import PATIENCE, Service

# TypeScript 7 breaks the generator.
NPM_PACKAGES = ("openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "typescript@5.9.3")
PYTHON_TOOL = "openapi-python-client==0.29.1"
FETCH_SECONDS = 120
"""How long fetching a tool may take."""

IN_TYPESCRIPT = """
import createClient from "openapi-fetch";
import type { components, paths } from "./blog";

type Article = components["schemas"]["ArticleReply"];
const blog = createClient<paths, "application/json" | "application/problem+json">({ baseUrl: "http://127.0.0.1" });

export async function titles(): Promise<string[]> {
  const { data, error } = await blog.GET("/articles", { params: { query: { tags: ["a", "b"], limit: 3 } } });
  if (!data) throw new Error(error.detail);
  const articles: Article[] = data;
  return articles.map((article) => article.title);
}

export async function title(id: string): Promise<string> {
  const { data, error } = await blog.GET("/articles/{article_id}", { params: { path: { article_id: id } } });
  if (!data) throw new Error(error.detail);
  return data.title;
}

export type Some = paths["/articles"]["get"]["responses"][200]["content"]["application/vnd.hexablog.partial+json"];
export const some: Some = [{ id: 1 }];
export type Feed = paths["/feed.{format}"]["get"]["responses"][200]["content"]["application/feed+json"];
export const nextPage = (feed: Feed): string | undefined => feed.next_url ?? feed.items[0]?.url;
"""

IN_PYTHON = """
import sys
from client import Client, AuthenticatedClient
from client.api.articles import list_articles, show_article, write_article
from client.models import ArticleReply, NewArticle

url, token = sys.argv[1:]
author = AuthenticatedClient(url, token=token)
for number in range(3):
    tags = ["a", "b"][: number + 1]
    draft = NewArticle(title=f"No {number}", content="Some words here.", tags=tags, published=True)
    written = write_article.sync(client=author, body=draft)
    assert isinstance(written, ArticleReply), written
found = list_articles.sync(client=Client(url), tags=["a", "b"])
assert all(isinstance(article, ArticleReply) for article in found), found
print(*(article.title for article in found), sep=", ")
assert show_article.sync(client=Client(url), article_id=found[0].slug) == found[0]
"""


def run(*command: object, cwd: Path, seconds: float = PATIENCE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=seconds,
        check=False,
    )


def fetch(*command: object, cwd: Path) -> None:
    """Run what fetches a tool; skip the test where it cannot."""
    try:
        done = run(*command, cwd=cwd, seconds=FETCH_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{command[0]} did not fetch its packages within {FETCH_SECONDS} seconds.")
    if done.returncode:
        pytest.skip(f"{command[0]} cannot fetch its packages: {(done.stderr or done.stdout).strip()[-300:]}")


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """The document in a file."""
    file = tmp_path / "openapi.json"
    site = Site(name="Blog", url="https://example.org", authority="example.org")
    file.write_text(json.dumps(openapi.document(site, ROUTES)))
    return file


def test_a_client_in_typescript_has_whole_articles(tmp_path: Path, document: Path) -> None:
    if not shutil.which("npm"):
        pytest.skip("npm is not installed.")
    (tmp_path / "package.json").write_text("{}")
    options = ("--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=0", "--ignore-scripts")
    fetch("npm", "install", *options, *NPM_PACKAGES, cwd=tmp_path)
    tools = tmp_path / "node_modules" / ".bin"
    made = run(tools / "openapi-typescript", document, "-o", "blog.d.ts", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    (tmp_path / "client.ts").write_text(IN_TYPESCRIPT)
    modules = ("--module", "nodenext", "--moduleResolution", "nodenext", "--target", "es2022", "--lib", "es2022,dom")
    checked = run(tools / "tsc", "--noEmit", "--strict", *modules, "client.ts", cwd=tmp_path, seconds=60)
    assert (checked.returncode, checked.stdout) == (0, "")


def test_a_client_in_python_reads_and_writes_whole_articles(tmp_path: Path, document: Path) -> None:
    if not (uv := shutil.which("uv")):
        pytest.skip("uv is not installed, which fetches openapi-python-client.")
    tool = (uv, "tool", "run", "--from", PYTHON_TOOL, "openapi-python-client")
    fetch(*tool, "--version", cwd=tmp_path)
    made = run(*tool, "generate", "--path", document, "--output-path", "client", "--meta", "none", cwd=tmp_path)
    assert made.returncode == 0, made.stdout + made.stderr
    with Service(tmp_path / "data") as service:
        token = service.register()["Authorization"].removeprefix("Bearer ")
        used = run(sys.executable, "-c", IN_PYTHON, service.url, token, cwd=tmp_path)
    assert (used.returncode, used.stdout) == (0, "No 2, No 1\n"), used.stderr

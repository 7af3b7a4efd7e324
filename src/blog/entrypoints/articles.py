"""What `blog article` shows: lines for people, or JSON for scripts."""

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import msgspec

from blog.application.queries import ArticleFilter, ArticlePage, ArticleView, Include, Order, Sort
from blog.container import Container, current_database
from blog.domain.articles import ArticleMoved
from blog.domain.errors import Invalid
from blog.domain.searches import SearchWords
from blog.domain.slugs import Slug
from blog.domain.tags import Tag, Tags
from blog.domain.users import Username
from blog.entrypoints.telling import tell
from blog.settings import Settings

WIDTHS = (8, 10, 9, 20)
"""Columns of an article's number, date, status and author; its title has the rest of the line."""


def list_articles(
    *,
    author: Username | None,
    tag: list[Tag],
    working_copy: bool | None,
    limit: int,
    skip: int,
    reader: Username | None,
    json: bool,
) -> None:
    """List articles, those published last first."""
    if working_copy and reader is None:
        raise Invalid("--working-copy lists articles of a user: name the user with --as.")
    wanted = ArticleFilter(author=author, tags=Tags(tag), has_working_copy=working_copy)
    _print_page(_read(reader, lambda c, viewer: _page(c, viewer, wanted, Order(), limit, skip)), json=json)


def search_articles(*, words: list[str], limit: int, skip: int, reader: Username | None, json: bool) -> None:
    """List the articles in which the words are, those first that they matter to most."""
    try:
        wanted = ArticleFilter(words=SearchWords(" ".join(words)))
    except Invalid as error:
        raise Invalid(f"Cannot search for these words. {error}") from None
    order = Order(by=Sort.RELEVANCE)
    _print_page(_read(reader, lambda c, viewer: _page(c, viewer, wanted, order, limit, skip)), json=json)


def show_article(*, article: int | Slug, reader: Username | None, json: bool) -> None:
    """Show one article, by its number or its slug."""

    async def get(container: Container, viewer: int | None) -> ArticleView:
        queries, include = container.article_queries(), frozenset({Include.AUTHOR})
        try:
            found: ArticleView = await queries.get(article, viewer=viewer, include=include)
        except ArticleMoved as moved:
            found = await queries.get(moved.slug, viewer=viewer, include=include)
        return found

    found = _read(reader, get)
    if json:
        _print_json(_shown(found))
        return
    head = {
        "id": str(found.id),
        "author": found.author.username if found.author else "",
        "status": found.status.value + (", with a working copy" if found.has_working_copy else ""),
        "published": f"{found.published_at:%Y-%m-%d %H:%M} UTC" if found.published_at else "",
        "slug": found.slug,
        "tags": ", ".join(found.tags),
    }
    print(found.title, "\n")
    print("\n".join(f"{name + ':':<11}{value}" for name, value in head.items() if value), "\n")
    print(found.content.replace("\r\n", "\n"))


def _read(reader: Username | None, read: Callable[[Container, int | None], Awaitable[Any]]) -> Any:  # noqa: ANN401
    """What is read of the blog by this reader, or by anybody."""

    async def run(settings: Settings) -> Any:  # noqa: ANN401
        container = Container(settings=settings)
        try:
            viewer = (await container.user_queries().profile(reader)).id if reader else None
            return await read(container, viewer)
        finally:
            await container.database().close()

    # What goes on is no part of what is asked for, which may be on its way to another program.
    with current_database(Settings.load(), say=lambda sentence: tell(sentence, sys.stderr)) as settings:
        return asyncio.run(run(settings))


async def _page(
    container: Container, viewer: int | None, wanted: ArticleFilter, order: Order, limit: int, skip: int
) -> ArticlePage:
    page: ArticlePage = await container.article_queries().page(
        viewer=viewer,
        limit=limit,
        skip=skip,
        filter=wanted,
        order=order,
        include=frozenset({Include.AUTHOR}),
        highlights=False,
    )
    return page


def _print_page(page: ArticlePage, *, json: bool) -> None:
    if json:
        _print_json([_shown(article) for article in page.articles])
        return
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for article in page.articles:
        author = article.author.username if article.author else ""
        parts = (str(article.id), f"{article.date:%Y-%m-%d}", article.status.value, author)
        line = "  ".join(part.ljust(width) for part, width in zip(parts, WIDTHS, strict=True))
        print(f"{line}  {article.title}"[:columns])
    if page.more:
        print("There are more: --skip leads on.", file=sys.stderr)
    elif not page.articles:
        print("There are none.", file=sys.stderr)


def _shown(article: ArticleView) -> dict[str, Any]:
    return {name: value for name, value in asdict(article).items() if name not in ("content_html", "highlight")}


def _print_json(content: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(content), indent=2).decode())

"""What the HTTP contract promises of Markdown."""

import re

import httpx
import pytest

from tests.contracts.asking import edit, found, write, wrong

# What a page must have none of, wherever it stands.
RUNS = re.compile(
    r"<\s*(script|iframe|object|embed|svg|math|style|link|meta|base|form|input|template)"
    r"|<[^>]*\son\w+\s*=|<[^>]*\sstyle\s*=|=\s*[\"']?\s*(javascript|vbscript|data):",
    re.IGNORECASE,
)


class MarkdownContract:
    async def test_html_is_there_for_whoever_asks_for_it(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada, content="# On engines\n\nThe *engine* weaves | **patterns**.\n")
        path = f"/articles/{article['id']}"
        plain = await found(client, path)
        assert plain["content"] == article["content"]
        assert "content_html" not in plain
        for one in (path, f"/articles/{article['slug']}"):
            shown = await found(client, f"{one}?include=content_html")
            assert shown == plain | {"content_html": shown["content_html"]}
            assert '<h1 id="section-on-engines">On engines</h1>' in shown["content_html"]
            assert "<em>engine</em> weaves | <strong>patterns</strong>" in shown["content_html"]
        for listed in await found(client, "/articles", ada):
            assert "content_html" not in listed

    async def test_html_follows_the_content(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = await write(client, ada, content="*first* of all")
        changed = await edit(client, ada, article, content="**second** and more")
        assert (changed["summary"], changed["excerpt"]) == (None, "second and more")
        shown = await found(client, f"/articles/{article['id']}?include=content_html")
        assert shown["content_html"] == "<p><strong>second</strong> and more</p>\n"

    @pytest.mark.parametrize(
        "query", ["include=", "include=html", "include=content_html&include=content_html", "page=1"]
    )
    async def test_what_cannot_be_included_is_refused(
        self, client: httpx.AsyncClient, ada: dict[str, str], query: str
    ) -> None:
        article = await write(client, ada)
        for who in (article["id"], article["slug"], 999_999):
            assert set(wrong(await client.get(f"/articles/{who}?{query}"))) == {query.partition("=")[0]}

    @pytest.mark.parametrize(
        "content",
        [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            '<a href="javascript:alert(1)">x</a>',
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt&colon;alert(1))",
            "![x](data:text/html;base64,PHNjcmlwdD4=)",
            "<javascript:alert(1)>",
            "<svg onload=alert(1)><math><mi xlink:href='javascript:alert(1)'>",
            "<iframe src='https://example.org'></iframe>",
            "<style>*{}</style><p style='background:url(javascript:x)'>text",
            "<form action=/users/me method=post><input name=password><button>go",
            "<base href='https://evil.example/'><meta http-equiv=refresh content='0;url=//evil.example'>",
            '```"><script>alert(1)</script>\ncode\n```',
            "text[^1]\n\n[^1]: <script>alert(1)</script>",
        ],
    )
    async def test_nothing_in_it_can_run(self, client: httpx.AsyncClient, ada: dict[str, str], content: str) -> None:
        assert RUNS.search(content) or "javascript" in content.lower() or "data:" in content
        article = await write(client, ada, content=content + " and some more text")
        assert article["content"] == content + " and some more text"
        html = (await found(client, f"/articles/{article['id']}?include=content_html"))["content_html"]
        assert not RUNS.search(html), html

    async def test_how_much_there_is_to_read_is_counted_in_words_and_minutes(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        article = await write(client, ada, content="# Engines\n\n" + "[word](https://example.org) " * 221)
        assert (article["word_count"], article["reading_minutes"]) == (222, 2)
        assert article["excerpt"].startswith("Engines word word")
        assert len(article["excerpt"]) <= 201
        edited = await edit(client, ada, article, summary="A few words")
        assert edited["summary"] == edited["excerpt"] == "A few words"

    async def test_what_takes_too_long_to_render_is_refused(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        deep = {"content": "<div>" * 30_000}
        article = await write(client, ada)
        path = f"/articles/{article['id']}"
        for answer in (
            await client.post("/articles", json={"title": "Deep"} | deep, headers=ada),
            await client.patch(path, json=deep, headers=ada),
            await client.patch(f"{path}/working-copy", json=deep, headers=ada),
        ):
            assert set(wrong(answer)) == {"#/content"}
        assert await found(client, "/articles", ada) == [article]

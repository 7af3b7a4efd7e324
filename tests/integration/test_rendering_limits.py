"""How long it takes to render what is as long, as deep or as entangled as content can be."""

import time
from collections.abc import AsyncIterator

import pytest

from blog.adapters.markdown import RustMarkdown, rendition_of
from blog.domain.articles import Content, TooHardToRender

LONG = {
    "quotes": ">" * Content.MAX,
    "brackets": "[" * Content.MAX,
    "emphasis": "*a " * (Content.MAX // 3),
    "mixed emphasis": "**a_" * (Content.MAX // 4),
    "links": "[a](" * (Content.MAX // 4),
    "lists": "".join(" " * depth + "- a\n" for depth in range(600)),
    "code": "".join("`" * length + " " for length in range(600)),
    "elements": "<div>" * (Content.MAX // 5),
    "unended": "<b><p>" * (Content.MAX // 6),
    "crossed": "<b><i>" * 200 + "</b></i>" * 20_000,
    "table": "|" * 60_000 + "\n" + "|-" * 30_000 + "|\n" + "|" * 60_000,
    "footnotes": "".join(f"[^{number}]: [^{number + 1}]\n\n" for number in range(9_000)),
    "entities": "&lt;" * (Content.MAX // 4),
    "paragraphs": "a\n\n" * (Content.MAX // 3),
}


@pytest.fixture
async def rust() -> AsyncIterator[RustMarkdown]:
    rust = RustMarkdown(seconds=20)
    yield rust
    rust.close()


@pytest.mark.parametrize("name", LONG)
async def test_the_longest_content_is_rendered_or_refused_soon(rust: RustMarkdown, name: str) -> None:
    begun = time.monotonic()
    try:
        assert await rust.render(Content(LONG[name][: Content.MAX]))
    except TooHardToRender:
        assert name in ("quotes", "elements", "unended", "crossed", "footnotes")
    # Ten times what it takes, for a machine that is busy.
    assert time.monotonic() - begun < 10


def test_html_is_ten_times_as_long_as_the_longest_content_at_most() -> None:
    # Of four characters each reference becomes 96.
    assert 9 * Content.MAX < len(rendition_of("[^1]: x\n\n" + "[^1]" * 20_000).html) <= 10 * Content.MAX
    with pytest.raises(TooHardToRender):
        rendition_of("[^1]: x\n\n" + "[^1]" * 21_000)


def test_what_would_take_too_long_is_seen_beforehand() -> None:
    for harmless in (
        "<i>" * 300,
        "<i></i>" * 20_000,
        "</i>" * 20_000,
        "List<String> is a list. " * 501,
        "[a](b) " * 20_000,
    ):
        assert rendition_of(harmless)
    for tag in ("i", "I"):
        with pytest.raises(TooHardToRender):
            rendition_of(f"<{tag}>" * 501)
    for costly in ("<div>" * 5000, "".join(f"<b title={n}>" for n in range(99)) + "<p>x</p>" * 9999, "> " * 9999):
        begun = time.monotonic()
        with pytest.raises(TooHardToRender):
            rendition_of(costly)
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize("piece", ["<h1>", "<h1>x</h2>", "# a\n", "[^1]", '<div class="footnote-definition" id="'])
def test_looking_for_headings_and_notes_takes_time_by_length_alone(piece: str) -> None:
    text = (piece * 50_000)[:199_000] + "\n\n[^1]: x"
    try:
        assert rendition_of(text).html
    except TooHardToRender:
        assert piece.startswith(("<", "[^"))

"""Markdown: what CommonMark says, nothing that can run, and not for ever."""

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.adapters import markdown
from blog.adapters.markdown import ATTRIBUTES, OUR_NAMES, TAGS, RustMarkdown, markup, rendition_of
from blog.application.ports import Markdown
from blog.domain.articles import Content, Rendition, TooHardToRender
from blog.domain.errors import Unavailable
from tests.builders import PlainMarkdown, contents

EXAMPLES = json.loads((Path(__file__).parent / "commonmark-0.31.2.json").read_text())
REL = 'rel="nofollow noopener noreferrer"'


def html_of(text: str) -> str:
    return rendition_of(text).html


class Parts(HTMLParser):
    """The parts of HTML as a browser would read them: how quotes are written or attributes ordered is not of them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[Any] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.append((tag, sorted(attrs, key=str)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_comment(self, data: str) -> None:
        self.parts.append(("comment", data))

    def handle_decl(self, decl: str) -> None:
        self.parts.append(("declaration", decl))

    def handle_pi(self, data: str) -> None:
        self.parts.append(("instruction", data))

    def unknown_decl(self, data: str) -> None:
        self.parts.append(("declaration", data))


def normal(html: str) -> list[Any]:
    """What of it counts, as the specification's own tests see it: space beside a block does not."""
    blocks = "blockquote|div|h[1-6]|hr|li|ol|p|pre|ul"
    return Parts(re.sub(rf"\s*(</?(?:{blocks})\b[^>]*>)\s*", r"\1", html)).parts


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example['section']}-{example['example']}")
def test_it_is_what_commonmark_says(example: dict[str, str]) -> None:
    """Tables and footnotes, which are no part of CommonMark, do not get in its way either."""
    assert normal(markup(example["markdown"])) == normal(example["html"])


def test_all_of_the_specification_is_asked_for() -> None:
    assert [example["example"] for example in EXAMPLES] == list(range(1, 653))


def test_how_normal_html_is_written_makes_a_difference_where_it_counts() -> None:
    for one, other in (("<p>a</p>", "<p>b</p>"), ("<em>a</em>", "<i>a</i>"), ("a  b", "a b"), ("&lt;p>", "<p>")):
        assert normal(one) != normal(other)


# Beyond CommonMark.


def test_tables() -> None:
    assert html_of("| a | b |\n|---|--:|\n| 1 | *2* |") == (
        '<table><thead><tr><th>a</th><th align="right">b</th></tr></thead><tbody>\n'
        '<tr><td>1</td><td align="right"><em>2</em></td></tr>\n</tbody></table>\n'
    )


def test_fenced_code_is_shown_as_it_was_typed() -> None:
    assert html_of("```python\nif x < 1 & y:\n\t<b>&amp;\n```") == (
        '<pre><code class="language-python">if x &lt; 1 &amp; y:\n\t&lt;b&gt;&amp;amp;\n</code></pre>\n'
    )


def test_footnotes_lead_to_one_another_within_the_page() -> None:
    html = html_of("Words.[^1] More.[^x]\n\n[^1]: A *note*.\n\n[^x]: Another.")
    targets = re.findall(r'href="#([^"]*)"', html)
    assert targets == ["note-1", "note-2", "reference-1", "reference-2"]
    assert sorted(re.findall(r'id="([^"]*)"', html)) == targets
    assert "<p>A <em>note</em>.</p>" in html
    assert set(re.findall(r'class="([^"]*)"', html)) == {
        "footnote-reference",
        "footnote-definition",
        "footnote-definition-label",
    }


def test_a_link_within_the_page_leads_to_nothing_of_the_page_around() -> None:
    assert html_of("[menu](#menu)") == f'<p><a href="#section-menu" {REL}>menu</a></p>\n'


@pytest.mark.parametrize(
    "address", ["https://example.org/a?b=c", "http://example.org", "mailto:ada@example.org", "/articles/on-engines"]
)
def test_links_and_pictures(address: str) -> None:
    assert html_of(f"[Ada]({address})") == f'<p><a href="{address}" {REL}>Ada</a></p>\n'
    assert html_of(f"![Ada]({address})") == f'<p><img src="{address}" alt="Ada"></p>\n'


# Nothing that can run.


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<script>alert(1)</script>", ""),
        ("<SCRIPT SRC=//x></SCRIPT>", ""),
        ("<scr<script>ipt>alert(1)</scr</script>ipt>", None),
        ("<style>* { background: url(//x) }</style>words", "words"),
        ("<iframe src='https://x'></iframe>words", "words"),
        ("<svg onload=alert(1)><script>alert(1)</script></svg>words", "<p>words</p>\n"),
        ("<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>", None),
        ("<form action='//x'><input name=a><button>words</button></form>", "words"),
        ("<object data='//x'></object><embed src='//x'><base href='//x'>", "<p></p>\n"),
        ("<meta http-equiv=refresh content='0;url=//x'><link rel=stylesheet href='//x'>", None),
        ("<img src='/a.png' onerror='alert(1)' style='width:9' srcset='//x' class='b' id='c'>", '<img src="/a.png">'),
        ("<p onclick=alert(1) style='position:fixed' class=modal id=c>words</p>", "<p>words</p>"),
        ("<a href='/a' target=_blank ping='//x' rel=opener>words</a>", f'<p><a href="/a" {REL}>words</a></p>\n'),
        ("<div id=body class='footnote-definition modal'>words</div>", None),
        ("<!-- <script>alert(1)</script> -->words", "words"),
        ("<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">", None),
        ("<textarea><script>alert(1)</script></textarea>", None),
        ("| a |\n|---|\n| <script>alert(1)</script> |", None),
        ("Words[^1]\n\n[^1]: <script>alert(1)</script>", None),
        ('[^"onclick=alert(1)]\n\n[^"onclick=alert(1)]: words', None),
        ('```"><script>alert(1)</script>\nwords\n```', "<pre><code>words\n</code></pre>\n"),
    ],
)  # fmt: skip
def test_what_can_run_does_not_get_through(text: str, html: str | None) -> None:
    check_harmless(html_of(text))
    if html is not None:
        assert html_of(text) == html


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "&#106;avascript:alert(1)",
        "javascript&colon;alert(1)",
        "java&#x0A;script:alert(1)",
        "&#1;javascript:alert(1)",
        "vbscript:x",
        "data:text/html,<script>alert(1)</script>",
        "data:image/svg+xml;base64,AAAA",
        "file:///etc/passwd",
        "blob:https://x",
        "ftp://x",
    ],
)
def test_links_and_pictures_lead_to_the_web_alone(address: str) -> None:
    for text in (
        f"[words](<{address}>)",
        f"![words](<{address}>)",
        f"[words]\n\n[words]: <{address}>",
        f"<a href='{address}'>words</a>",
        f"<img src='{address}'>",
    ):
        check_harmless(html_of(text))


TOKENS = """
< > </ /> " ' = & # ` ``` | [^1] [^1]: ]( ) [ ] ! x <!-- --> <![CDATA[ ]]> <? ?> &#106; javascript: onerror alert(1)
src href xmlns xlink:href script style svg math mtext annotation-xml title textarea noscript template iframe table
select option img a b p div
"""
dangers = st.lists(st.sampled_from([" ", "\n", "\n\n", *TOKENS.split()]), max_size=40).map("".join)


@given(dangers | contents)
def test_whatever_is_written_nothing_can_run(text: str) -> None:
    check_harmless(html_of(text))


def scheme_of(address: str) -> str | None:
    """What a browser takes for the scheme of an address (WHATWG's URL standard, section 4.4), if it has one."""
    address = re.sub(r"[\t\n\r]", "", address.lstrip("".join(map(chr, range(33)))))
    scheme = re.match(r"([a-z][a-z0-9+.-]*):", address, re.IGNORECASE)
    return scheme and scheme[1].lower()


def check_harmless(html: str) -> None:
    """There is nothing in it that the lists do not allow, and no address that does more than lead somewhere."""
    for part in Parts(html).parts:
        if isinstance(part, str):
            continue
        tag, attributes = part
        assert tag in TAGS
        for name, value in attributes:
            assert name in ATTRIBUTES["*"] | ATTRIBUTES.get(tag, set()) | {"rel", "class"}
            if name in ("href", "src"):
                assert scheme_of(value) in (None, "http", "https", "mailto")
            elif name == "class":
                assert value.startswith(("footnote-", "language-"))
            elif name == "id":
                assert value.startswith(OUR_NAMES)
    assert not TAGS & {"script", "style", "iframe", "svg", "math", "form", "input", "object", "embed", "base", "meta"}
    assert not [name for names in ATTRIBUTES.values() for name in names if name.startswith("on") or name == "style"]


# Words.


@pytest.mark.parametrize(
    ("text", "excerpt", "words"),
    [
        ("# On engines\n\nThe *engine* weaves\n`patterns`.", "On engines The engine weaves patterns.", 6),
        ("- one\n- two\n\n> three<br>four", "one two three four", 4),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a b 1 2", 4),
        ("un*frigging*believable", "unfriggingbelievable", 1),
        ("fish &amp; chips &lt;b&gt;", "fish & chips <b>", 3),
        ("![a picture](/a.png) [a link](/b)", "a link", 2),
        ("<script>alert(1)</script>", "", 0),
        ("<p title='not shown'>shown", "shown", 1),
        ("我喜欢**机器**。", "我喜欢机器。", 5),
        ("word " * 100, ("word " * 40).strip() + "…", 100),
    ],
)
def test_what_is_read_is_what_counts(text: str, excerpt: str, words: int) -> None:
    rendition = rendition_of(text)
    assert (rendition.excerpt, rendition.word_count) == (excerpt, words)


@given(contents)
def test_there_is_a_rendition_of_every_content(text: str) -> None:
    assert isinstance(rendition_of(Content(text)), Rendition)


# Not for ever; how long the longest content takes is tried in tests/integration.


@pytest.fixture
async def rust() -> AsyncIterator[RustMarkdown]:
    rust = RustMarkdown()
    yield rust
    rust.close()


async def test_who_waits_behind_others_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    monkeypatch.setattr(markdown, "rendition_of", lambda _: done.wait(30))
    busy = RustMarkdown(waiting=0.05, threads=1)
    first = asyncio.create_task(busy.render(Content("words")))
    try:
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await busy.render(Content("words"))
    finally:
        done.set()
        await first
        busy.close()


async def test_what_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    monkeypatch.setattr(markdown, "rendition_of", lambda _: done.wait(30))
    impatient = RustMarkdown(seconds=0.01)
    try:
        with pytest.raises(TooHardToRender):
            await impatient.render(Content("words"))
    finally:
        done.set()
        impatient.close()


async def test_it_is_rendered_off_the_event_loop(rust: RustMarkdown) -> None:
    assert await rust.render(Content("*words*")) == rendition_of("*words*")


async def test_plain_text_stands_in_for_it() -> None:
    plain: Markdown = PlainMarkdown()
    rendition = await plain.render(Content("<b>words</b> & more"))
    assert rendition == Rendition(
        html="<pre>&lt;b&gt;words&lt;/b&gt; &amp; more</pre>", excerpt="<b>words</b> & more", word_count=4
    )

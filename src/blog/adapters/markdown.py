"""Markdown to HTML, by pulldown-cmark, and nothing in it that could run, by ammonia."""

import asyncio
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from html import unescape
from urllib.parse import unquote

import nh3
import pyromark

from blog.domain.articles import Content, Rendition, TooHardToRender
from blog.domain.errors import Unavailable

MOST_WORK = 5_000_000
"""What sanitizing may have to look at: for each element that begins, those that it is in."""

MOST_REPEATED = 50_000
"""The same of elements that HTML begins anew in every paragraph, as long as nobody ends them."""

REPEATED = frozenset(
    ("a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u")
)

LONGEST = 10 * Content.MAX
"""Characters of HTML."""

LONGEST_NAME = 80
"""Characters in the name of a heading."""

NESTING = re.compile(r"<(/?)(?!(?:br|hr|img|input|wbr)\b)([a-z][a-z0-9]*)", re.IGNORECASE)
"""What an element begins or ends with, where HTML does not end it by itself."""

BLOCK = re.compile(
    r"<(?=/?(?:blockquote|br|caption|dd|details|div|dl|dt|fig|h[1-6r]|li|ol|p|pre|summary|t[dhr]|ul)\b)"
)
"""What words do not go on across."""

EXTENSIONS = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_FOOTNOTES

TAGS = {
    *("a", "abbr", "b", "blockquote", "br", "caption", "cite", "code", "dd", "del", "details", "dfn", "div", "dl"),
    *("dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li"),
    *("mark", "ol", "p", "pre", "progress", "q", "rp", "rt", "ruby", "s", "samp", "small", "span", "strong", "sub"),
    *("summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul", "var", "wbr"),
}
ATTRIBUTES = {
    "*": {"lang", "dir", "title"},
    "a": {"href", "id"},
    "code": {"class"},  # of a language
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "progress": {"value", "max"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    **{name: {"id"} for name in ("h1", "h2", "h3", "h4", "h5", "h6", "div", "sup")},
}
"""What HTML may hold: text, its structure, links and pictures."""

ALIGNED = {"align": {"left", "center", "right"}}
VALUES = {"td": ALIGNED, "th": ALIGNED}
CLASSES = {"div": {"footnote-definition"}, "sup": {"footnote-reference", "footnote-definition-label"}}
LANGUAGE = re.compile(r"language-[A-Za-z0-9_+#.-]{1,40}")
"""What tells a highlighter how to read some code, as far as it is one word: `rust,ignore` is Rust."""

OUR_NAMES = ("section-", "note-", "reference-")
"""What the names within a page begin with: no page that shows an article has another use for one of them."""

HEADING = re.compile(r"(</?h[1-6]>)")
CELL = re.compile(r'<(t[dh]) style="text-align: (left|center|right)">')
REFERENCE = re.compile(r'<sup class="footnote-reference"><a href="#[^"]*">([0-9]+)</a></sup>')
FOOTNOTE = re.compile(
    r'<div class="footnote-definition" id="[^"]*"><sup class="footnote-definition-label">([0-9]+)</sup>'
)


_sections: ContextVar[dict[str, str]] = ContextVar("sections")
"""Of what is being cleaned: the names of its headings, by the fragments that lead to them."""


class TooMuchToRender(Unavailable):
    sentence = "Too many articles are being rendered at the moment. Try again shortly."


class RustMarkdown:
    """CommonMark 0.31 with tables and footnotes (pulldown-cmark), sanitized by an allow-list (ammonia).

    Both are written in Rust and let go of Python's lock. `seconds` is how long one rendering may take once it has
    begun, and `waiting` how long it may wait for that; `threads` render at a time.
    """

    def __init__(self, *, seconds: float = 2.0, waiting: float = 5.0, threads: int = 2) -> None:
        self._seconds, self._waiting = seconds, waiting
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="markdown")

    async def render(self, content: Content) -> Rendition:
        begun: list[float] = []

        def work() -> Rendition:
            begun.append(time.monotonic())
            return rendition_of(content)

        asked = time.monotonic()
        rendering = asyncio.get_running_loop().run_in_executor(self._executor, work)
        try:
            # To be told when it begins would take longer than most renderings: it is looked after now and then.
            while True:
                now = time.monotonic()
                late = (begun[0] + self._seconds if begun else asked + self._waiting) - now
                if late <= 0:
                    raise TooHardToRender if begun else TooMuchToRender
                done, _ = await asyncio.wait([rendering], timeout=min(late, self._seconds))
                if done:
                    return rendering.result()
        finally:
            rendering.cancel()

    def close(self) -> None:
        """Let what is being rendered finish, and take nothing more."""
        self._executor.shutdown(cancel_futures=True)


def _kept(tag: str, name: str, value: str) -> str | None:
    """What becomes of an attribute that may be there."""
    if name == "id":
        return value if value.startswith(OUR_NAMES) else f"section-{value}"
    if tag == "a" and name == "href" and value.startswith("#") and not value[1:].startswith(OUR_NAMES):
        fragment = unquote(value[1:])
        if fragment in ("", "top"):  # That is the beginning of the page.
            return value
        return f"#{_sections.get().get(fragment.lower(), f'section-{fragment}')}"
    if tag == "code" and name == "class":
        language = LANGUAGE.match(value)
        return language[0] if language else None
    return value


# Made once: to make one takes longer than to clean an article.
CLEANER = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
    tag_attribute_values=VALUES,
    allowed_classes=CLASSES,
    url_schemes={"http", "https", "mailto"},
    link_rel="nofollow noopener noreferrer",
    attribute_filter=_kept,
)
WITHOUT_TAGS = nh3.Cleaner(tags=set())


def rendition_of(content: str) -> Rendition:
    """The HTML of some Markdown, and its words. Raises `TooHardToRender`."""
    unsafe, sections = with_sections(with_footnotes(CELL.sub(r'<\1 align="\2">', markup(content))))
    check_work(unsafe)

    _sections.set(sections)
    html = CLEANER.clean(unsafe)
    if len(html) > LONGEST:
        raise TooHardToRender
    # The end of a block is a space between words.
    return Rendition.of(html=html, text=unescape(WITHOUT_TAGS.clean(BLOCK.sub(" <", html))))


def markup(content: str) -> str:
    """What CommonMark says the HTML is, as unsafe as the Markdown."""
    return str(pyromark.html(content, options=EXTENSIONS))


def with_footnotes(html: str) -> str:
    """The HTML with footnotes that lead back to where they are first referred to, named by their numbers."""
    seen: set[str] = set()

    def reference(found: re.Match[str]) -> str:
        number = found[1]
        name = "" if number in seen else f' id="reference-{number}"'
        seen.add(number)
        return f'<sup class="footnote-reference"{name}><a href="#note-{number}">{number}</a></sup>'

    def footnote(found: re.Match[str]) -> str:
        number = found[1]
        label = f'<a href="#reference-{number}">{number}</a>' if number in seen else number
        begin = f'<div class="footnote-definition" id="note-{number}">'
        return f'{begin}<sup class="footnote-definition-label">{label}</sup>'

    return FOOTNOTE.sub(footnote, REFERENCE.sub(reference, html))


def with_sections(html: str) -> tuple[str, dict[str, str]]:
    """The HTML with a name for each heading, made of its words, and under which fragments it is linked to.

    A heading "What is new in 1.31?" is `section-what-is-new-in-1-31`. A link may also say what GitHub would call it,
    `#what-is-new-in-131`.
    """
    parts = HEADING.split(html)
    taken: set[str] = set()
    counts: Counter[str] = Counter()
    sections: dict[str, str] = {}
    for at in range(1, len(parts) - 2, 2):
        opening, closing = parts[at], parts[at + 2]
        if opening[1] == "/" or closing != f"</{opening[1:]}":
            continue
        words = unescape(re.sub(r"<[^<>]*>", "", parts[at + 1])).strip().lower()
        name = "-".join(re.findall(r"[^\W_]+", words))[:LONGEST_NAME].rstrip("-")
        if not name:
            continue
        own = name
        while own in taken:
            counts[name] += 1
            own = f"{name}-{counts[name] + 1}"
        taken.add(own)
        parts[at] = f'{opening[:-1]} id="section-{own}">'
        for fragment in (own, re.sub(r"[^\w -]", "", words).replace(" ", "-")):
            sections.setdefault(fragment, f"section-{own}")
    return "".join(parts), sections


def check_work(html: str) -> None:
    """Refuse what lies in too many elements at once, because sanitizing takes the square of that."""
    opened: Counter[str] = Counter()
    depth = repeated = work = repeating = 0
    for end, tag in NESTING.findall(html):
        name = tag.lower()
        if not end:
            work += depth
            repeating += repeated
            if work > MOST_WORK or repeating > MOST_REPEATED:
                raise TooHardToRender
        # A paragraph ends by itself, and an end of what was never begun ends nothing.
        if name == "p" or (end and not opened[name]):
            continue
        change = -1 if end else 1
        opened[name] += change
        depth += change
        repeated += change if name in REPEATED else 0

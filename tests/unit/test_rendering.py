"""What a writer of Markdown finds again in the HTML, and what nobody does."""

import re

import pytest

from blog.adapters.markdown import rendition_of


def html(*lines: str) -> str:
    """The HTML of some lines of Markdown, on one line, without what every link says of itself."""
    rendered = rendition_of("\n".join(lines)).html
    return rendered.replace("\n", "").replace(' rel="nofollow noopener noreferrer"', "")


def test_code_says_its_language_in_one_word() -> None:
    assert html("```rust,ignore", "fn main() {}", "```") == (
        '<pre><code class="language-rust">fn main() {}</code></pre>'
    )
    assert html("```c++", "x", "```") == '<pre><code class="language-c++">x</code></pre>'


@pytest.mark.parametrize("fence", ["", '"onclick="alert(1)', "ä", " "])
def test_code_in_no_language_has_no_class(fence: str) -> None:
    assert html(f"```{fence}", "x", "```") == "<pre><code>x</code></pre>"


def test_no_other_class_gets_onto_code() -> None:
    assert html('<code class="advertisement language-x">a</code>') == "<p><code>a</code></p>"


def test_cells_are_aligned_as_their_table_says() -> None:
    rendered = html("| a | b | c | d |", "|:--|:-:|--:|---|", "| 1 | 2 | 3 | 4 |")
    assert re.findall(r"<t[hd](?: [^>]*)?>", rendered) == [
        *('<th align="left">', '<th align="center">', '<th align="right">', "<th>"),
        *('<td align="left">', '<td align="center">', '<td align="right">', "<td>"),
    ]


def test_a_cell_takes_no_other_alignment_and_no_style() -> None:
    rendered = html('<table><tr><td align="char" style="text-align: center; position: fixed">x</td></tr></table>')
    assert "<td>x</td>" in rendered


def test_a_heading_is_named_by_its_words() -> None:
    assert html("## What\u2019s *new* in `1.31`?") == (
        '<h2 id="section-what-s-new-in-1-31">What\u2019s <em>new</em> in <code>1.31</code>?</h2>'
    )
    assert (
        html("# \u00c4rger \u4e16\u754c") == '<h1 id="section-\u00e4rger-\u4e16\u754c">\u00c4rger \u4e16\u754c</h1>'
    )
    assert html("# ?!") == "<h1>?!</h1>"
    (name,) = re.findall(r'id="([^"]*)"', html("# " + 100 * "word "))
    assert len(name) <= len("section-") + 80


def test_no_two_headings_have_one_name() -> None:
    names = re.findall(r'id="section-([^"]*)"', html("# A", "# A 2", "# A", "# A", "# A-3"))
    assert names == ["a", "a-2", "a-3", "a-4", "a-3-2"]


@pytest.mark.parametrize("fragment", ["what-s-new-in-1-31", "What-s-New-in-1-31", "whats-new-in-131"])
def test_a_link_leads_to_a_heading_by_what_its_writer_is_used_to(fragment: str) -> None:
    rendered = html("# What's new in 1.31?", "", f"[There](#{fragment})")
    assert '<a href="#section-what-s-new-in-1-31">There</a>' in rendered


def test_a_link_finds_a_heading_of_another_script() -> None:
    assert '<a href="#section-\u00e4rger">' in html("# \u00c4rger", "", "[There](#%C3%A4rger)")


def test_a_link_leads_to_the_top_of_the_page() -> None:
    assert html("[Up](#) [Up](#top)") == '<p><a href="#">Up</a> <a href="#top">Up</a></p>'


def test_a_footnote_and_its_first_reference_lead_to_each_other() -> None:
    rendered = html("One[^a b], two[^a b].", "", "[^a b]: Note.", "[^unused]: Never meant.")
    assert rendered == (
        '<p>One<sup class="footnote-reference" id="reference-1"><a href="#note-1">1</a></sup>, '
        'two<sup class="footnote-reference"><a href="#note-1">1</a></sup>.</p>'
        '<div class="footnote-definition" id="note-1">'
        '<sup class="footnote-definition-label"><a href="#reference-1">1</a></sup><p>Note.</p></div>'
        '<div class="footnote-definition" id="note-2">'
        '<sup class="footnote-definition-label">2</sup><p>Never meant.</p></div>'
    )


def test_names_are_out_of_the_way_of_what_a_page_calls_its_own() -> None:
    rendered = html('<h2 id="cookie">a</h2><div id="forms">b</div><a id="body">c</a><a href="#forms">d</a>')
    assert rendered == (
        '<h2 id="section-cookie">a</h2><div id="section-forms">b</div>'
        '<a id="section-body">c</a><a href="#section-forms">d</a>'
    )


def test_raw_html_keeps_pictures_and_what_unfolds() -> None:
    rendered = html(
        '<details style="color: red"><summary>More</summary><progress value="3" max="4"></progress>'
        '<img src="a.png" alt="A" width="200" onerror="alert(1)"></details>'
    )
    assert rendered == (
        '<details><summary>More</summary><progress value="3" max="4"></progress>'
        '<img src="a.png" alt="A" width="200"></details>'
    )


@pytest.mark.parametrize(
    "raw",
    [
        "# <script>alert(1)</script>",
        '# <img src=x onerror="alert(1)">',
        '# "onclick="alert(1)',
        "[x](javascript:alert(1))",
        '<a href="#&quot;onclick=&quot;alert(1)">x</a>',
        '[^"onclick="alert(1)]: x',
        'x[^"onclick="alert(1)]\n\n[^"onclick="alert(1)]: x',
        '<sup class="footnote-reference"><a href="#" onclick="alert(1)">1</a></sup>',
        "<h1><svg onload=alert(1)></h1>",
        '<td style="text-align: left" onclick="alert(1)">',
    ],
)
def test_nothing_that_is_added_can_run(raw: str) -> None:
    tags = re.findall(r"<[^<>]*>", rendition_of(raw).html)
    attributes = {name for tag in tags for name in re.findall(r'([\w-]+)="[^"]*"', tag)}
    assert attributes <= {"id", "class", "href", "rel", "src"}
    assert not [tag for tag in tags if re.match(r"<(script|svg)|.*javascript:", tag)]

"""The rules of revisions, and comparing them."""

import difflib
import re
import time
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from blog.domain.articles import AltText, Content, Manuscript, Note, Summary, Title
from blog.domain.revisions import MOST_COMPARISONS, PUBLICATION, Revision, compare
from blog.domain.slugs import Slug
from blog.domain.tags import Tags
from blog.domain.web_addresses import WebAddress
from tests.builders import NOON, a_manuscript, a_revision, an_article, titles

CHANGED: dict[str, Any] = {
    "title": Title("New"),
    "content": Content("New"),
    "summary": None,
    "tags": Tags(),
    "cover_image_url": WebAddress("https://example.org"),
    "cover_image_alt": AltText("New"),
    "canonical_url": None,
    "slug": Slug("looms"),
    "featured": False,
    "language": None,
    "publish_at": None,
    "unpublish_at": NOON,
}


def test_the_first_revision_changes_nothing() -> None:
    article = an_article()
    assert Revision.of(article, by=11, note=Note("N")) == Revision(
        article_id=22,
        version=6,
        by=11,
        at=article.updated_at,
        note=Note("N"),
        changed=(),
        manuscript=article.manuscript,
    )


def test_a_revision_names_what_it_changed() -> None:
    assert set(CHANGED) == {*(this.name for this in fields(Manuscript)), *PUBLICATION}
    before = an_article()
    for name, value in CHANGED.items():
        assert Revision.of(an_article(**{name: value}), by=11, before=before).changed == (name,)
    assert Revision.of(an_article(**CHANGED), by=11, before=before).changed == tuple(CHANGED)


def test_what_follows_from_a_change_is_not_named() -> None:
    before = an_article()
    after = replace(before, version=7, edition="7-new", address=Slug("looms"), published_at=NOON, updated_at=NOON)
    revision = Revision.of(after, by=11, before=before)
    assert (revision.changed, revision.note, revision.version, revision.at) == ((), None, 7, NOON)


# Comparing.


def lines_of(revision: Revision) -> list[str]:
    text = revision.manuscript
    head = [
        f"{this.name}: {', '.join(value) if isinstance(value, tuple) else value}"
        for this in fields(text)
        if this.name != "content" and (value := getattr(text, this.name))
    ]
    return [*head, "", *re.split(r"\r\n|\r|\n", text.content)]


def patched(before: list[str], diff: str) -> list[str]:
    """What a unified diff makes of some lines, as patch(1) reads it."""
    after, at = [], 0
    lines = diff.removesuffix("\n").split("\n") if diff else []
    for line in lines[2:]:
        if begins := re.fullmatch(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", line):
            # A hunk of no lines is behind the line that it names.
            start = int(begins[1]) - (begins[2] != "0")
            after += before[at:start]
            at = start
        elif line.startswith("+"):
            after.append(line[1:])
        else:
            assert line[0] in " -"
            assert before[at] == line[1:]
            after += [line[1:]] if line[0] == " " else []
            at += 1
    return after + before[at:]


texts = st.lists(st.sampled_from(["a", "b", "", "-a", "+b", "@@ -1 +1 @@", "--- x", "x\u2028y", "é\t"]), max_size=25)
contents = st.tuples(texts, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["", "\n"])).map(
    lambda made: made[1].join(["c", *made[0]]) + made[2]
)
revisions = st.builds(
    lambda title, content, summary, tags: a_revision(
        manuscript=a_manuscript(title=title, content=content, summary=summary, tags=tags)
    ),
    st.sampled_from(["T", "U"]).map(Title) | titles.map(Title),
    contents.map(Content),
    st.none() | st.just(Summary("S")),
    st.sampled_from([Tags(), Tags(["a"]), Tags(["a", "b"])]),
)


@given(revisions, revisions)
def test_the_difference_makes_the_one_of_the_other(one: Revision, other: Revision) -> None:
    assert patched(lines_of(one), compare(one, other)) == lines_of(other)
    assert patched(lines_of(other), compare(other, one)) == lines_of(one)


@given(revisions, revisions)
def test_a_difference_is_what_difflib_says(one: Revision, other: Revision) -> None:
    before, after = ([f"{line}\n" for line in lines_of(revision)] for revision in (one, other))
    said = difflib.unified_diff(before, after, f"version {one.version}", f"version {other.version}")
    assert compare(one, other) == "".join(said)


numbered = st.lists(st.sampled_from(["edit", "drop", "add"]), max_size=6).flatmap(
    lambda kinds: st.tuples(
        st.just(kinds), st.lists(st.integers(0, 999), min_size=len(kinds), max_size=len(kinds), unique=True)
    )
)


@given(numbered, st.integers(470, 999))
@settings(max_examples=25)
def test_a_difference_in_a_long_text_is_what_difflib_says_of_lines_that_are_there_once(
    edits: tuple[list[str], list[int]], size: int
) -> None:
    lines = [f"line {number}" for number in range(size)]
    changed: list[str] = []
    kinds = dict(zip(edits[1], edits[0], strict=True))
    for number, line in enumerate(lines):
        kind = kinds.get(number)
        changed += {"edit": ["edited"], "drop": [], "add": ["added", line], None: [line]}[kind]
    one, other = a_revision(content=Content("\n".join(lines))), a_revision(content=Content("\n".join(changed)))
    # Where it is looked at in parts, and not replaced whole.
    assume((max(kinds, default=0) - min(kinds, default=0) + 9) ** 2 < MOST_COMPARISONS)
    before, after = ([f"{line}\n" for line in lines_of(revision)] for revision in (one, other))
    said = difflib.unified_diff(before, after, f"version {one.version}", f"version {other.version}")
    assert compare(one, other) == "".join(said)


def test_a_difference_names_the_versions_and_what_is_around_it() -> None:
    lines = "\n".join("abcdefghij")
    before = a_revision(content=Content(lines), version=3)
    after = a_revision(content=Content(lines.replace("e", "E\ne")), title=Title("New"), version=7)
    assert compare(before, after) == (
        "--- version 3\n+++ version 7\n"
        "@@ -1,4 +1,4 @@\n-title: On engines\n+title: New\n summary: What weaves what.\n"
        " tags: Engines, Straße, looms\n cover_image_url: https://example.org/engine.png\n"
        "@@ -9,6 +9,7 @@\n b\n c\n d\n+E\n e\n f\n g\n"
    )


@pytest.mark.parametrize("different", [{}, {"version": 9, "by": 12, "at": NOON, "note": None, "changed": ()}])
def test_texts_that_are_the_same_differ_by_nothing(different: Any) -> None:
    assert compare(a_revision(), a_revision(**different)) == ""


def test_how_lines_end_makes_no_difference() -> None:
    assert compare(a_revision(content=Content("a\nb")), a_revision(content=Content("a\r\nb"))) == ""


def test_what_takes_too_long_to_compare_is_replaced_whole() -> None:
    size = 2 * int(MOST_COMPARISONS**0.5)
    one = a_revision(content=Content("\n".join(f"{number} one" for number in range(size))))
    other = a_revision(content=Content("\n".join(f"{number} other" for number in range(size))))
    begun = time.monotonic()
    difference = compare(one, other)
    assert time.monotonic() - begun < 1
    assert patched(lines_of(one), difference) == lines_of(other)
    assert len(difference.splitlines()) == 3 + len(lines_of(one)) + len(lines_of(other))


def test_little_of_much_is_compared_all_the_same() -> None:
    lines = [f"{number}" for number in range(20_000)]
    one = a_revision(content=Content("\n".join(lines)))
    other = a_revision(content=Content("\n".join([*lines[:9_000], "new", *lines[9_000:]])))
    assert compare(one, other).count("\n") == 2 + 1 + 3 + 1 + 3


SHORT = [chr(0x400 + number % 110) for number in range(99_000)]


@pytest.mark.parametrize("at", [[0], [49_500], [98_999], [10, 300], [0, 98_999], range(40_000, 41_000)])
def test_what_the_longest_text_begins_and_ends_with_takes_no_comparing(at: list[int]) -> None:
    lines = list(SHORT)
    for number in at:
        lines[number] = "?"
    one, other = (a_revision(content=Content("\n".join(each))) for each in (SHORT, lines))
    begun = time.process_time()
    difference = compare(one, other)
    # A tenth of a second; looking at all lines took ten.
    assert time.process_time() - begun < 2
    assert patched(lines_of(one), difference) == lines_of(other)


def test_whoever_compares_is_asked_whether_to_go_on() -> None:
    class Enough(Exception):
        pass

    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise Enough

    one = a_revision(content=Content("\n".join(f"{number}\nx" for number in range(40))))
    other = a_revision(content=Content("\n".join(f"{-number}\nx" for number in range(40))))
    with pytest.raises(Enough):
        compare(one, other, check=check)

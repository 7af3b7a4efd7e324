"""The rules of articles."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.application.queries import ArticleView
from blog.domain.articles import (
    AltText,
    Article,
    ArticleNotFound,
    Changes,
    Content,
    Contradiction,
    Language,
    Note,
    NotTheAuthor,
    Rendition,
    Stamp,
    Status,
    Summary,
    Title,
    count_words,
    reading_minutes,
)
from blog.domain.errors import Invalid
from blog.domain.preconditions import EditedMeanwhile, Precondition
from blog.domain.slugs import Slug
from blog.domain.tags import Tags
from blog.domain.web_addresses import WebAddress
from tests.builders import NOON, a_draft, a_manuscript, a_rendition, an_article, contents, titles

AUTHOR, STRANGER = 11, 12
INSTANT, DAY = timedelta(microseconds=1), timedelta(days=1)
LATER = NOON + DAY
NEW = Stamp(by=AUTHOR, at=NOON, edition="new")
MINE = Stamp(by=STRANGER, at=NOON, edition="mine")


# Words with rules.


@given(titles, contents)
def test_words_are_kept_as_they_were_written(title: str, content: str) -> None:
    assert Title(title) == title
    assert Content(content) == content


@pytest.mark.parametrize(
    "text", ["", "   ", "\u3000", "x" * 201, "two\nlines", "tab\tbed", "nul\x00", "\x85", "\ud800"]
)
def test_what_is_no_title_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Title(text)


@pytest.mark.parametrize("kind", [Summary, AltText, Note])
def test_other_lines_keep_the_rules_of_a_title_at_another_length(kind: type[Summary]) -> None:
    assert kind("é" * 500) == "é" * 500
    for text in ("", " ", "x" * 501, "two\nlines"):
        with pytest.raises(Invalid):
            kind(text)


@pytest.mark.parametrize("text", ["", " \n\t", "x" * 200_001, "nul\x00", "escape\x1b[2J", "\x7f", "\udfff"])
def test_what_is_no_content_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Content(text)


def test_titles_and_contents_may_be_as_long_as_said() -> None:
    assert len(Title("é" * 200)) == 200
    assert len(Content("é" * 200_000)) == 200_000


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Must not be empty."),
        (" ", "Must not be blank."),
        ("x" * 201, "Must be at most 200 characters long."),
        ("nul\x00", "Must not contain control characters: remove U+0000 in line 1, column 4."),
        ("two\nlines\x00", "Must not contain control characters: remove U+000A in line 1, column 4."),
    ],
)
def test_a_refusal_says_what_is_wrong(text: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refusal:
        Title(text)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("\x07", "U+0007 in line 1, column 1"),
        ("One\nand two\n\tthree\x07\x08", "U+0007 in line 3, column 7"),
        ("One\r\nand two\r\n\x1b[1m", "U+001B in line 3, column 1"),
        ("One\rand two\x9f", "U+009F in line 2, column 8"),
        # Columns are characters, and not bytes; a separator of Unicode ends no line in an editor.
        ("\U0001f41f\u2028\x7f", "U+007F in line 1, column 3"),
        ("a\ud800", "U+D800 in line 1, column 2"),
    ],
)
def test_a_control_character_in_a_content_is_named_with_its_line_and_column(text: str, place: str) -> None:
    with pytest.raises(Invalid) as refusal:
        Content(text)
    assert str(refusal.value) == f"Must not contain control characters: remove {place}."


# What is made of a text.


@pytest.mark.parametrize(
    ("language_range", "tag", "matches"),
    [
        ("en", "en", True),
        ("EN", "en-GB", True),
        ("en-gb", "EN-GB", True),
        ("en-GB", "en", False),
        ("en", "enm", False),
        ("de-A", "de-AT", False),
        ("zh-Hant", "zh-Hant-TW", True),
        # Extended filtering would find it (section 3.3.2).
        ("zh-TW", "zh-Hant-TW", False),
    ],
)
def test_a_language_range_matches_its_tag_and_longer_ones(language_range: str, tag: str, matches: bool) -> None:
    assert Language(language_range).matches(Language(tag)) is matches


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("The engine weaves patterns.", 4),
        ("  two\n\n\twords … — !", 2),
        ("naïve Straße под снегом", 4),
        ("我喜欢机器。", 5),
        ("カタカナとひらがな", 9),
        ("Python 3と機械", 5),
    ],
)
def test_words_are_counted_in_any_script(text: str, words: int) -> None:
    assert count_words(text) == words
    assert Rendition.of(html="", text=text).word_count == words


@pytest.mark.parametrize(("words", "minutes"), [(0, 1), (1, 1), (220, 1), (221, 2), (440, 2), (441, 3)])
def test_reading_takes_a_minute_for_so_many_words(words: int, minutes: int) -> None:
    assert reading_minutes(words) == minutes


@pytest.mark.parametrize(
    ("text", "excerpt"),
    [
        ("", ""),
        (" Two \n\n words\t", "Two words"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 199 + "…"),
        ("a " * 100, ("a " * 100).strip()),
        ("word " * 41, "word " * 39 + "word…"),
        ("x" * 198 + " and more", "x" * 198 + "…"),
    ],
)
def test_an_excerpt_is_how_the_text_begins(text: str, excerpt: str) -> None:
    assert Rendition.of(html="<p>", text=text) == Rendition(html="<p>", excerpt=excerpt, word_count=count_words(text))


@given(st.text())
def test_an_excerpt_is_short_and_one_line(text: str) -> None:
    excerpt = Rendition.of(html="", text=text).excerpt
    assert len(excerpt) <= Rendition.EXCERPT + 1
    assert excerpt == " ".join(excerpt.split())


# Where an article stands, and who reads it.


@pytest.mark.parametrize(
    ("publish_at", "unpublish_at", "status"),
    [
        (None, None, Status.DRAFT),
        (None, NOON + INSTANT, Status.DRAFT),
        (None, NOON, Status.ARCHIVED),
        (NOON + INSTANT, None, Status.SCHEDULED),
        (NOON + INSTANT, LATER, Status.SCHEDULED),
        (NOON, None, Status.PUBLISHED),
        (NOON - DAY, NOON + INSTANT, Status.PUBLISHED),
        (NOON - DAY, NOON, Status.ARCHIVED),
        (NOON, NOON, Status.ARCHIVED),
    ],
)
def test_an_article_stands_where_its_moments_say(
    publish_at: datetime | None, unpublish_at: datetime | None, status: Status
) -> None:
    article = an_article(publish_at=publish_at, unpublish_at=unpublish_at)
    assert article.status(NOON) is status
    assert article.visible_to(AUTHOR, at=NOON)
    for viewer in (None, STRANGER):
        assert article.visible_to(viewer, at=NOON) == (status is Status.PUBLISHED)


def test_only_the_author_may_change_a_published_article() -> None:
    article = an_article()
    article.check_changeable_by(AUTHOR, at=NOON)
    for change in changes_of(article, MINE):
        with pytest.raises(NotTheAuthor):
            change()


def test_a_hidden_article_does_not_exist_for_somebody_else() -> None:
    draft = a_draft()
    draft.check_changeable_by(AUTHOR, at=NOON)
    for change in changes_of(draft, MINE):
        with pytest.raises(ArticleNotFound):
            change()


def changes_of(article: Article, stamp: Stamp, editions: list[str] | None = None) -> list[Any]:
    """Every way in which it may be changed."""
    expected = Precondition(editions=editions)
    return [
        lambda: article.check_changeable_by(stamp.by, at=stamp.at, expected=expected),
        lambda: article.edit(stamp, expected=expected, title=Title("Mine")),
        lambda: article.archive(stamp, expected=expected),
        *([] if editions else [lambda: article.rewrite(stamp, a_manuscript(), a_rendition())]),
    ]


def test_whoever_goes_by_another_version_changes_nothing() -> None:
    article = an_article()
    for expected in ([], ["5-c0ffee"], ["6-other", "*"]):
        for change in changes_of(article, NEW, expected)[:3]:
            with pytest.raises(EditedMeanwhile) as refusal:
                change()
            assert (refusal.value.version, refusal.value.changed_by) == (6, AUTHOR)
            assert refusal.value.changed_at == article.updated_at
    for change in changes_of(article, NEW, ["1-other", "6-c0ffee"]):
        change()


def test_a_condition_looks_at_when_the_article_was_changed_or_came_out() -> None:
    changed = NOON - timedelta(days=2)
    for article, since, holds in (
        (an_article(updated_at=changed, published_at=None), changed, True),
        (an_article(updated_at=changed, published_at=changed - timedelta(1)), changed, True),
        (an_article(updated_at=changed, published_at=NOON), changed, False),
        (an_article(updated_at=changed, published_at=NOON), NOON, True),
        (an_article(updated_at=changed, publish_at=LATER, published_at=LATER), changed, True),
    ):
        expected = Precondition(unmodified_since=since.replace(microsecond=0))
        if holds:
            article.check_changeable_by(AUTHOR, at=NOON, expected=expected)
            continue
        with pytest.raises(EditedMeanwhile) as refusal:
            article.check_changeable_by(AUTHOR, at=NOON, expected=expected)
        assert refusal.value.changed_at == article.published_at


def test_somebody_else_learns_nothing_of_versions() -> None:
    for change in changes_of(an_article(), MINE, ["1-other"]):
        with pytest.raises(NotTheAuthor):
            change()


# Writing and editing.


def write(**publication: Any) -> Article:
    return Article.write(
        NEW,
        id=22,
        manuscript=a_manuscript(),
        rendition=a_rendition(),
        slug=Slug("on-engines"),
        publication=publication,  # type: ignore[arg-type]  # as a TypedDict would be
    )


def test_a_new_article_is_a_draft() -> None:
    assert write() == a_draft(
        slug=Slug("on-engines"),
        featured=False,
        language=None,
        version=1,
        edition="1-new",
        text_version=1,
        created_at=NOON,
        updated_at=NOON,
    )


def test_a_new_article_may_say_otherwise() -> None:
    scheduled = write(
        slug=Slug("looms"), featured=True, language=Language("de"), publish_at=LATER, unpublish_at=LATER + DAY
    )
    assert (scheduled.slug, scheduled.featured, scheduled.language) == ("looms", True, "de")
    assert (scheduled.publish_at, scheduled.unpublish_at) == (LATER, LATER + DAY)
    published = write(published=True)
    assert (published.publish_at, published.published_at, published.version) == (NOON, NOON, 1)
    assert write(published=False) == write()


def version_after(article: Article, **different: Any) -> Article:
    """The next version of an article, which differs so."""
    return replace(article, version=7, edition="7-new", updated_at=NOON, **different)


@pytest.mark.parametrize(
    "changed",
    [
        {"title": Title("New")},
        {"summary": None},
        {"summary": Summary("New")},
        {"tags": Tags()},
        {"tags": Tags(["looms", "Straße", "Engines"])},
        {"cover_image_url": None, "cover_image_alt": None},
        {"canonical_url": WebAddress("https://example.com")},
    ],
)
def test_an_edit_of_the_text_changes_what_it_names_and_nothing_else(changed: Any) -> None:
    article = an_article()
    assert article.edit(NEW, **changed) == version_after(article, manuscript=a_manuscript(**changed), text_version=7)


def test_an_edit_of_the_content_changes_what_is_made_of_it() -> None:
    article, rendition = an_article(), a_rendition(html="<p>New")
    assert article.edit(NEW, content=Content("New"), rendition=rendition) == version_after(
        article, manuscript=a_manuscript(content=Content("New")), rendition=rendition, text_version=7
    )


def test_content_that_stays_is_shown_as_it_was() -> None:
    article, rendition = an_article(), a_rendition(html="<p>New")
    assert article.edit(NEW, content=article.manuscript.content, rendition=rendition) is article


@pytest.mark.parametrize("changed", [{"slug": Slug("looms")}, {"featured": False}, {"unpublish_at": None}])
def test_an_edit_beside_the_text_leaves_the_text_its_version(changed: Any) -> None:
    article = an_article()
    assert article.edit(NEW, **changed) == version_after(article, **changed)


def test_an_edit_that_changes_nothing_is_no_edit() -> None:
    article = an_article()
    assert article.edit(NEW) is article
    assert article.edit(NEW, title=article.manuscript.title, published=True, featured=True) is article
    assert article.edit(NEW, publish_at=article.publish_at, unpublish_at=article.unpublish_at) is article


def test_an_article_is_rewritten_whole() -> None:
    article, manuscript, rendition = an_article(), a_manuscript(content=Content("New")), a_rendition(html="<p>New")
    assert article.rewrite(NEW, manuscript, rendition) == version_after(
        article, manuscript=manuscript, rendition=rendition, text_version=7
    )
    assert article.rewrite(NEW, article.manuscript, rendition) is article


# When it is out.


def test_publishing_is_from_now_on() -> None:
    draft = a_draft()
    assert draft.edit(NEW, published=True) == version_after(draft, publish_at=NOON, published_at=NOON)
    scheduled = an_article(publish_at=LATER, published_at=LATER)
    assert scheduled.edit(NEW, published=True) == version_after(scheduled, publish_at=NOON, published_at=NOON)


def test_publishing_what_was_archived_takes_away_its_end() -> None:
    archived = an_article(unpublish_at=NOON)
    assert archived.edit(NEW, published=True) == version_after(archived, publish_at=NOON, unpublish_at=None)


def test_publishing_leaves_an_end_that_is_to_come() -> None:
    draft = a_draft(unpublish_at=LATER)
    assert draft.edit(NEW, published=True).unpublish_at == LATER


def test_unpublishing_makes_a_draft_again() -> None:
    article = an_article()
    assert article.edit(NEW, published=False) == version_after(article, publish_at=None, unpublish_at=None)


def test_unpublishing_what_is_not_out_changes_nothing() -> None:
    for hidden in (a_draft(), an_article(unpublish_at=NOON)):
        assert hidden.edit(NEW, published=False) is hidden


def test_what_is_to_come_is_called_off_by_its_moment_and_not_by_what_it_is_now() -> None:
    scheduled = an_article(publish_at=LATER, published_at=LATER)
    assert scheduled.edit(NEW, published=False) is scheduled
    draft = scheduled.edit(NEW, publish_at=None, published=False)
    assert (draft.publish_at, draft.published_at) == (None, None)


@pytest.mark.parametrize(
    ("article", "publication"),
    [
        (a_draft(), {"published": True, "publish_at": None}),
        (a_draft(), {"published": True, "publish_at": LATER}),
        (a_draft(), {"published": True, "unpublish_at": LATER}),
        (a_draft(), {"published": False, "publish_at": NOON}),
        (an_article(), {"published": False, "unpublish_at": LATER}),
        (an_article(), {"published": True, "unpublish_at": NOON}),
    ],
)
def test_what_is_said_twice_of_when_it_is_out_is_said_alike(article: Article, publication: Any) -> None:
    with pytest.raises(Contradiction) as refusal:
        article.edit(NEW, **publication)
    sentence = "Must say what publish_at and unpublish_at say; leave it out, or leave them out."
    assert (refusal.value.field, str(refusal.value)) == ("published", sentence)
    alike = publication | {"published": not publication["published"]}
    assert article.edit(NEW, **alike) == article.edit(NEW, **{n: v for n, v in alike.items() if n != "published"})


# Sending back what was read.

moments = st.none() | st.integers(-9, 9).map(lambda days: NOON + days * DAY)
publications = st.fixed_dictionaries(
    {}, optional={"publish_at": moments, "unpublish_at": moments, "slug": st.sampled_from([Slug("a"), Slug("b")])}
) | st.fixed_dictionaries({"published": st.booleans()})
KINDS: dict[str, Callable[[Any], Any]] = {
    "title": Title,
    "content": Content,
    "summary": Summary,
    "tags": Tags,
    "cover_image_url": WebAddress,
    "cover_image_alt": AltText,
    "canonical_url": WebAddress,
    "slug": Slug,
    "language": Language,
}


@given(
    st.lists(publications, max_size=5),
    st.fixed_dictionaries({}, optional={name: st.none() for name in ("summary", "language", "canonical_url")}),
    st.integers(2, 9),
    st.sets(st.sampled_from(sorted(Changes.__annotations__))),
)
def test_sending_back_what_was_read_changes_nothing(
    history: list[Any], without: Any, later: int, names: set[str]
) -> None:
    """Of every article, in whatever state, and whichever of the fields that a change takes are sent."""
    article = a_draft().edit(NEW, **without)
    for day, publication in enumerate(history):
        with suppress(Contradiction):
            article = article.edit(replace(NEW, at=NOON + (day - 3) * DAY), **publication)
    at = NOON + later * DAY
    view = ArticleView.of(article, viewer=AUTHOR, at=at)
    read = {name: getattr(view, name) for name in names}
    sent: Any = {
        name: KINDS[name](value) if name in KINDS and value is not None else value for name, value in read.items()
    }
    assert article.edit(replace(NEW, at=at), rendition=a_rendition(html="<p>Made anew"), **sent) is article


def test_an_article_was_first_out_once() -> None:
    article = a_draft().edit(NEW, published=True)
    for days, published in ((1, False), (2, True), (3, False), (4, True)):
        article = article.edit(replace(NEW, at=NOON + days * DAY), published=published)
        assert article.published_at == NOON
    article = article.edit(replace(NEW, at=NOON + 5 * DAY), publish_at=NOON + 9 * DAY)
    assert (article.publish_at, article.published_at) == (NOON + 9 * DAY, NOON)


def test_an_article_that_is_scheduled_was_not_out_before_its_moment() -> None:
    article = a_draft().edit(NEW, publish_at=LATER)
    assert (article.publish_at, article.published_at) == (LATER, LATER)
    assert article.edit(NEW, publish_at=LATER + DAY).published_at == LATER + DAY
    assert article.edit(NEW, publish_at=None).published_at is None
    assert article.edit(replace(NEW, at=LATER - INSTANT), published=True).published_at == LATER - INSTANT
    assert article.edit(replace(NEW, at=LATER), publish_at=None).published_at == LATER


@pytest.mark.parametrize("article", [a_draft(), an_article()])
def test_what_was_out_elsewhere_keeps_its_date(article: Article) -> None:
    long_ago = datetime(1999, 12, 31, tzinfo=UTC)
    imported = article.edit(NEW, publish_at=long_ago)
    assert (imported.publish_at, imported.published_at) == (long_ago, long_ago)
    assert write(publish_at=long_ago).published_at == long_ago


def test_a_published_article_is_archived_from_now_on() -> None:
    article = an_article()
    archived = article.archive(NEW)
    assert archived == version_after(article, unpublish_at=NOON)
    assert archived.status(NOON) is Status.ARCHIVED
    assert archived.archive(replace(NEW, at=LATER)) is archived


def test_a_draft_is_archived() -> None:
    draft = a_draft()
    assert draft.archive(NEW) == version_after(draft, unpublish_at=NOON)


def test_what_is_archived_before_it_was_out_never_was() -> None:
    scheduled = an_article(publish_at=LATER, published_at=LATER)
    archived = version_after(scheduled, publish_at=None, unpublish_at=NOON, published_at=None)
    assert scheduled.archive(NEW) == archived


def test_moments_are_kept_in_utc() -> None:
    elsewhere = timezone(timedelta(hours=9))
    article = a_draft().edit(NEW, publish_at=NOON.astimezone(elsewhere), unpublish_at=LATER.astimezone(elsewhere))
    assert (article.publish_at, article.unpublish_at) == (NOON, LATER)
    assert repr(article.publish_at) == repr(NOON)
    assert repr(article.unpublish_at) == repr(LATER)


@pytest.mark.parametrize("name", ["publish_at", "unpublish_at"])
@pytest.mark.parametrize(
    ("moment", "sentence"),
    [
        (datetime(2026, 3, 4, 12), "Must carry a zone, such as the Z of 2026-03-04T12:00:00Z."),  # noqa: DTZ001
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "Must be within the years 1900 to 2999."),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))), "Must be within the years 1900 to 2999."),
    ],
)
def test_a_moment_is_one_everywhere(name: str, moment: datetime, sentence: str) -> None:
    publication: dict[str, Any] = {name: moment}
    changes: list[Callable[[], Article]] = [
        lambda: write(**publication),
        lambda: an_article().edit(NEW, **publication),
    ]
    for change in changes:
        with pytest.raises(Contradiction) as refusal:
            change()
        assert (refusal.value.field, str(refusal.value)) == (name, sentence)


def test_an_article_does_not_end_before_it_begins() -> None:
    changes: list[Callable[[], Article]] = [
        lambda: write(publish_at=LATER, unpublish_at=LATER - INSTANT),
        lambda: an_article(publish_at=NOON).edit(NEW, unpublish_at=NOON - INSTANT),
        lambda: an_article(unpublish_at=LATER).edit(NEW, publish_at=LATER + INSTANT),
    ]
    for change in changes:
        with pytest.raises(Contradiction) as refusal:
            change()
        assert refusal.value.field == "unpublish_at"
        assert str(refusal.value) == "Must not be earlier than publish_at; null is never."
    assert write(publish_at=LATER, unpublish_at=LATER).unpublish_at == LATER

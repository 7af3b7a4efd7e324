"""The rules of working copies."""

from dataclasses import replace
from datetime import timedelta

import pytest

from blog.domain.articles import Content, Contradiction, NotTheAuthor, Stamp, Title
from blog.domain.preconditions import EditedMeanwhile, Precondition, VersionExcluded
from blog.domain.working_copies import WorkingCopy
from tests.builders import NOON, a_draft, a_rendition, a_working_copy, an_article

AUTHOR = 11
NEW = Stamp(by=AUTHOR, at=NOON, edition="new")


def test_a_copy_begins_as_what_the_article_is() -> None:
    article = an_article()
    assert WorkingCopy.begin(article, NEW) == WorkingCopy(
        article_id=22,
        based_on=6,
        manuscript=article.manuscript,
        rendition=article.rendition,
        version=0,
        edition="0-new",
        updated_at=NOON,
    )


def test_saving_changes_what_it_names_and_nothing_else() -> None:
    copy, rendition = a_working_copy(), a_rendition(html="<p>New")
    assert copy.save(an_article(), NEW, title=Title("New"), summary=None) == a_working_copy(
        title=Title("New"), summary=None, version=4, edition="4-new", updated_at=NOON
    )
    assert copy.save(an_article(), NEW, content=Content("New"), rendition=rendition) == a_working_copy(
        content=Content("New"), rendition=rendition, version=4, edition="4-new", updated_at=NOON
    )
    for nothing in ({}, {"title": copy.manuscript.title}):
        assert copy.save(an_article(), NEW, **nothing) is copy  # type: ignore[arg-type]


def test_a_copy_that_is_published_takes_the_place_of_the_text() -> None:
    article, copy = an_article(version=4, text_version=4), a_working_copy()
    assert copy.publish(article, NEW) == replace(
        article,
        manuscript=copy.manuscript,
        rendition=copy.rendition,
        version=5,
        text_version=5,
        edition="5-new",
        updated_at=NOON,
    )


def test_a_copy_does_not_undo_what_was_written_meanwhile() -> None:
    for copy in (a_working_copy(based_on=4), a_working_copy(based_on=4, version=99)):
        with pytest.raises(EditedMeanwhile) as refusal:
            copy.publish(an_article(), NEW)
        assert (refusal.value.version, refusal.value.changed_by) == (6, AUTHOR)
        assert refusal.value.changed_at == an_article().updated_at


def test_a_copy_takes_the_place_of_a_text_that_its_author_accepts() -> None:
    article, copy = an_article(version=8, text_version=6), a_working_copy(based_on=4)
    for version in (6, 7, 8):
        accepted = copy.save(article, NEW, based_on=version)
        assert accepted == replace(copy, based_on=version, version=4, edition="4-new", updated_at=NOON)
        published = accepted.publish(article, NEW)
        assert (published.manuscript, published.version) == (copy.manuscript, 9)
    # A change of the text comes with it.
    assert copy.save(article, NEW, based_on=8, title=Title("New")) == a_working_copy(
        title=Title("New"), based_on=8, version=4, edition="4-new", updated_at=NOON
    )


def test_a_copy_keeps_the_base_that_it_has() -> None:
    article, copy = an_article(version=8, text_version=6), a_working_copy(based_on=4)
    assert copy.save(article, NEW, based_on=4) is copy
    assert copy.save(article, NEW, based_on=4, title=Title("New")).based_on == 4


def test_nobody_accepts_a_text_that_was_changed_meanwhile_or_is_to_come() -> None:
    article, copy = an_article(version=8, text_version=6), a_working_copy(based_on=4)
    with pytest.raises(EditedMeanwhile) as stale:
        copy.save(article, NEW, based_on=5)
    assert (stale.value.version, stale.value.changed_at) == (8, article.updated_at)
    with pytest.raises(Contradiction) as refusal:
        copy.save(article, NEW, based_on=9)
    assert refusal.value.field == "based_on"
    assert str(refusal.value) == "Must be a version of the article; it has 8 so far."


def test_a_copy_goes_with_what_was_only_put_elsewhere_meanwhile() -> None:
    assert a_working_copy(based_on=5).publish(an_article(), NEW).version == 7
    assert a_working_copy(based_on=5).publish(a_draft(), NEW).publish_at is None


def test_whoever_goes_by_another_version_does_nothing_to_it() -> None:
    copy, article = a_working_copy(based_on=6), an_article()
    for editions in ([], ["2-decade"], ["6-c0ffee"]):
        expected = Precondition(editions=editions)
        for do in (
            lambda expected: copy.save(an_article(), NEW, expected=expected, title=Title("New")),
            lambda expected: copy.publish(article, NEW, expected=expected),
        ):
            with pytest.raises(EditedMeanwhile) as refusal:
                do(expected)
            assert (refusal.value.version, refusal.value.changed_by) == (3, AUTHOR)
            assert refusal.value.changed_at == copy.updated_at
    assert (
        copy.save(
            an_article(), NEW, expected=Precondition(editions=["1-other", "3-decade"]), title=Title("New")
        ).version
        == 4
    )
    assert copy.publish(article, NEW, expected=Precondition(editions=["3-decade"])).version == 7


def test_a_copy_that_has_not_begun_has_no_date_and_does_not_exist() -> None:
    begun = WorkingCopy.begin(an_article(), NEW)
    for nothing in (
        Precondition(absent=True),
        Precondition(other_than=[begun.edition]),
        Precondition(unmodified_since=NOON - timedelta(days=1)),
    ):
        copy = begun.save(an_article(), NEW, expected=nothing, title=Title("New"))
        assert copy.version == 1
    for something in (Precondition(absent=True), Precondition(other_than=[copy.edition])):
        with pytest.raises(VersionExcluded):
            copy.save(an_article(), NEW, expected=something, title=Title("Newer"))


def test_nobody_but_the_author_publishes_it() -> None:
    with pytest.raises(NotTheAuthor):
        a_working_copy(based_on=6).publish(an_article(), replace(NEW, by=12))

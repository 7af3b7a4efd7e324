"""The rules of articles."""

from datetime import timedelta

import pytest
from hypothesis import given

from blog.domain.articles import Article, ArticleNotFound, Content, NotTheAuthor, Title
from blog.domain.errors import Invalid
from tests.builders import NOON, an_article, contents, titles

AUTHOR, STRANGER = 11, 12
LATER = NOON + timedelta(days=1)


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
        ("nul\x00", "Must not contain control characters; U+0000 is one."),
    ],
)
def test_a_refusal_says_what_is_wrong(text: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refusal:
        Title(text)
    assert str(refusal.value) == sentence


def test_a_new_article_is_as_old_as_its_last_change() -> None:
    article = Article.write(id=22, title=Title("T"), content=Content("C"), published=False, author_id=AUTHOR, at=NOON)
    assert article == an_article(
        title=Title("T"), content=Content("C"), published=False, created_at=NOON, updated_at=NOON
    )


def test_a_published_article_is_for_anybody() -> None:
    article = an_article(published=True)
    assert article.visible_to(None)
    assert article.visible_to(STRANGER)
    assert article.visible_to(AUTHOR)


def test_a_draft_is_for_its_author_alone() -> None:
    draft = an_article(published=False)
    assert not draft.visible_to(None)
    assert not draft.visible_to(STRANGER)
    assert draft.visible_to(AUTHOR)


def test_an_edit_changes_what_it_names_and_the_time_and_nothing_else() -> None:
    article = an_article()
    assert article.edit(by=AUTHOR, at=LATER, title=Title("New")) == an_article(title=Title("New"), updated_at=LATER)
    assert article.edit(by=AUTHOR, at=LATER, content=Content("New")) == an_article(
        content=Content("New"), updated_at=LATER
    )
    assert article.edit(by=AUTHOR, at=LATER, published=False) == an_article(published=False, updated_at=LATER)


def test_an_edit_that_changes_nothing_is_no_edit() -> None:
    article = an_article()
    assert article.edit(by=AUTHOR, at=LATER) is article
    assert article.edit(by=AUTHOR, at=LATER, title=article.title, published=True) is article


def test_only_the_author_may_change_a_published_article() -> None:
    article = an_article(published=True)
    article.check_changeable_by(AUTHOR)
    with pytest.raises(NotTheAuthor):
        article.check_changeable_by(STRANGER)
    with pytest.raises(NotTheAuthor):
        article.edit(by=STRANGER, at=LATER, title=Title("Mine"))


def test_a_draft_does_not_exist_for_somebody_else() -> None:
    draft = an_article(published=False)
    draft.check_changeable_by(AUTHOR)
    with pytest.raises(ArticleNotFound):
        draft.check_changeable_by(STRANGER)
    with pytest.raises(ArticleNotFound):
        draft.edit(by=STRANGER, at=LATER, published=True)

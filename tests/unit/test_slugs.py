"""The rules of slugs."""

from string import ascii_lowercase, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.domain.errors import Invalid
from blog.domain.slugs import RESERVED, Slug
from tests.builders import titles

words = st.text(ascii_lowercase + digits, min_size=1, max_size=Slug.MAX)
slugs = st.lists(words, min_size=1).map("-".join).map(lambda text: text[: Slug.MAX].rstrip("-"))
slugs = slugs.filter(lambda text: not text.isdecimal() and text not in RESERVED)


@given(slugs)
def test_a_slug_is_kept_as_it_was_written(text: str) -> None:
    assert Slug(text) == text


@pytest.mark.parametrize("text", ["a", "1-2", "1st", "a" * 100, "new-york", "tags-2"])
def test_a_slug_may_be_as_short_and_as_long_as_said(text: str) -> None:
    assert Slug(text) == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Must not be empty."),
        ("a" * 101, "Must be at most 100 characters long."),
        ("A", "Must be lower-case letters a-z and digits, with single hyphens between words."),
        ("two words", "Must be lower-case letters a-z and digits, with single hyphens between words."),
        ("a--b", "Must be lower-case letters a-z and digits, with single hyphens between words."),
        ("-a", "Must be lower-case letters a-z and digits, with single hyphens between words."),
        ("a-", "Must be lower-case letters a-z and digits, with single hyphens between words."),
        ("a/b", "Must be lower-case letters a-z and digits, with single hyphens between words."),
        ("é", "Must be lower-case letters a-z and digits, with single hyphens between words."),
        ("٣", "Must be lower-case letters a-z and digits, with single hyphens between words."),
        ("a\n", "Must not contain control characters: remove U+000A in line 1, column 2."),
        ("42", "Must not be a number: numbers are ids."),
        ("feed", "Must not be 'feed', which addresses use otherwise."),
    ],
)
def test_what_is_no_slug_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refusal:
        Slug(text)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("On engines", "on-engines"),
        ("  What's   new, Ada? ", "whats-new-ada"),
        ("Crème brûlée (¼)", "creme-brulee-14"),
        ("C++ & C#", "c-c"),
        ("\uff21\uff24\uff21", "ada"),
        ("42", "article-42"),
        ("New", "article-new"),
        ("Под снегом", "article"),
        ("…", "article"),
        ("a" * 200, "a" * 100),
        ("a" * 99 + " b", "a" * 99),
        ("4" * 200, "article-" + "4" * 92),
    ],
)
def test_a_title_reads_as_a_slug(title: str, slug: str) -> None:
    assert Slug.of(title) == slug


@given(titles)
def test_there_is_a_slug_for_every_title(title: str) -> None:
    assert Slug(Slug.of(title))
    assert Slug.of(Slug.of(title)) == Slug.of(title)


@given(slugs, st.integers(2, 10**12))
def test_a_number_comes_behind_and_is_known_again(slug: str, number: int) -> None:
    numbered = Slug(slug).numbered(number)
    assert numbered.endswith(f"-{number}")
    assert numbered.mark is None
    marked = Slug(slug).marked(number)
    assert marked.mark == number
    assert marked != numbered
    assert numbered.startswith(slug[:50])


@pytest.mark.parametrize(
    ("slug", "number", "numbered"),
    [("engines", 2, "engines-2"), ("a" * 100, 10, "a" * 97 + "-10"), ("a" * 96 + "-bcd", 10, "a" * 96 + "-10")],
)
def test_a_number_comes_behind_within_the_length(slug: str, number: int, numbered: str) -> None:
    assert Slug(slug).numbered(number) == numbered


@pytest.mark.parametrize("slug", ["engines", "engines-two", "2-engines", "engines-" + "1" * 19])
def test_not_every_slug_is_marked(slug: str) -> None:
    assert Slug(slug).mark is None

"""The rules of tags."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.domain.errors import Invalid
from blog.domain.tags import Tag, Tags
from tests.builders import characters

letters = characters.filter(lambda character: character != ",")
words = st.text(letters, min_size=1, max_size=12).filter(lambda text: text.strip() not in ("", ".", ".."))


@given(words)
def test_a_tag_is_kept_as_it_is_spelled(word: str) -> None:
    tag = Tag(word)
    assert Tag(tag) == tag == tag.strip()
    assert Tag(f" {word}\u3000").key == tag.key


def test_a_tag_may_be_as_short_and_as_long_as_said() -> None:
    assert Tag("c") == "c"
    assert len(Tag("é" * 50)) == 50


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("", "Must not be empty."),
        (" \u3000", "Must not be blank."),
        ("x" * 51, "Must be at most 50 characters long."),
        ("a,b", "Must not contain a comma, which separates tags."),
        ("two\nlines", "Must not contain control characters: remove U+000A in line 1, column 4."),
        (" .. ", "Must not be '.' or '..': in an address, these name a folder (RFC 3986, section 3.3)."),
        # 18 characters each, once compatibility forms are unfolded.
        ("\ufdfa" * 12, "Must be at most 200 characters long."),
    ],
)
def test_what_is_no_tag_is_refused(word: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refusal:
        Tag(word)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("one", "other"),
    [("Engines", "ENGINES"), ("straße", "STRASSE"), ("cafe\u0301", "CAF\u00c9"), ("\uff41da", "Ada"), (" a ", "A")],
)
def test_spellings_of_one_tag_share_a_key(one: str, other: str) -> None:
    assert Tag(one).key == Tag(other).key
    with pytest.raises(Invalid, match="Must name each tag once"):
        Tags([one, other])


def test_one_letter_is_spelled_in_one_way() -> None:
    assert Tag("cafe\u0301") == Tag("caf\u00e9") == "caf\u00e9"


def test_different_tags_have_different_keys() -> None:
    assert Tag("engine").key != Tag("engines").key
    assert Tag("c").key != Tag("c++").key


def test_tags_stay_in_the_order_of_their_author() -> None:
    assert Tags() == ()
    assert Tags(["looms", "Engines", "a"]) == ("looms", "Engines", "a")
    assert all(isinstance(tag, Tag) for tag in Tags(["looms"]))


def test_there_are_twenty_tags_at_most() -> None:
    assert len(Tags(map(str, range(20)))) == 20
    with pytest.raises(Invalid, match=r"^Must be at most 20 tags\.$"):
        Tags(map(str, range(21)))


def test_a_tag_that_comes_twice_is_named() -> None:
    with pytest.raises(Invalid, match="'LOOMS' comes twice"):
        Tags(["looms", "engines", "LOOMS"])


def test_tags_are_counted_before_they_are_made() -> None:
    """Of a million words, all but the first few are never looked at."""
    looked_at = 0

    def words() -> Iterator[str]:
        nonlocal looked_at
        while looked_at < 1_000_000:
            looked_at += 1
            yield ""

    with pytest.raises(Invalid, match="Must be at most 20 tags"):
        Tags(words())
    assert looked_at <= Tags.MAX + 2

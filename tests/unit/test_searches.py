"""What somebody looks for, and how it is read."""

import pytest
from hypothesis import given

from blog.domain.searches import Alternative, SearchWords
from tests.builders import searches


def read(text: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(one.present, one.absent) for one in SearchWords(text).alternatives]


@pytest.mark.parametrize(
    ("text", "alternatives"),
    [
        ("red lantern", [(("red", "lantern"), ())]),
        ('"green lantern" -red', [(("green lantern",), ("red",))]),
        ('lantern -"green lantern"', [(("lantern",), ("green lantern",))]),
        ("blue or hung", [(("blue",), ()), (("hung",), ())]),
        ("hung OR -red", [(("hung",), ()), ((), ("red",))]),
        ('"or" -or', [(("or",), ("or",))]),
        # A quote that nothing ends goes on to the end.
        ('red "green lantern', [(("red", "green lantern"), ())]),
        # One hyphen directly before a word is a minus, and no others are.
        ("non-lexical", [(("non-lexical",), ())]),
        ("git --force", [(("git", "force"), ())]),
        ("red - green", [(("red", "green"), ())]),
        (f"{'-' * 33}red", [(("red",), ())]),
        # Alternatives have a word.
        ("or red or or green or", [(("red",), ()), (("green",), ())]),
        ("red or !", [(("red",), ())]),
    ],
)
def test_a_search_is_read_as_search_engines_do(
    text: str, alternatives: list[tuple[tuple[str, ...], tuple[str, ...]]]
) -> None:
    assert read(text) == alternatives


@pytest.mark.parametrize("text", ["-", "-" * 33, '"', '""', "or", "or or", "!", "_", "😀", "- - -", '"-"', "' & |"])
def test_a_search_without_a_word_finds_nothing(text: str) -> None:
    assert read(text) == []
    assert SearchWords(text).normalized == ""
    assert SearchWords(text).wanted == frozenset()


def test_a_search_in_its_plainest_spelling_has_each_phrase_in_quotes() -> None:
    text = 'Red --green or -"a  b" or - or "c'
    assert SearchWords(text).normalized == '"Red" "green" or -"a  b" or "c"'


@given(searches)
def test_a_search_in_its_plainest_spelling_is_the_same_search(text: str) -> None:
    words = SearchWords(text)
    # It may be longer than what people may write.
    again = str.__new__(SearchWords, words.normalized)
    assert again.alternatives == words.alternatives
    assert again.normalized == words.normalized
    assert all(isinstance(one, Alternative) and (one.present or one.absent) for one in words.alternatives)

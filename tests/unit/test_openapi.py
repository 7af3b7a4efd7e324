"""The OpenAPI document: that it is one, that it is honest, and that it does not change unnoticed."""

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unicodedata import category

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from blog.domain.articles import Title
from blog.domain.errors import Invalid
from blog.domain.users import Email, NewPassword, Password, Username
from blog.entrypoints.http import openapi
from blog.entrypoints.http.app import ROUTES
from blog.entrypoints.http.articles import LongContent

SNAPSHOT = Path(__file__).with_name("openapi.json")
ACCEPT = 'ACCEPT_OPENAPI=1 make unit ARGS="-k openapi"'


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """As it is sent."""
    return dict(json.loads(json.dumps(openapi.document("Blog", ROUTES))))


def validator(document: dict[str, Any], schema: dict[str, Any]) -> OAS31Validator:
    return OAS31Validator(schema | {"components": document["components"]})


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (operation for path in document["paths"].values() for operation in path.values())


def responses(document: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every response of every operation, and its status."""
    for operation in operations(document):
        for status, response in operation["responses"].items():
            _, _, shared = response.get("$ref", "").rpartition("/")
            yield int(status), document["components"]["responses"][shared] if shared else response


def test_it_is_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    validate(document)


def test_it_is_what_it_was(document: dict[str, Any]) -> None:
    document = document | {"info": document["info"] | {"version": "that of the package"}}
    found = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("ACCEPT_OPENAPI"):
        SNAPSHOT.write_text(found)
    assert found == SNAPSHOT.read_text(), f"The contract has changed. If that is meant, accept it: {ACCEPT}"


async def test_it_is_made_once(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(openapi, "document")
    answer = await client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["info"]["title"] == "Blog"


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document)]
    assert len(set(names)) == len(names) == len(ROUTES)
    assert all(re.fullmatch(r"[a-z_]+", name) for name in names)
    assert all(operation["summary"] for operation in operations(document))


def test_whatever_fails_is_a_problem(document: dict[str, Any]) -> None:
    for status, response in responses(document):
        if status >= 400:
            ((media_type, content),) = response["content"].items()
            assert media_type == "application/problem+json"
            model = "InvalidProblem" if status == 422 else "Problem"
            assert content["schema"] == {"$ref": f"#/components/schemas/{model}"}
            assert all(each["value"]["status"] == status for each in content["examples"].values())
    assert {status for status, _ in responses(document)} == {
        *(200, 201, 204),
        *(400, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503),
    }


def test_every_body_has_an_example_and_every_example_fits(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        examples = schema.get("examples", [])
        assert examples or name in ("FieldError", "InvalidProblem", "Problem")
        for each in examples:
            validator(document, schema).validate(each)
            assert set(schema["required"]) <= set(each)
    for _, response in responses(document):
        for content in response.get("content", {}).values():
            for each in content.get("examples", {}).values():
                validator(document, content["schema"]).validate(each["value"])


def test_a_token_is_needed_or_taken_or_neither(document: dict[str, Any]) -> None:
    token: list[dict[str, list[str]]] = [{"password": []}, {"bearer": []}]
    optional: list[dict[str, list[str]]] = [{}, *token]
    found = {operation["operationId"]: operation.get("security") for operation in operations(document)}
    assert found == {
        **dict.fromkeys(["register", "log_in", "show_profile", "show_live", "show_ready"]),
        **dict.fromkeys(["show_me", "delete_me", "write_article", "edit_article", "delete_article"], token),
        **dict.fromkeys(["list_articles", "show_article"], optional),
    }
    assert {scheme for choice in token for scheme in choice} == set(document["components"]["securitySchemes"])


WORDS = (Title, LongContent, Email, Username, Password, NewPassword)
# Every character of Latin, every other one that is a space or not to be seen, and one of each other kind.
KINDS = {character: category(character) for character in map(chr, range(0x3100))}
CHARACTERS = [
    *(character for character, kind in KINDS.items() if character < "\u0250" or kind[0] == "Z" or kind == "Cf"),
    *{kind: character for character, kind in KINDS.items()}.values(),
    *"\ufeff\uffff🎉",
]


def is_taken(word: Any, text: str) -> bool:
    try:
        word(text)
    except Invalid:
        return False
    return True


@cache
def documentation(word: Any) -> tuple[dict[str, Any], re.Pattern[str]]:
    """The schema of a word, and its pattern as Python has it."""
    schema = openapi.word(word)
    # In JSON Schema, unlike in Python, `$` is the very end.
    return schema, re.compile(re.sub(r"\$$", r"\\Z", schema["pattern"]))


def is_documented(word: Any, text: str) -> bool:
    schema, pattern = documentation(word)
    return schema["minLength"] <= len(text) <= schema["maxLength"] and bool(pattern.search(text))


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.__name__)
def test_a_word_is_documented_as_it_is_taken_in_every_kind_of_character(word: Any) -> None:
    texts = {
        Title: ("{}", "a{}", "{}a"),
        LongContent: ("{}" * 10, "{}0123456789", "0123456789{}"),
        Email: ("a{}@b.c", "{}@b", "a@b{}c", "a@b.{}", "a@{}"),
        Username: ("ab{}", "{}ab"),
        Password: ("{}",),
        NewPassword: ("{}1234567", "1234567{}"),
    }[word]
    for text in (text.replace("{}", character) for text in texts for character in CHARACTERS):
        assert is_documented(word, text) == is_taken(word, text), repr(text)


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.__name__)
@given(
    text=st.text(
        st.sampled_from(' \n\t\r\x00\x85\xa0\u2028\u3000\ufeff@."a-_Aé🎉') | st.characters(codec="utf-8"),
        max_size=300,
    )
)
@example(text="a" * 200)
@example(text="a" * 201)
@example(text="a" * 64 + "@b")
@example(text="a" * 65 + "@b")
@example(text="a@" + "b" * 253)
@example(text="a@" + "b" * 254)
@example(text="a@b..c")
@example(text="a" * 50)
@example(text="a" * 51)
def test_a_word_is_documented_as_it_is_taken(word: Any, text: str) -> None:
    assert is_documented(word, text) == is_taken(word, text)

"""The OpenAPI document: that it is one, that it is honest, and that it does not change unnoticed."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import category

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blog.domain.articles import AltText, Note, Summary, Title
from blog.domain.errors import Invalid
from blog.domain.slugs import RESERVED, Slug
from blog.domain.tags import Tag
from blog.domain.users import Email, NewPassword, Password, Username
from blog.domain.web_addresses import WebAddress
from blog.entrypoints.formats.feeds import Site
from blog.entrypoints.http import openapi
from blog.entrypoints.http.app import ROUTES
from blog.entrypoints.http.articles import LongContent
from blog.entrypoints.http.contract import JSON

if TYPE_CHECKING:
    from openapi_schema_validator import OAS31Validator

SITE = Site(name="Blog", url="https://example.org", authority="example.org")
SNAPSHOT = Path(__file__).with_name("openapi.json")
NESTED = ("AuthorView", "FieldError", "JsonFeedAuthor", "JsonFeedItem")
"""Parts of other models, which have the example."""
ACCEPT = 'ACCEPT_OPENAPI=1 make unit ARGS="-k openapi"'


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """As it is sent."""
    return dict(json.loads(json.dumps(openapi.document(SITE, ROUTES))))


def validator(document: dict[str, Any], schema: dict[str, Any]) -> "OAS31Validator":
    # Loaded by what needs it, because that takes longer than many tests of the rules.
    from openapi_schema_validator import OAS31Validator

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
    from openapi_spec_validator import validate

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
            model = {412: "StaleProblem", 422: "InvalidProblem"}.get(status, "Problem")
            assert content["schema"] == {"$ref": f"#/components/schemas/{model}"}
            assert all(each["value"]["status"] == status for each in content["examples"].values())
    assert {status for status, _ in responses(document)} == {
        *(200, 201, 204, 304, 308),
        *(400, 401, 403, 404, 408, 409, 412, 413, 414, 415, 422, 428, 429, 431, 500, 503),
    }


def test_every_body_has_an_example_and_every_example_fits(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        examples = schema.get("examples", [])
        assert examples or "enum" in schema or name in NESTED or name.endswith("Problem")
        for each in examples:
            validator(document, schema).validate(each)
            assert set(schema["required"]) <= set(each)
    for _, response in responses(document):
        for content in response.get("content", {}).values():
            for each in content.get("examples", {}).values():
                validator(document, content["schema"]).validate(each["value"])
    for operation in operations(document):
        for parameter in operation.get("parameters", []):
            if "example" in parameter:
                validator(document, parameter["schema"]).validate(parameter["example"])


def test_a_token_is_needed_or_taken_or_neither(document: dict[str, Any]) -> None:
    token: list[dict[str, list[str]]] = [{"password": []}, {"bearer": []}]
    optional: list[dict[str, list[str]]] = [{}, *token]
    none: list[dict[str, list[str]]] = []
    found = {operation["operationId"]: operation.get("security") for operation in operations(document)}
    assert found == {
        **dict.fromkeys(found, token),
        **dict.fromkeys(["register", "log_in", "show_profile", "show_preview", "show_live", "show_ready"], none),
        **dict.fromkeys(
            ["show_feed", "show_feed_of_author", "show_feed_of_tag", "show_sitemap", "show_robots"], none
        ),
        **dict.fromkeys(["list_articles", "show_article", "list_tags"], optional),
    }
    assert {scheme for choice in token for scheme in choice} == set(document["components"]["securitySchemes"])


def prefilled(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    """What Swagger UI sends of an operation whose form nobody has touched, but for its path."""
    query: dict[str, Any] = {}
    headers: dict[str, Any] = {}
    for parameter in operation.get("parameters", []):
        if "$ref" in parameter:
            parameter = document["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
        examples = [each["value"] for each in parameter.get("examples", {}).values()]
        schema = parameter["schema"]
        for value in [*examples, *(parameter[name] for name in ("example",) if name in parameter)][:1]:
            {"query": query, "header": headers, "path": {}}[parameter["in"]][parameter["name"]] = value
        assert "example" not in schema
        assert "examples" not in schema
    sent: dict[str, Any] = {"params": query, "headers": headers}
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
        sent["json" if media_type == JSON else "data"] = schema["examples"][0]
    return sent


@pytest.mark.http
async def test_a_form_that_nobody_has_touched_works_twice(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()

    async def press(method: str, path: str, **places: object) -> httpx.Response:
        sent = prefilled(document, document["paths"][path][method])
        sent["headers"] |= bearer
        return await client.request(method, path.format(**places), **sent)

    bearer: dict[str, str] = {}
    assert (await press("post", "/users")).status_code == 201
    tokens = [await press("post", "/auth/login") for _ in range(2)]
    bearer["Authorization"] = f"Bearer {tokens[1].json()['access_token']}"
    first, second = [await press("post", "/articles") for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]
    unlike = {"title": "Another", "content": "It has nothing of an example.", "published": True}
    assert (await client.post("/articles", json=unlike, headers=bearer)).status_code == 201
    for _ in range(2):
        assert len((await press("get", "/articles")).json()) == 3
        assert len((await press("get", "/tags")).json()) == 2
    here = {"article_id": first.json()["id"], "version": 1, "format": "atom", "username": "ada", "tag": "engines"}
    article = "/articles/{article_id}"
    for method, path in (
        ("get", article),
        ("patch", article),
        ("patch", f"{article}/working-copy"),
        ("get", f"{article}/working-copy"),
        ("post", f"{article}/previews"),
        ("get", f"{article}/previews"),
        ("get", f"{article}/revisions"),
        ("get", f"{article}/revisions/{{version}}"),
        ("get", f"{article}/revisions/{{version}}/diff"),
        ("post", f"{article}/revisions/{{version}}/restore"),
        ("post", f"{article}/archive"),
        ("get", "/feed.{format}"),
        ("get", "/users/{username}/feed.{format}"),
        ("get", "/tags/{tag}/feed.{format}"),
        ("get", "/sitemap.xml"),
    ):
        for _ in range(2):
            answer = await press(method, path, **here)
            assert answer.is_success, (method, path, answer.text)


def test_what_names_a_version_says_so(document: dict[str, Any]) -> None:
    """Every reply with an entity tag has its header, every change of such a thing takes it back."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            taken = {parameter.get("$ref", "").rpartition("/")[2] for parameter in operation.get("parameters", [])}
            answers = set(operation["responses"])
            assert ("If-Match" in taken) == ("412" in answers), path
            assert ("428" in answers) == ("If-Match" in taken and method in ("patch", "delete")), path
            assert ("Idempotency-Key" in taken) <= ({"400", "409", "422"} <= answers), path
            assert ("Idempotency-Key" in taken) <= (method == "post"), path


def test_a_moment_is_documented_as_one_and_what_may_be_missing_as_null(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for model in schemas.values():
        for name, field in model.get("properties", {}).items():
            kinds = field.get("anyOf", [field])
            if name.endswith("_at"):
                assert [kind.get("format") for kind in kinds if kind != {"type": "null"}] == ["date-time"], name
    nullable = {
        name
        for name, field in schemas["ArticleReply"]["properties"].items()
        if {"type": "null"} in field.get("anyOf", [])
    }
    assert nullable == {
        *("published_at", "publish_at", "unpublish_at"),
        *("summary", "cover_image_url", "cover_image_alt", "canonical_url", "language"),
        "has_working_copy",
    }
    whole, required = set(schemas["ArticleReply"]["properties"]), set(schemas["ArticleReply"]["required"])
    assert whole - required == {"author", "content_html", "highlight"}
    assert (set(schemas["PartialArticle"]["properties"]), schemas["PartialArticle"]["required"]) == (whole, [])
    assert set(schemas["Previewed"]["enum"]) == {"article", "working_copy"}
    assert set(schemas["Status"]["enum"]) == {"draft", "scheduled", "published", "archived"}


def beside_a_slug(paths: Iterable[str]) -> set[str]:
    """The words that paths have where a slug could stand: after /articles, and after the article in the singular."""
    return {
        segment
        for path in paths
        for before, segment in pairwise(path.split("/"))
        if before in ("articles", "{article_id}") and not segment.startswith("{")
    }


def test_no_slug_is_a_word_of_an_address(document: dict[str, Any]) -> None:
    assert beside_a_slug(["/articles", "/articles/latest", "/articles/{article_id}/x/y"]) == {"latest", "x"}
    assert beside_a_slug(document["paths"]) <= RESERVED


WORDS = (Title, Summary, AltText, Note, LongContent, Slug, Tag, WebAddress, Email, Username, Password, NewPassword)
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
        Slug: ("a{}b", "{}a", "{}"),
        WebAddress: ("https://a.b/{}", "https://a{}.b/", "https://{}"),
        LongContent: ("{}" * 10, "{}0123456789", "0123456789{}"),
        Email: ("a{}@b.c", "{}@b", "a@b{}c", "a@b.{}", "a@{}"),
        Username: ("ab{}", "{}ab"),
        Password: ("{}",),
        NewPassword: ("{}1234567", "1234567{}"),
    }.get(word, ("{}", "a{}", "{}a"))
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
@example(text="a-b")
@example(text="a--b")
@example(text="12")
@example(text="tags")
@example(text="https://example.org/?a=b#c")
@example(text="http://")
@example(text="http://a@b/")
@example(text="http://a:b/")
@example(text="http://[/")
@example(text="http://[::1]:8000/[")
@example(text="a" * 50)
@example(text="a" * 51)
def test_a_word_is_documented_as_it_is_taken(word: Any, text: str) -> None:
    assert is_documented(word, text) == is_taken(word, text)

"""What the HTTP contract promises of what is hidden: no reply of any route tells a word of it to anybody else.

Routes, parameters and bodies are those of the OpenAPI document, so that a new one is tried without being named here.
"""

import itertools
import re
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.builders import NOON
from tests.contracts.asking import ARTICLE, edit, found, headers, sign_in, signed_in, write

Header = dict[str, str]
SAFE = ("GET", "HEAD")
METHODS = (*SAFE, "POST", "PATCH", "DELETE")


def secret() -> str:
    """A word that nothing else says, and that stays what it is in a slug, a tag, an address or a language."""
    return f"zq-{secrets.token_hex(4)}-{secrets.token_hex(3)}x"


@dataclass(kw_only=True)
class Hidden:
    """What nobody but Ada is to know, and what somebody who looks for it might ask for."""

    words: dict[str, str] = field(default_factory=dict)
    """Each secret, and where it stands."""
    articles: list[str] = field(default_factory=list)
    """By their ids and slugs."""
    others: dict[str, list[str]] = field(default_factory=dict)
    """What else a path names, by the names of the parameters."""

    def fields(self, document: dict[str, Any], model: str, where: str, **instead: Any) -> dict[str, Any]:
        """A body with a secret in each of its fields that can hold one, but for those that say something else."""
        properties = document["components"]["schemas"][model]["properties"]
        body = {name: self._secret(schema, f"{name} of {where}") for name, schema in properties.items()}
        return {name: value for name, value in (body | instead).items() if value is not None}

    def _secret(self, schema: Mapping[str, Any], where: str) -> Any:
        schema = next((kind for kind in schema.get("anyOf", []) if kind.get("type") != "null"), schema)
        if schema.get("type") == "array":
            return [self._secret(schema["items"], where) for _ in range(2)]
        if schema.get("type") != "string" or schema.get("format") == "date-time":
            return None
        word = self.word(where)
        return f"https://{word}.example/" if "http" in schema.get("pattern", "") else word

    def word(self, where: str) -> str:
        """A secret that stands there."""
        word = secret()
        self.words[word] = where
        return word

    def moment(self, where: str, *, past: bool = False) -> str:
        """A moment, whose second is a secret."""
        at = NOON + timedelta(days=-99 if past else 99, seconds=secrets.randbelow(80_000), microseconds=7)
        self.words[at.isoformat()[:23]] = where
        return at.isoformat()

    def told(self, answer: httpx.Response, asked: str) -> set[str]:
        """The secrets that a reply tells, but for those that were asked for."""
        said = f"{answer.text}\n{answer.headers}".lower()
        return {word for word in self.words if word.lower() in said and word not in asked}


async def hide(client: httpx.AsyncClient, ada: Header) -> Hidden:
    """One of each thing that is hidden, wholly or in part."""
    document = await found(client, "/openapi.json")
    hidden = Hidden()

    async def new(where: str, **instead: Any) -> dict[str, Any]:
        return await write(client, ada, published=None, **hidden.fields(document, "NewArticle", where, **instead))

    draft = await new("a draft")
    scheduled = await new("a scheduled article", publish_at=hidden.moment("when it appears"))
    never = {"publish_at": hidden.moment("when it would", past=True), "unpublish_at": NOON.isoformat()}
    never_out = await new("an article that was over before it began", **never)

    # Out, and away again, and going to come back as something else.
    archived = await write(client, ada, title="It was there", slug="it-was-there")
    await edit(client, ada, archived, slug="it-is-there")
    await client.post(f"/articles/{archived['id']}/archive", headers=ada)
    archived = await edit(client, ada, archived, **hidden.fields(document, "ArticleChanges", "an archived article"))

    # Out, with something else in it before and with something else to come.
    out = await new("an old revision")
    plain = {"title": "Out", "slug": "out", "content": "This is out.", "summary": None, "tags": ["out"]}
    cleared = dict.fromkeys(("cover_image_url", "cover_image_alt", "canonical_url", "language"))
    note = hidden.word("note of a change")
    out = await edit(client, ada, out, **plain, **cleared, note=note, publish_at=NOON.isoformat())
    await edit(client, ada, out, unpublish_at=hidden.moment("when it disappears"))
    copy = hidden.fields(document, "WorkingCopyChanges", "a working copy")
    await client.patch(f"/articles/{out['id']}/working-copy", json=copy, headers=ada)

    previews = []
    for article, of in ((draft, "article"), (out, "working_copy")):
        answer = await client.post(f"/articles/{article['id']}/previews", json={"of": of}, headers=ada)
        previews.append(str(answer.json()["id"]))

    ids = [str(article["id"]) for article in (draft, scheduled, never_out, archived, out)]
    slugs = [word for word, where in hidden.words.items() if where.startswith("slug of")]
    hidden.articles = [*ids, *slugs, "it-was-there", "it-is-there", "out"]
    hidden.others = {"version": ["1", "2"], "preview_id": previews, "username": ["Ada"]}
    return hidden


def requests(
    document: dict[str, Any], hidden: Hidden, methods: Collection[str]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each operation of the document, and everything to try it with."""
    for path in document["paths"]:
        for method in methods:
            if operation := _operation(document, path, method):
                parameters = [_resolved(document, each) for each in operation.get("parameters", [])]
                bodies = list(_bodies(document, operation))
                ways = [
                    {"method": method, "url": url, "params": query, "headers": given, **body}
                    for url in _urls(path, hidden)
                    for query in _queries(document, parameters, hidden)
                    for given in _headers(parameters)
                    for body in bodies
                ]
                yield f"{method} {path}", ways


def _operation(document: dict[str, Any], path: str, method: str) -> dict[str, Any]:
    """What the document says of a method at a path; nothing where it does not name it."""
    return dict(document["paths"][path].get("get" if method == "HEAD" else method.lower(), {}))


def _resolved(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        _, *names = part["$ref"].split("/")
        part = document
        for name in names:
            part = part[name]
    return part


def _urls(path: str, hidden: Hidden) -> Iterator[str]:
    names = re.findall(r"{(\w+)}", path)
    choices = [hidden.articles if name == "article_id" else hidden.others.get(name, ["1", "x"]) for name in names]
    for chosen in itertools.product(*choices):
        yield path.format(**dict(zip(names, chosen, strict=True)))


def _queries(document: dict[str, Any], parameters: list[dict[str, Any]], hidden: Hidden) -> Iterator[dict[str, str]]:
    """What is compulsory, and with it each value of each other parameter, and rubbish."""
    queries = [each for each in parameters if each["in"] == "query"]
    values = {each["name"]: _values(_resolved(document, each["schema"]), hidden) for each in queries}
    needed = {each["name"]: values[each["name"]][0] for each in queries if each["required"]}
    yield needed
    yield {"surprise": "1"}
    for name, choices in values.items():
        for value in choices:
            yield needed | {name: value}


def _values(schema: dict[str, Any], hidden: Hidden) -> list[str]:
    tags = [word for word, where in hidden.words.items() if where.startswith("tags")]
    given = [*schema.get("enum", []), *(schema[name] for name in ("minimum", "default") if name in schema), "rubbish"]
    if schema.get("type") in ("array", "string") and "enum" not in schema:
        given += [*tags, ",".join(tags[:2]), "out", *hidden.articles[-2:]]
    return [str(value) for value in given]


def _headers(parameters: list[dict[str, Any]]) -> Iterator[Header]:
    yield {}
    for each in parameters:
        if each["in"] == "header":
            shown = [example["value"] for example in each.get("examples", {}).values()] or ['"a key"']
            yield from ({each["name"]: str(value)} for value in shown)


def _bodies(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "requestBody" not in operation:
        yield {}
    else:
        for media_type, content in operation["requestBody"]["content"].items():
            schema = _resolved(document, content["schema"])
            how = "json" if media_type == "application/json" else "data"
            for example in (*schema["examples"], {}):
                yield {how: example}


Reader = Callable[[httpx.AsyncClient], Awaitable[Header]]


async def nobody(_: httpx.AsyncClient) -> Header:
    """Without a token."""
    return {}


async def a_stranger(client: httpx.AsyncClient) -> Header:
    """Somebody new."""
    return await sign_in(client, f"Mallory.{secrets.token_hex(4)}")


async def the_author(client: httpx.AsyncClient) -> Header:
    """Ada herself."""
    return await signed_in(client, "Ada")


async def crawl(
    client: httpx.AsyncClient, hidden: Hidden, reader: Reader, methods: Collection[str] = METHODS
) -> tuple[set[str], Counter[str]]:
    """Where the secrets stand that any reply tells, with the request; and how often which operation was tried."""
    document = await found(client, "/openapi.json")
    told, tried = set[str](), Counter[str]()
    for operation, ways in requests(document, hidden, methods):
        method, path = operation.split()
        documented = {int(status) for status in _operation(document, path, method)["responses"]} - {500, 503}
        # Once for each operation, because one of them is to leave.
        who = await reader(client)
        for way in ways:
            answer = await client.request(**way | {"headers": way["headers"] | who})
            tried[operation] += 1
            assert answer.status_code in documented, (way, answer.text)
            asked = f"{way['url']} {way['params']}"
            told |= {f"{hidden.words[word]}: {operation} {asked}" for word in hidden.told(answer, asked)}
    return told, tried


class LeaksContract:
    @pytest.mark.parametrize("reader", [nobody, a_stranger])
    async def test_no_route_tells_anybody_else_a_word_of_what_is_hidden(
        self, client: httpx.AsyncClient, ada: Header, reader: Reader, record_property: Callable[[str, object], None]
    ) -> None:
        hidden = await hide(client, ada)
        told, tried = await crawl(client, hidden, reader)
        assert told == set()
        document = await found(client, "/openapi.json")
        assert len(tried) == sum(1 + (method == "get") for item in document["paths"].values() for method in item)
        counted = f"{tried.total()} replies told {reader.__name__} none of {len(hidden.words)} hidden words."
        record_property("counted", counted)

    async def test_the_author_is_told_every_word(self, client: httpx.AsyncClient, ada: Header) -> None:
        """Or the test before would find nothing wherever it looked."""
        hidden = await hide(client, ada)
        told, _ = await crawl(client, hidden, the_author, SAFE)
        places = set(hidden.words.values())
        # A revision does not say where the article was, or in which language.
        unsaid = {"slug of an old revision", "language of an old revision"}
        assert {place.partition(":")[0] for place in told} == places - unsaid
        things = ("a draft", "a scheduled article", "an archived article", "an old revision", "a working copy")
        names = ("title", "content", "summary", "tags", "cover_image_url", "cover_image_alt", "canonical_url")
        assert places > {f"{name} of {thing}" for thing in things for name in names}

    async def test_everybody_is_told_what_is_out(self, client: httpx.AsyncClient, ada: Header) -> None:
        """Or replies that say nothing at all would do as well."""
        hidden = await hide(client, ada)
        hidden.words = {"this is out.": "what is out"}
        told, _ = await crawl(client, hidden, nobody, SAFE)
        assert {place.partition("{")[0] for place in told} >= {"what is out: GET /articles/"}

    @pytest.mark.parametrize(
        "state",
        [
            {"published": False},
            {"published": None, "publish_at": (NOON + timedelta(days=99)).isoformat()},
            {"published": None, "publish_at": "2020-01-01T00:00:00Z", "unpublish_at": "2020-01-01T00:00:00Z"},
        ],
        ids=["draft", "scheduled", "archived"],
    )
    async def test_nobody_notices_that_something_hidden_is_called_the_same(
        self, client: httpx.AsyncClient, ada: Header, bob: Header, state: dict[str, Any]
    ) -> None:
        taken, free = secret(), secret()
        await write(client, ada, **_called(taken), **state)
        copied = await write(client, ada, title="Out already")
        copy = f"/articles/{copied['id']}/working-copy"
        called = {name: value for name, value in _called(taken).items() if name != "slug"}
        assert (await client.patch(copy, json=called, headers=ada)).status_code == 200
        seen = [await _publish(client, bob, word) for word in (taken, free)]
        assert len(seen[0]) == 12
        assert [each.replace(taken, free) for each in seen[0]] == seen[1]


def _called(word: str) -> dict[str, Any]:
    return {"title": f"On {word}", "slug": f"on-{word}", "tags": [word], "canonical_url": f"https://{word}.example/"}


async def _publish(client: httpx.AsyncClient, bob: Header, word: str) -> list[str]:
    """What is to be seen when somebody publishes an article in each way there is, and of it, by that name."""
    later = (NOON + timedelta(days=9)).isoformat()
    answers = [await client.get(f"/articles/on-{word}"), await client.get(f"/articles?tags={word}", headers=bob)]
    for way in ({"published": True}, {"published": False}, {"published": None, "publish_at": later}):
        body = {name: value for name, value in (ARTICLE | _called(word) | way).items() if value is not None}
        answers.append(await client.post("/articles", json=body, headers=bob))
        path = answers[-1].headers["location"]
        answers.append(await client.get(path, headers=bob))
        answers.append(await client.patch(path, json={"slug": f"{word}-it-is", "published": True}, headers=bob))
    answers.append(await client.get(f"/articles/on-{word}"))
    return [_without_what_differs(answer) for answer in answers]


def _without_what_differs(answer: httpx.Response) -> str:
    """A reply without what no two articles share: numbers, moments and editions."""
    said = f"{answer.status_code} {headers(answer)} {answer.text}"
    said = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "at", said)
    return re.sub(
        r'"id":\d+|/articles/\d+|"edition":"[^"]+"|\'(etag|last-modified|content-length)\': \'[^\']+\'',
        "its own",
        said,
    )

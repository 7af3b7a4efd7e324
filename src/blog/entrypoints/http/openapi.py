"""The contract as an OpenAPI document, made once, of what the routes declare.

Litestar would document what Litestar validates; here `validate` does, by the contract of a route, and what it
refuses is known from there too.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from inspect import getdoc
from itertools import chain
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from blog import __version__
from blog.application.remembering import StillRunning
from blog.domain.articles import Content, Language
from blog.domain.errors import BlogError, Unavailable
from blog.domain.preconditions import PreconditionFailed
from blog.domain.searches import SearchWords
from blog.domain.slugs import RESERVED, Slug
from blog.domain.tags import Tag, Tags
from blog.domain.text import INVISIBLE
from blog.domain.text import Line as TextLine
from blog.domain.users import Email, InvalidToken, NewPassword, Password, Username
from blog.domain.web_addresses import WebAddress
from blog.entrypoints.formats.feeds import Site
from blog.entrypoints.http.auth import Line
from blog.entrypoints.http.authentication import signed_in
from blog.entrypoints.http.conditions import ENTITY_TAG
from blog.entrypoints.http.contract import FORM, JSON, OPEN, Body, Contract, Path, Query, address_of
from blog.entrypoints.http.edge import MAX_HEADERS, MAX_TARGET
from blog.entrypoints.http.listing import Cursor, Names, Timestamp
from blog.entrypoints.http.problems import (
    FAULT,
    MAX_ERRORS,
    MEDIA_TYPE,
    SENTENCES,
    FieldError,
    InvalidProblem,
    InvalidRequest,
    NotSignedIn,
    Problem,
    StaleProblem,
    describe,
    status_of,
    with_error_code,
)
from blog.entrypoints.http.replies import Answer
from blog.entrypoints.http.validation import (
    BODY_SECONDS,
    FORM_TOO_LARGE,
    GUARDED,
    KEY,
    MAX_BODY,
    MAX_FORM,
    NO_IF_MATCH,
)

DESCRIPTION = """\
Users, and articles that are drafts or published.

- What goes wrong is answered as a problem (RFC 9457), whatever the status.
- `POST /auth/login` gives a token; send it along as `Authorization: Bearer …`. One that does not hold is refused,
  also where none is needed. Signing in, registration, feeds and health ignore the header.
- Fields and parameters that are not named here are refused. Feeds, the sitemap, robots.txt and what a preview's link
  shows ignore such parameters.
- A method that is not named here is answered with 405; `Allow` names those that are. `HEAD` is where `GET` is.
- Every reply has an `X-Request-ID`, under which the log knows the request.
"""

# Regular expressions for any dialect: \s is not the same in all of them, nor is what `.` leaves out.
_CONTROL = r"\x00-\x1f\x7f-\x9f"
_CONTROL_BUT_LAYOUT = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_BLANK = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_LOCAL = rf'[^{_CONTROL}{_BLANK}@"(),:;<>\[\\\]]'
_LABEL = rf'[^{_CONTROL}{_BLANK}@."]+'

MOMENTS = r"^(19|2[0-9])[0-9]{2}-"
"""The years that a moment may be in: YEARS of the articles."""

PATTERNS = {
    TextLine: rf"^[^{_CONTROL}]*[^{_CONTROL}{_BLANK}][^{_CONTROL}]*$",
    Tag: rf"^(?![{_BLANK}]*\.{{1,2}}[{_BLANK}]*$)[^{_CONTROL},]*[^{_CONTROL}{_BLANK},][^{_CONTROL},]*$",
    Slug: rf"^(?![0-9]+$)(?!({'|'.join(sorted(RESERVED))})$){Slug.PATTERN[1:]}",
    WebAddress: WebAddress.PATTERN,
    Language: Language.PATTERN,
    SearchWords: rf"^[^{_CONTROL}]*[^{_CONTROL}{_BLANK}][^{_CONTROL}]*$",
    Content: rf"^[^{_CONTROL_BUT_LAYOUT}]*[^{_CONTROL}{_BLANK}][^{_CONTROL_BUT_LAYOUT}]*$",
    Username: Username.PATTERN,
    Email: rf"^{_LOCAL}{{1,64}}@{_LABEL}(\.{_LABEL})*$",
    Password: rf"^[^{_CONTROL}]*$",
    NewPassword: rf"^[^{_CONTROL}]*[^{_CONTROL}{INVISIBLE}][^{_CONTROL}]*$",
    Line: rf"^[^{_CONTROL}]*$",
    Cursor: r"^[A-Za-z0-9_-]*$",
}
"""What a word of the domain checks in code, as a pattern; a test holds the two together.

Two rules are in no pattern: an address keeps its bound with its case and compatibility forms folded, too; and of
characters beyond U+FFFF that cannot be seen, a password has others beside them.
"""

FORMATS = {Password: "password"}

REFERENCE = "#/components/schemas/{name}"

MOMENT = datetime(2026, 3, 4, 12, 0, 1, 123456, UTC)

EXAMPLES: Mapping[str, Any] = {
    "access_token": "header.payload.signature",
    "article_id": 42,
    "author_id": 7,
    "content": "The engine weaves algebraic patterns.",
    "created_at": "2026-03-04T12:00:01.123456Z",
    "email": "ada@example.org",
    "id": 42,
    "password": "correct horse battery",
    "published": True,
    "status": "published",
    "title": "On engines",
    "updated_at": "2026-03-04T12:00:01.123456Z",
    "username": "ada",
    "against": 1,
    "based_on": 1,
    "canonical_url": "https://example.org/on-engines",
    "changed": ["title"],
    "changed_at": "2026-03-04T12:00:01.123456Z",
    "changed_by": 7,
    "content_html": "<p>The engine weaves algebraic patterns.</p>\n",
    "count": 3,
    "cover_image_alt": "An engine, half built.",
    "cover_image_url": "https://example.org/engine.png",
    "diff": "--- version 1\n+++ version 2\n@@ -1 +1 @@\n-title: Engines\n+title: On engines\n",
    "edition": "1-0123456789ab",
    "excerpt": "What the engine weaves.",
    "expires_at": "2026-03-11T12:00:01.123456Z",
    "expires_in": 1800,
    "feed_url": "https://example.org/feed.json",
    "home_page_url": "https://example.org/articles",
    "items": [],
    "next_url": "https://example.org/feed.json?cursor=WyItcHVibGlzaGVkX2F0Il0",
    "featured": False,
    "grant_type": "password",
    "has_working_copy": False,
    "highlight": "The <mark>engine</mark> weaves algebraic patterns.",
    "language": "en",
    "q": "engine -steam",
    "note": "A better beginning.",
    "of": "article",
    "preview_id": 5,
    "publish_at": "2026-03-04T12:00:01.123456Z",
    "published_at": "2026-03-04T12:00:01.123456Z",
    "reading_minutes": 1,
    "slug": "on-engines",
    "summary": "What the engine weaves.",
    "tag": "engines",
    "tags": ["engines", "algebra"],
    "token": "header.payload.signature",
    "unpublish_at": None,
    "url": "/preview?token=header.payload.signature",
    "version": 1,
    "word_count": 5,
}
"""By the names of fields and parameters, which mean the same everywhere."""

HEADERS: Mapping[str, Any] = {
    "Accept": {"description": "The media type to send.", "schema": {"type": "string"}},
    "Accept-Encoding": {"description": "The content coding to send.", "schema": {"type": "string"}},
    "Cache-Control": {
        "required": True,
        "description": "What is told is a secret.",
        "schema": {"type": "string", "const": "no-store"},
    },
    "ETag": {
        "required": True,
        "description": "The `edition`, a dot, and what tells one selection of fields from another (RFC 9110).",
        "schema": {"type": "string"},
    },
    "Link": {"description": "`next`, `prev` and `alternate`, a feed (RFC 8288).", "schema": {"type": "string"}},
    "X-Total-Count": {
        "description": "How many there are in all, where that was asked for.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Location": {
        "required": True,
        "description": "Where it is from now on.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Retry-After": {"required": True, "description": "Seconds.", "schema": {"type": "integer", "minimum": 0}},
    "WWW-Authenticate": {
        "required": True,
        "description": "The challenge (RFC 6750, section 3).",
        "schema": {"type": "string"},
    },
}

TAG_LIST = rf"^(\*|{ENTITY_TAG}([ \t]*,[ \t]*{ENTITY_TAG})*)$"

CONDITIONS = ("If-Match", "If-None-Match", "If-Unmodified-Since")

PARAMETERS: Mapping[str, Any] = {
    "If-Match": {
        "name": "If-Match",
        "in": "header",
        "required": False,
        "description": (
            "The `ETag` of what is to be changed, or several, or `*` (RFC 9110, section 13.1.1). What it says before "
            "the first dot, the `edition`, is what counts. Where it is compulsory, a change without it is 428."
        ),
        "schema": {"type": "string", "pattern": TAG_LIST},
        "examples": {"any": {"value": "*"}, "one": {"value": '"1-0123456789ab.6f2d8c0e9b1a"'}},
    },
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": (
            "The `ETag` of a version that must not be changed, or several, or `*`, to change nothing that exists "
            "(RFC 9110, section 13.1.2)."
        ),
        "schema": {"type": "string", "pattern": TAG_LIST},
    },
    "If-Unmodified-Since": {
        "name": "If-Unmodified-Since",
        "in": "header",
        "required": False,
        "description": (
            "A date, such as that of `Last-Modified` (`Wed, 04 Mar 2026 12:00:01 GMT`): what was changed after it is "
            "left alone (RFC 9110, section 13.1.4). It is ignored beside `If-Match`, and where it is no date of HTTP."
        ),
        "schema": {"type": "string"},
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": (
            "A string of yours, such as a UUID in quotes, and a new one for each new request: the same request with "
            "the same key is done once, for 24 hours."
        ),
        "schema": {"type": "string", "pattern": rf"^({KEY})$"},
    },
}

HEADERS_OF_PROBLEMS = {
    401: ("WWW-Authenticate",),
    415: ("Accept", "Accept-Encoding"),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


def serve(site: Site, routes: Iterable[HTTPRouteHandler]) -> HTTPRouteHandler:
    """A route that shows the document of the others."""
    content = msgspec.json.encode(document(site, routes))

    @get("/openapi.json", sync_to_thread=False, exclude_from_auth=True, contract=OPEN)
    def show_openapi() -> Answer:
        return Answer(content, media_type=JSON)

    return show_openapi


def document(site: Site, routes: Iterable[HTTPRouteHandler]) -> dict[str, Any]:
    """The document of these routes of a site."""
    routes = list(routes)
    replies = chain.from_iterable(_replies(route).values() for route in routes)
    models = {Problem, InvalidProblem, StaleProblem, *replies, *(_contract(route).body for route in routes)} - {None}
    references, schemas = _schemas(models, examples={**EXAMPLES, "url": site.path + EXAMPLES["url"]})
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        (method,) = route.http_methods
        paths.setdefault(address_of(route), {})[method.lower()] = _operation(route, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": site.name, "version": __version__, "description": DESCRIPTION},
        # The relative one comes first, for pages of any name of this host: a page may not ask another origin.
        "servers": [
            {"url": site.path or "/", "description": "The blog that this document is from."},
            {"url": site.url, "description": "The same blog, where its readers find it."},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": _shared(),
            "headers": HEADERS,
            "parameters": PARAMETERS,
            "securitySchemes": {
                "password": {
                    "type": "oauth2",
                    "description": "Sign in with a username and a password.",
                    "flows": {"password": {"tokenUrl": f"{site.path}/auth/login", "scopes": {}}},
                },
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token that is there already."},
            },
        },
    }


def _operation(route: HTTPRouteHandler, references: Mapping[Any, Any]) -> dict[str, Any]:
    terms, replies = _contract(route), _replies(route)
    summary, _, description = (getdoc(route.fn) or "").partition("\n\n")
    operation: dict[str, Any] = {
        "operationId": route.fn.__name__,
        "summary": summary.rstrip("."),
        "description": description,
        "tags": route.tags,
        "parameters": [
            *_parameters(terms.path, "path"),
            *_parameters(terms.query, "query"),
            *({"$ref": f"#/components/parameters/{name}"} for name in CONDITIONS if terms.if_match),
            *([{"$ref": "#/components/parameters/Idempotency-Key"}] if terms.once else []),
        ],
    }
    if terms.body:
        operation["requestBody"] = {
            "required": True,
            "content": {terms.media_type: {"schema": references[terms.body]}},
        }
    success = {"description": HTTPStatus(route.status_code).phrase, **_headers(terms.headers)}
    if replies:
        success["content"] = {media_type: {"schema": references[model]} for media_type, model in replies.items()}
    operation["responses"] = {str(route.status_code): success, **_problems(route, terms)}
    if "GET" in route.http_methods and "Cache-Control" not in terms.headers:
        known = "It is what the client has already (RFC 9110, section 15.4.5)."
        operation["responses"]["304"] = {"description": known}
    if terms.redirects:
        moved = {"description": "It is at another address now.", **_headers(["Location"])}
        operation["responses"]["308"] = moved
    tokens: list[dict[str, list[str]]] = [{"password": []}, {"bearer": []}]
    needs_token = signed_in in (route.guards or ())
    security = [*([] if needs_token else [{}]), *tokens] if needs_token or terms.viewer else []
    # None is said, too: where nothing is said, generators ask for what they like.
    return {name: value for name, value in operation.items() if value} | {"security": security}


def _problems(route: HTTPRouteHandler, terms: Contract) -> dict[str, Any]:
    """The problems of a route: what it raises itself, and what everything does that takes what it takes."""
    shared = {400, 414, 422, 431, 500, 503} | ({408, 413, 415} if terms.body else set())
    if not route.opt.get("exclude_from_auth"):
        shared.add(401)
    responses = {status: {"$ref": f"#/components/responses/{_name(status)}"} for status in shared}
    if terms.body and terms.media_type == FORM:
        example = {_name(413): with_error_code(describe(413, FORM_TOO_LARGE), terms)}
        responses[413] = _problem(413, f"The form is larger than {MAX_FORM // 1024} KiB.", example)
    raised: dict[int, list[type[BlogError]]] = {}
    for error in terms.problems:
        raised.setdefault(status_of(error), []).append(error)
    if terms.once:
        raised.setdefault(409, []).append(StillRunning)
    if terms.if_match and not GUARDED.isdisjoint(route.http_methods):
        responses[428] = {"$ref": f"#/components/responses/{_name(428)}"}
    for status, errors in raised.items():
        sentences = " ".join(f"{error.sentence.rstrip('.')}." for error in errors)
        facts = {name: with_error_code(fact, terms) for name, fact in _facts(*errors).items()}
        responses[status] = _problem(status, sentences, facts)
    return {str(status): responses[status] for status in sorted(responses)}


def _shared() -> dict[str, Any]:
    """The problems that many routes have."""
    invalid = [
        FieldError(pointer="#/title", detail="Must not be blank."),
        FieldError(parameter="sort", detail="Is not a parameter of this address."),
    ]
    responses = {
        400: ("The body or the query cannot be read.", describe(400, "The body is not UTF-8.")),
        408: (
            f"The body took longer than {BODY_SECONDS:.0f} seconds to arrive.",
            describe(408, "The body did not arrive in time."),
        ),
        413: (
            f"The body is larger than {MAX_BODY // 2**20} MiB.",
            describe(413, SENTENCES[HTTPStatus.REQUEST_ENTITY_TOO_LARGE]),
        ),
        414: (
            f"The path and the query are longer than {MAX_TARGET // 1024} KiB.",
            describe(414, SENTENCES[HTTPStatus.REQUEST_URI_TOO_LONG]),
        ),
        415: (
            "The body is of another media type, in another charset or compressed.",
            describe(415, f"Send the body as {JSON}, in UTF-8."),
        ),
        422: (
            f"The request breaks this contract; `errors` names what is wrong with it, up to {MAX_ERRORS} errors.",
            describe(422, InvalidRequest.sentence, invalid),
        ),
        428: (
            "A change has to name the version it is for.",
            describe(428, NO_IF_MATCH),
        ),
        431: (
            f"The header fields are larger than {MAX_HEADERS // 1024} KiB.",
            describe(431, SENTENCES[HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE]),
        ),
        500: ("A fault on our side.", describe(500, FAULT.format("d4f6a1c09b3e4f7c8a5d2e1b0c9f8a7d"))),
    }
    return {
        _name(401): _problem(
            401,
            "A token is needed and none came, or one came that does not hold.",
            _facts(NotSignedIn, InvalidToken),
        ),
        _name(503): _problem(
            503,
            "Something that is needed is away or overloaded. A write may have been done all the same.",
            _facts(Unavailable),
        ),
        **{
            _name(status): _problem(status, sentence, {_name(status): problem})
            for status, (sentence, problem) in responses.items()
        },
    }


def _problem(status: int, description: str, examples: Mapping[str, Problem]) -> dict[str, Any]:
    """A problem as a response."""
    model = {422: InvalidProblem, 412: StaleProblem}.get(status, Problem)
    content = {
        "schema": {"$ref": f"#/components/schemas/{model.__name__}"},
        "examples": {name: {"value": msgspec.to_builtins(example)} for name, example in examples.items()},
    }
    headers = _headers(HEADERS_OF_PROBLEMS.get(status, ()))
    return {"description": description, **headers, "content": {MEDIA_TYPE: content}}


def _facts(*errors: type[BlogError]) -> dict[str, Problem]:
    problems = {error.__name__: describe(status_of(error), error.sentence) for error in errors}
    for error in errors:
        if issubclass(error, PreconditionFailed):
            given = msgspec.structs.asdict(problems[error.__name__])
            problems[error.__name__] = StaleProblem(**given, version=8, changed_by=7, changed_at=MOMENT)
    return problems


def _name(status: int) -> str:
    return describe(status, "").title.replace(" ", "")


def _headers(names: Iterable[str]) -> dict[str, Any]:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {"headers": headers} if headers else {}


def _contract(route: HTTPRouteHandler) -> Contract:
    terms: Contract = route.opt.get("contract", OPEN)
    return terms


def _replies(route: HTTPRouteHandler) -> Mapping[str, Any]:
    """The model of each media type of the reply; none where it has no content."""
    if reply := _contract(route).reply:
        return reply if isinstance(reply, Mapping) else {JSON: reply}
    hint = get_type_hints(route.fn)["return"]
    model = get_args(hint)[0] if get_origin(hint) is Response else hint
    return {} if model is type(None) else {JSON: model}


def _schemas(models: Iterable[Any], *, examples: Mapping[str, Any]) -> tuple[dict[Any, Any], dict[str, Any]]:
    """A reference to each model, and what all references lead to."""
    models = list(models)
    references, found = msgspec.json.schema_components(models, schema_hook=word, ref_template=REFERENCE)
    for model in {get_args(model)[0] if get_origin(model) in (list, Sequence) else model for model in models} - {str}:
        schema = found[model.__name__]
        fields = schema["properties"]
        hints = get_type_hints(model)
        for name, kind in hints.items():
            if datetime in (kind, *get_args(kind)):
                strings = [one for one in fields[name].get("anyOf", [fields[name]]) if one.get("type") == "string"]
                strings[0]["format"] = "date-time"
                if issubclass(model, Body):
                    strings[0]["pattern"] = MOMENTS
        if not issubclass(model, Body):
            schema["required"] = [name for name in fields if msgspec.UnsetType not in get_args(hints[name])]
        if not issubclass(model, Problem):
            # What is published when is best said in one of two ways.
            other_way = ["publish_at", "unpublish_at"] if issubclass(model, Body) else []
            schema["examples"] = [
                {
                    name: value
                    for name, each in fields.items()
                    if name not in other_way
                    for value in _example(name, each, examples)
                }
            ]
    return dict(zip(models, references, strict=True)), dict(sorted(found.items()))


def _parameters(model: type[Path] | type[Query] | None, place: str) -> list[dict[str, Any]]:
    if model is None:
        return []
    _, schemas = msgspec.json.schema_components([model], schema_hook=word, ref_template=REFERENCE)
    fields = schemas[model.__name__]["properties"]
    return [
        {
            "name": this.encode_name,
            "in": place,
            "required": this.required,
            "description": fields[this.encode_name].pop("description", ""),
            "schema": fields[this.encode_name],
        }
        # Where it may be left out there is none: Swagger UI would send it, and find nothing.
        | (
            {"example": found[0]}
            if this.required and (found := _example(this.encode_name, fields[this.encode_name]))
            else {}
        )
        for this in msgspec.structs.fields(model)
    ]


def _example(name: str, schema: Mapping[str, Any], examples: Mapping[str, Any] = EXAMPLES) -> list[Any]:
    """An example of a field or parameter, as it is written there; or none."""
    if len(only := schema.get("enum", [])) == 1:
        return list(only)
    if name not in examples:
        return []
    value = examples[name]
    # What has this name elsewhere may be something else.
    boolean = {"type": "boolean"} in ({"type": schema.get("type")}, *schema.get("anyOf", []))
    if isinstance(value, bool) != boolean or value not in schema.get("enum", [value]):
        return []
    return [str(value) if schema.get("type") == "string" else value]


def word(kind: Any) -> dict[str, Any]:  # noqa: ANN401
    """A word of the domain, by what its type says of itself."""
    if issubclass(kind, Names):
        names = {"type": "array", "items": {"type": "string", "enum": [*kind.ALLOWED]}, "minItems": 1}
        return names | {"uniqueItems": True, "description": _described(kind)}
    if issubclass(kind, Tags):
        tags = {"type": "array", "items": word(Tag), "maxItems": Tags.MAX, "uniqueItems": True}
        return tags | {"description": _described(kind)} | ({} if kind is Tags else {"minItems": 1})
    if kind is Timestamp:
        return {"type": "string", "format": "date-time", "pattern": MOMENTS, "description": _described(kind)}
    schema: dict[str, Any] = {
        "type": "string",
        "description": _described(kind),
        "minLength": kind.MIN,
        "maxLength": kind.MAX,
    }
    for name, table in (("pattern", PATTERNS), ("format", FORMATS)):
        if known := [table[ancestor] for ancestor in kind.__mro__ if ancestor in table]:
            schema[name] = known[0]
    return schema


def _described(kind: Any) -> str:  # noqa: ANN401
    return (getdoc(kind) or "").partition("\n\n")[0].replace(" Raises `Invalid`.", "")

"""Validation: a request is read as the contract of its route says, before its handler runs.

All that is wrong with the parameters and the fields of a request is in one reply.
"""

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from enum import Enum
from functools import cache, lru_cache
from itertools import islice
from typing import Any, Literal, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.exceptions import ClientException, HTTPException

from blog.application.ports import RequestKey
from blog.domain.preconditions import Precondition
from blog.domain.tags import Tags
from blog.entrypoints.http.conditions import precondition
from blog.entrypoints.http.contract import FORM, Body, CommaSeparated, Contract, LinkQuery, MediaType, Query
from blog.entrypoints.http.problems import MAX_ERRORS, FieldError, InvalidRequest, TooLarge

MAX_BODY = 4 * 1024 * 1024
"""Bytes."""

MAX_FORM = 16 * 1024
"""Bytes of a form, or of a query: to read one takes a hundred times as long as to read as much JSON."""

SHORT_QUERY = 200
"""Bytes of a query that is remembered with what was read from it."""

MAX_TOKENS = 20_000
"""Parts of a JSON text that are looked at for the names of fields which should not be there."""

BODY_SECONDS = 60.0
"""How long a body may take to arrive."""

KEY = r'"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})'
"""A key of a request: a string (RFC 9651, section 3.3.3) without escapes, or what is in one, without its quotes."""

GUARDED = frozenset({"PATCH", "DELETE"})
"""The methods that may be made to name a version."""

# Of JSON that is known to be valid: a member up to its value, and what values are made of. Possessive: nothing is
# looked at twice.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
MEMBER = re.compile(rb"[\s,{]*+(" + _STRING + rb")\s*+:")
TOKEN = re.compile(_STRING + rb'|[\[\]{}]|[^\s,:"\[\]{}]++')

LONG_LIST = 4096
"""Bytes of a list from which on what it holds is counted before it is built."""

FORM_TOO_LARGE = f"The form is too large: send at most {MAX_FORM // 1024} KiB."

NO_IF_MATCH = "Say which version this is for: send its ETag as If-Match, or * for any."

Fields = TypeVar("Fields", bound=msgspec.Struct)


async def validate(request: Request[Any, Any, Any]) -> None:
    """Read the query, the body and the conditions that the route takes: a `before_request` of Litestar.

    A route without a `contract` is left to Litestar.
    Raises `InvalidRequest` with all that is wrong with query and body, and what a body that cannot be read raises.
    """
    scope = request.scope
    contract: Contract | None = request.route_handler.opt.get("contract")
    if contract is None:
        return
    errors: list[FieldError] = []
    if contract.query or scope["query_string"]:
        scope["state"]["parameters"] = _read_query(scope["query_string"], contract.query or Query, errors)
    if contract.body:
        scope["state"]["payload"] = await _read_body(request, contract.body, contract.media_type, errors)
    if errors:
        raise InvalidRequest(errors)
    if contract.if_match:
        scope["state"]["precondition"] = _read_precondition(request)
    if any(name == b"idempotency-key" for name, _ in scope["headers"]):
        if not contract.once:
            routes = " or ".join(request.app.state["idempotent_routes"])
            raise ClientException(f"This route takes no Idempotency-Key: leave it out, or send it to {routes}.")
        scope["state"]["request_key"] = await _read_key(request)


def _read_precondition(request: Request[Any, Any, Any]) -> Precondition:
    """For which version a change is made, which it may have to say (RFC 6585, section 3)."""
    required = request.app.state["require_if_match"] and request.scope["method"] in GUARDED
    if required and "if-match" not in request.headers:
        raise HTTPException(status_code=428, detail=NO_IF_MATCH)
    return precondition(request)


async def _read_key(connection: Request[Any, Any, Any]) -> RequestKey:
    """The header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), with quotes or without."""
    given = connection.headers.getall("idempotency-key")
    key = re.fullmatch(KEY, given[0])
    if len(given) > 1 or not key:
        raise ClientException("Idempotency-Key must be one string of 1 to 255 ASCII characters, best in quotes.")
    scope = connection.scope
    asked = scope["query_string"] + b"\0" + await _raw_body(connection)
    return RequestKey(
        caller=scope["user"].id,
        route=f"{scope['method']} {scope['path'].rstrip('/')}",
        key=key[1] or key[2],
        fingerprint=hashlib.sha256(asked).digest(),
    )


def _read_query(raw: bytes, model: type[Query], errors: list[FieldError]) -> Query | None:
    # The same lists are asked for again and again, and to read a query takes a tenth of what the list does.
    query, found = (_read_short_query if len(raw) <= SHORT_QUERY else _read_any_query)(raw, model)
    errors.extend(found)
    return query


def _read_any_query(raw: bytes, model: type[Query]) -> tuple[Query | None, tuple[FieldError, ...]]:
    errors: list[FieldError] = []
    query = _convert(
        model,
        _read_pairs(raw, model, errors, _parameter),
        strict=False,
        place=_parameter,
        unknown="Is not a parameter of this address.",
        errors=errors,
    )
    return query, tuple(errors)


_read_short_query = lru_cache(2048)(_read_any_query)


async def _read_body(
    connection: Request[Any, Any, Any], model: type[Body], media_type: MediaType, errors: list[FieldError]
) -> Body | None:
    _check_media_type(connection, media_type)
    unknown = "Is not a field of this request."
    if media_type == FORM:
        form = _read_pairs(await _raw_form(connection), model, errors, _pointer)
        return _convert(model, form, strict=False, place=_pointer, unknown=unknown, errors=errors)
    raw = await _raw_body(connection)
    try:
        given = _read_object(raw, model)
    except UnicodeDecodeError:
        raise ClientException("The body is not UTF-8.") from None
    except RecursionError:
        raise ClientException("The body is nested too deep.") from None
    except msgspec.DecodeError as error:
        raise ClientException(f"The body is not JSON: {error}.") from None
    if given is None:
        errors.append(FieldError(pointer="#", detail="Must be an object."))
        return None
    return _convert(model, given, strict=True, place=_pointer, unknown=unknown, errors=errors)


def _read_object(raw: bytes, model: type[Body]) -> dict[str, Any] | None:
    """The fields of a JSON object, or None where it is something else. Raises `msgspec.DecodeError`.

    What the model does not name is not built, however much it is: of such fields there are the names, and no more of
    them than a problem shows. What it does name is built once it is known not to be many.
    """
    exact, loose = _envelopes(model)
    unknown: list[str] = []
    try:
        envelope = exact.decode(raw)
    except msgspec.ValidationError as error:
        try:
            envelope = loose.decode(raw)
        except msgspec.ValidationError:
            msgspec.json.decode(raw, type=msgspec.Raw)  # Which may not be JSON at all.
            return None
        first = str(error).partition("`")[2].rpartition("`")[0]
        names = {this.encode_name for this in _fields(model)}
        others = (name for name in _names(raw) if name not in names)
        unknown = [first, *islice(dict.fromkeys(islice(others, 2 * MAX_ERRORS)), MAX_ERRORS + 1)]
    given: dict[str, Any] = dict.fromkeys(unknown)
    for this in _fields(model):
        if (value := getattr(envelope, this.name)) is not msgspec.UNSET:
            given[this.encode_name] = _build(value, this.type)
    return given


def _build(value: msgspec.Raw, kind: Any) -> Any:  # noqa: ANN401
    """The value of a field that is no object, and a list for tags alone; what cannot be right is not built."""
    view = memoryview(value)
    if view[0] == ord("{"):
        return {}
    if view[0] == ord("["):
        if Tags not in (kind, *get_args(kind)):
            return []
        # No tag has a comma in it.
        if len(view) > LONG_LIST and bytes(view).count(b",") >= Tags.MAX:
            return [""] * (Tags.MAX + 1)
    return msgspec.json.decode(value)


@cache
def _envelopes(model: type[Body]) -> tuple[msgspec.json.Decoder[Any], msgspec.json.Decoder[Any]]:
    """What reads the fields of a model without building their values: one that takes no others, and one that does."""
    fields: list[Any] = [(this.name, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for this in _fields(model)]
    rename = {this.name: this.encode_name for this in _fields(model)}
    exact, loose = (
        msgspec.defstruct(model.__name__, fields, rename=rename, forbid_unknown_fields=forbidding, kw_only=True)
        for forbidding in (True, False)
    )
    return msgspec.json.Decoder(exact), msgspec.json.Decoder(loose)


def _names(raw: bytes) -> Iterator[str]:
    """The names of the members of an object, as far as they are found soon. The object must be valid JSON."""
    at, budget = 0, MAX_TOKENS
    while member := MEMBER.match(raw, at):
        yield msgspec.json.decode(member[1], type=str)
        depth = 0
        for token in TOKEN.finditer(raw, member.end()):
            budget -= 1
            if not budget:
                return
            depth += (token[0] in (b"[", b"{")) - (token[0] in (b"]", b"}"))
            if depth == 0:
                at = token.end()
                break


async def _raw_body(request: Request[Any, Any, Any]) -> bytes:
    async with _in_time():
        return await request.body()


async def _raw_form(request: Request[Any, Any, Any]) -> bytes:
    """A body that is short. Raises `TooLarge` as soon as it is not."""
    form = b""
    async with _in_time():
        async for piece in request.stream():
            form += piece
            if len(form) > MAX_FORM:
                raise TooLarge(detail=FORM_TOO_LARGE)
    return form


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """A body arrives in here, or not in time."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            yield
    except TimeoutError:
        raise HTTPException(
            status_code=408, detail="The body did not arrive in time.", headers={"Connection": "close"}
        ) from None


def _check_media_type(request: Request[Any, Any, Any], expected: str) -> None:
    essence, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = re.search(r'charset\s*=\s*"?([\w-]+)', parameters, re.IGNORECASE)
    if essence.strip().lower() != expected or (charset and charset[1].lower() not in ("utf-8", "utf8")):
        raise HTTPException(
            status_code=415, detail=f"Send the body as {expected}, in UTF-8.", headers={"Accept": expected}
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(
            status_code=415, detail="Send the body without a content coding.", headers={"Accept-Encoding": "identity"}
        )


def _read_pairs(
    raw: bytes, model: type[msgspec.Struct], errors: list[FieldError], place: Callable[[str, str], FieldError]
) -> dict[str, str]:
    """`application/x-www-form-urlencoded` (WHATWG URL, section 5), each name once, or joined by commas where it may.

    Unknown names are left out where the model does not forbid them.
    """
    decoding = "replace" if issubclass(model, LinkQuery) else "strict"
    try:
        pairs = parse_qsl(raw.decode(errors=decoding), keep_blank_values=True, errors=decoding, max_num_fields=100)
    except UnicodeDecodeError:
        raise ClientException("The query or form is not UTF-8.") from None
    except ValueError:
        raise ClientException("The query or form has too many fields.") from None
    if not model.__struct_config__.forbid_unknown_fields:
        known = {this.encode_name for this in _fields(model)}
        pairs = [(name, value) for name, value in pairs if name in known]
    lists = _lists(model)
    read: dict[str, str] = {}
    for name, value in pairs:
        read[name] = f"{read[name]},{value}" if name in read and name in lists else value
    counts = Counter(name for name, _ in pairs if name not in lists)
    doubled = {name for name, count in counts.items() if count > 1}
    errors.extend(place(name, "Must be given once.") for name in counts if name in doubled)
    return {name: value for name, value in read.items() if name not in doubled}


@cache
def _lists(model: type[msgspec.Struct]) -> frozenset[str]:
    """The parameters that hold a list."""
    return frozenset(
        this.encode_name
        for this in _fields(model)
        if any(
            isinstance(kind, type) and issubclass(kind, CommaSeparated) for kind in (this.type, *get_args(this.type))
        )
    )


@cache
def _fields(model: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(model)


def _convert(
    model: type[Fields],
    given: dict[str, Any],
    *,
    strict: bool,
    place: Callable[[str, str], FieldError],
    unknown: str,
    errors: list[FieldError],
) -> Fields | None:
    """The fields of the model, each by itself, so that no error hides another."""
    values: dict[str, Any] = {}
    told = {error.pointer or error.parameter for error in errors}
    known = _fields(model)
    for this in known:
        name = this.encode_name
        if name in given:
            value = given[name]
            # JSON has one kind of numbers (RFC 8259, section 6): 60.0 is 60.
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            try:
                values[this.name] = msgspec.convert(value, this.type, strict=strict, dec_hook=_value)
                # Read from text, 1e1 and 5.0 would do for a number.
                if not strict and type(values[this.name]) is int and not re.fullmatch("[0-9]{1,19}", given[name]):
                    raise msgspec.ValidationError("Expected `int`")
            except msgspec.ValidationError as error:
                errors.append(place(name, _sentence(error, this.type)))
        elif this.required and not told & {f"#/{name}", name}:
            errors.append(place(name, "Is missing."))
    names = {this.encode_name for this in known}
    errors.extend(place(name, unknown) for name in given if name not in names)
    return model(**values) if not errors else None


def _value(kind: Any, raw: object) -> Any:  # noqa: ANN401
    if kind is Tags:
        if not isinstance(raw, list) or not all(isinstance(word, str) for word in raw):
            raise TypeError("Must be a list of strings.")
    elif not isinstance(raw, str):
        raise TypeError("Must be a string.")
    return kind(raw)


_SENTENCES = (
    (r"Expected `int` >= (\d+)", r"Must be at least \1."),
    (r"Expected `int` <= (\d+)", r"Must be at most \1."),
    (r"Expected `int`", "Must be a whole number."),
    (r"Expected `bool`", "Must be true or false."),
    (r"Expected `array`", "Must be a list."),
    (r"Expected `datetime` with a timezone|Invalid RFC3339", "Must be a moment with a zone: 2026-03-04T12:00:00Z."),
    (r"Expected `(str|datetime)", "Must be a string."),
)
"""What msgspec says of a value, in words for whoever sent it."""


def _sentence(error: msgspec.ValidationError, kind: Any) -> str:  # noqa: ANN401
    said = str(error)
    if said.startswith("Invalid enum value"):
        return f"Must be {' or '.join(filter(None, _options(kind)))}."
    for pattern, sentence in _SENTENCES:
        if found := re.match(pattern, said):
            return found.expand(sentence)
    return re.sub(r" - at `.*`$", "", said)


def _pointer(name: str, detail: str) -> FieldError:
    # RFC 6901, sections 3 and 6.
    escaped = name[:100].replace("~", "~0").replace("/", "~1")
    return FieldError(pointer=f"#/{escaped}", detail=detail)


def _parameter(name: str, detail: str) -> FieldError:
    return FieldError(parameter=name[:100], detail=detail)


def _options(kind: Any) -> list[str]:  # noqa: ANN401
    """What a type allows that has an end: the values of a literal or of an enumeration."""
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    return [option for part in get_args(kind) for option in _options(part)]

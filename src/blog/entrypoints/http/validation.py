"""Validation: a request is read as the contract of its route says, before its handler runs.

All that is wrong with the parameters and the fields of a request is in one reply.
"""

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, lru_cache
from typing import Any, get_args
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.exceptions import ClientException, HTTPException

from blog.application.ports import RequestKey
from blog.domain.preconditions import Precondition
from blog.entrypoints.http.conditions import precondition
from blog.entrypoints.http.contract import FORM, Body, CommaSeparated, Contract, LinkQuery, MediaType, Query
from blog.entrypoints.http.fields import BODY, PARAMETERS, UNKNOWN_FIELD, Place, convert, fields_of
from blog.entrypoints.http.json_objects import read_object
from blog.entrypoints.http.problems import FieldError, InvalidRequest, TooLarge

MAX_BODY = 4 * 1024 * 1024
"""Bytes."""

MAX_FORM = 16 * 1024
"""Bytes of a form, or of a query: to read one takes a hundred times as long as to read as much JSON."""

SHORT_QUERY = 200
"""Bytes of a query that is remembered with what was read from it."""

BODY_SECONDS = 60.0
"""How long a body may take to arrive."""

KEY = r'"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})'
"""A key of a request: a string (RFC 9651, section 3.3.3) without escapes, or what is in one, without its quotes."""

GUARDED = frozenset({"PATCH", "DELETE"})
"""The methods that may be made to name a version."""

FORM_TOO_LARGE = f"The form is too large: send at most {MAX_FORM // 1024} KiB."

NO_IF_MATCH = "Say which version this is for: send its ETag as If-Match, or * for any."


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
    query = convert(
        model,
        _read_pairs(raw, model, errors, PARAMETERS),
        strict=False,
        place=PARAMETERS,
        unknown="Is not a parameter of this address.",
        errors=errors,
    )
    return query, tuple(errors)


_read_short_query = lru_cache(2048)(_read_any_query)


async def _read_body(
    connection: Request[Any, Any, Any], model: type[Body], media_type: MediaType, errors: list[FieldError]
) -> Body | None:
    _check_media_type(connection, media_type)
    if media_type == FORM:
        form = _read_pairs(await _raw_form(connection), model, errors, BODY)
        return convert(model, form, strict=False, place=BODY, unknown=UNKNOWN_FIELD, errors=errors)
    raw = await _raw_body(connection)
    try:
        given = read_object(raw, model)
    except UnicodeDecodeError:
        raise ClientException("The body is not UTF-8.") from None
    except RecursionError:
        raise ClientException("The body is nested too deep.") from None
    except msgspec.DecodeError as error:
        raise ClientException(f"The body is not JSON: {error}.") from None
    if given is None:
        errors.append(FieldError(pointer="#", detail="Must be an object."))
        return None
    return convert(model, given, strict=True, place=BODY, unknown=UNKNOWN_FIELD, errors=errors)


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


def _read_pairs(raw: bytes, model: type[msgspec.Struct], errors: list[FieldError], place: Place) -> dict[str, str]:
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
        known = {this.encode_name for this in fields_of(model)}
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
        for this in fields_of(model)
        if any(
            isinstance(kind, type) and issubclass(kind, CommaSeparated) for kind in (this.type, *get_args(this.type))
        )
    )

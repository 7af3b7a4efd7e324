"""JSON objects, read as far as a model names their fields: nothing is built that no request needs."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

import msgspec

from blog.entrypoints.http.contract import Body
from blog.entrypoints.http.fields import body_in, fields_of, item_of
from blog.entrypoints.http.problems import MAX_ERRORS

MAX_TOKENS = 20_000
"""Parts of a JSON text that are looked at for the names of fields which should not be there."""

# Of JSON that is known to be valid: a member up to its value, and what values are made of. Possessive: nothing is
# looked at twice.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
MEMBER = re.compile(rb"[\s,{]*+(" + _STRING + rb")\s*+:")
TOKEN = re.compile(_STRING + rb'|[\[\]{}]|[^\s,:"\[\]{}]++')

LONG_LIST = 4096
"""Bytes of a list from which on what it holds is counted before it is built."""


def read_object(raw: bytes | msgspec.Raw, model: type[Body]) -> dict[str, Any] | None:
    """The fields of a JSON object, or None where it is something else. Raises `msgspec.DecodeError`.

    What the model does not name is not built, however much it is: of such fields there are the names, and no more of
    them than a problem shows. What it does name is built once it is known not to be many. Nested objects are read by
    the models of their own.
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
        names = {this.encode_name for this in fields_of(model)}
        others = (name for name in _names(bytes(raw)) if name not in names)
        unknown = [first, *islice(dict.fromkeys(islice(others, 2 * MAX_ERRORS)), MAX_ERRORS + 1)]
    given: dict[str, Any] = dict.fromkeys(unknown)
    for this in fields_of(model):
        if (value := getattr(envelope, this.name)) is not msgspec.UNSET:
            given[this.encode_name] = _build(value, this.type)
    return given


def _build(value: msgspec.Raw, kind: Any) -> Any:  # noqa: ANN401
    """The value of a field; what cannot be right is not built."""
    view = memoryview(value)
    if view[0] == ord("{"):
        return read_object(value, nested) if (nested := body_in(kind)) else {}
    if view[0] == ord("["):
        if (item := item_of(kind)) is None:
            return []
        if len(view) > LONG_LIST and _count_items(bytes(view), item.most) > item.most:
            return [""] * (item.most + 1)
        if body_in(item.kind):
            return [_build(each, item.kind) for each in msgspec.json.decode(value, type=list[msgspec.Raw])]
    return msgspec.json.decode(value)


def _count_items(raw: bytes, most: int) -> int:
    """How many items a list has, or one more than `most` where it has more. The list must be valid JSON."""
    count = depth = 0
    for token in TOKEN.finditer(raw):
        closes = token[0] in (b"]", b"}")
        depth += (token[0] in (b"[", b"{")) - closes
        # A value within the list has ended.
        if depth == 1 and (closes or token[0] != b"["):
            count += 1
            if count > most:
                break
    return count


@cache
def _envelopes(model: type[Body]) -> tuple[msgspec.json.Decoder[Any], msgspec.json.Decoder[Any]]:
    """What reads the fields of a model without building their values: one that takes no others, and one that does."""
    fields: list[Any] = [(this.name, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for this in fields_of(model)]
    rename = {this.name: this.encode_name for this in fields_of(model)}
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

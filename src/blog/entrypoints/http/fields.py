"""The fields of a request, each converted by itself, so that no error hides another."""

import re
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args, get_origin

import msgspec

from blog.domain.tags import Tags
from blog.entrypoints.http.contract import Body
from blog.entrypoints.http.problems import MAX_ERRORS, FieldError

UNKNOWN_FIELD = "Is not a field of this request."

MAX_ITEMS = 1000
"""How many items a list may have where its type does not say (`msgspec.Meta(max_length=…)`)."""

Fields = TypeVar("Fields", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Place:
    """Where fields are: in a query (`at` is None), or in an object of a body at a JSON Pointer (RFC 6901)."""

    at: str | None = None

    def __call__(self, name: str, detail: str) -> FieldError:
        """What is wrong with a field."""
        if self.at is None:
            return FieldError(parameter=self.of(name), detail=detail)
        return FieldError(pointer=self.of(name), detail=detail)

    def of(self, name: str) -> str:
        """How an error names a field."""
        if self.at is None:
            return name[:100]
        # Sections 3 and 6.
        escaped = name[:100].replace("~", "~0").replace("/", "~1")
        return f"{self.at}/{escaped}"

    def within(self, name: str) -> "Place":
        """Where the fields of an object are that is the value of this one."""
        return Place(self.of(name))


PARAMETERS, BODY = Place(), Place("#")


class Items(NamedTuple):
    """What a list holds, and how many of it at most."""

    kind: Any
    most: int


@cache
def item_of(kind: Any) -> Items | None:  # noqa: ANN401
    """What lists of this type hold, or None where it is no list."""
    if kind is Tags:
        return Items(str, Tags.MAX)
    if get_origin(kind) is list:
        return Items(get_args(kind)[0], MAX_ITEMS)
    if get_origin(kind) is Annotated:
        inner, *metas = get_args(kind)
        bounds = [meta.max_length for meta in metas if isinstance(meta, msgspec.Meta) and meta.max_length is not None]
        found = item_of(inner)
        return found and Items(found.kind, min([found.most, *bounds]))
    return next(
        (found for part in get_args(kind) if get_origin(kind) is not Literal and (found := item_of(part))), None
    )


@cache
def body_in(kind: Any) -> type[Body] | None:  # noqa: ANN401
    """The model of an object of this type, or None where it is no object."""
    if isinstance(kind, type) and issubclass(kind, Body):
        return kind
    if get_origin(kind) in (list, Literal):
        return None
    return next((found for part in get_args(kind) if (found := body_in(part))), None)


@cache
def fields_of(model: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields of a model."""
    return msgspec.structs.fields(model)


def convert(
    model: type[Fields],
    given: dict[str, Any],
    *,
    strict: bool,
    place: Place,
    unknown: str,
    errors: list[FieldError],
) -> Fields | None:
    """The fields of the model, each by itself, so that no error hides another."""
    values: dict[str, Any] = {}
    told = {error.pointer or error.parameter for error in errors}
    known = fields_of(model)
    for this in known:
        name = this.encode_name
        if name in given:
            value = given[name]
            if (nested := body_in(this.type)) and isinstance(value, dict):
                inside = place.within(name)
                values[this.name] = convert(nested, value, strict=True, place=inside, unknown=unknown, errors=errors)
                continue
            if (item := item_of(this.type)) and body_in(item.kind) and isinstance(value, list):
                values[this.name] = _convert_items(value, item, place.within(name), errors)
                continue
            # JSON has one kind of numbers (RFC 8259, section 6): 60.0 is 60.
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            try:
                values[this.name] = msgspec.convert(value, this.type, strict=strict, dec_hook=_value)
                # Read from text, 1e1 and 5.0 would do for a number.
                if not strict and type(values[this.name]) is int and not re.fullmatch("[0-9]{1,19}", given[name]):
                    raise msgspec.ValidationError("Expected `int`")
                # And 1 and TRUE for a boolean.
                if not strict and type(values[this.name]) is bool and given[name] not in ("true", "false"):
                    raise msgspec.ValidationError("Expected `bool`")
            except msgspec.ValidationError as error:
                errors.append(place(name, _sentence(error, this.type)))
        elif this.required and place.of(name) not in told:
            errors.append(place(name, "Is missing."))
    names = {this.encode_name for this in known}
    errors.extend(place(name, unknown) for name in given if name not in names)
    return model(**values) if not errors else None


def _convert_items(given: list[Any], item: Items, place: Place, errors: list[FieldError]) -> list[Any]:
    """The objects of a list, each at its index."""
    if len(given) > item.most:
        errors.append(FieldError(pointer=place.at or "", detail=f"Must have at most {item.most} items."))
        return []
    model, items = body_in(item.kind), []
    for index, each in enumerate(given):
        if len(errors) > MAX_ERRORS:
            break
        if model is None or not isinstance(each, dict):
            errors.append(place(str(index), "Must be an object."))
            continue
        inside = place.within(str(index))
        items.append(convert(model, each, strict=True, place=inside, unknown=UNKNOWN_FIELD, errors=errors))
    return items


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
    (r"Expected `object`", "Must be an object."),
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


def _options(kind: Any) -> list[str]:  # noqa: ANN401
    """What a type allows that has an end: the values of a literal or of an enumeration."""
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    return [option for part in get_args(kind) for option in _options(part)]

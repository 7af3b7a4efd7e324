"""What a request may hold, and reading it: a handler declares a contract and gets what passed it.

Every request passes `Admission` before its handler runs: the token first, then parameters and body, so that errors
come in one order everywhere, and all that is wrong with a request is said at once.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.exceptions import ClientException, HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, Parameter, RequestBody

from blog.application.authenticating import Authenticating
from blog.application.queries import AccountView
from blog.domain.articles import Content, Title
from blog.domain.text import check_text
from blog.domain.users import Email, InvalidToken, NewPassword, Password, Username
from blog.entrypoints.http.problems import MEDIA_TYPE, FieldError, InvalidRequest, NotSignedIn, Problem

MAX_BODY = 4 * 1024 * 1024
"""Bytes."""

MediaType = Literal["application/json", "application/x-www-form-urlencoded"]
JSON: MediaType = "application/json"
FORM: MediaType = "application/x-www-form-urlencoded"


class LongContent(Content):
    """The content of an article in this contract: at least 10 characters."""

    __slots__ = ()
    MIN = 10

    def __new__(cls, text: str) -> "LongContent":
        check_text(text, at_least=cls.MIN, at_most=cls.MAX, layout=True)
        return super().__new__(cls, text)


# The words of the domain as JSON Schema says them.
VALUES: dict[Any, dict[str, Any]] = {
    Email: {"type": "string", "format": "email", "maxLength": Email.MAX},
    Username: {"type": "string", "minLength": Username.MIN, "maxLength": Username.MAX, "pattern": Username.PATTERN},
    Password: {"type": "string", "format": "password", "maxLength": Password.MAX},
    NewPassword: {
        "type": "string",
        "format": "password",
        "minLength": NewPassword.MIN,
        "maxLength": NewPassword.MAX,
    },
    Title: {"type": "string", "minLength": 1, "maxLength": Title.MAX},
    LongContent: {"type": "string", "minLength": LongContent.MIN, "maxLength": LongContent.MAX},
}


class Body(msgspec.Struct, kw_only=True):
    """A body of a request: its fields, and no others."""


class Query(msgspec.Struct, kw_only=True):
    """The parameters of a query: its fields, each once, and no others."""


Fields = TypeVar("Fields", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Contract:
    """What one route takes."""

    body: type[Body] | None = None
    media_type: MediaType = JSON
    query: type[Query] | None = None
    signed_in: bool = False


OPEN = Contract()


class RouteContract(TypedDict):
    """What a route decorator of Litestar is given of a contract."""

    opt: dict[str, Any]
    operation_class: type[Operation]
    security: list[dict[str, list[str]]] | None


def contract(
    *,
    body: type[Body] | None = None,
    media_type: MediaType = JSON,
    query: type[Query] | None = None,
    signed_in: bool = False,
    problems: tuple[int, ...] = (),
) -> RouteContract:
    """Declare what a route takes, and the problems it answers with beside those that follow from that."""
    statuses = {401, 422, 500, 503, *problems} | ({400, 413, 415} if body else set())

    @dataclass
    class ContractOperation(Operation):
        """An operation that documents its contract."""

        responses: Any = field(default_factory=dict)

        def __post_init__(self) -> None:
            if body:
                schema = OpenAPIMediaType(schema=_schema(body))
                self.request_body = RequestBody(required=True, content={media_type: schema})
            if query:
                self.parameters = [*(self.parameters or ()), *_parameters(query)]
            self.responses = {status: reply for status, reply in self.responses.items() if int(status) < 400}
            for status in sorted(statuses):
                self.responses[str(status)] = OpenAPIResponse(
                    description=Problem.__doc__ or "", content={MEDIA_TYPE: OpenAPIMediaType(schema=_schema(Problem))}
                )

    return {
        "opt": {"contract": Contract(body, media_type, query, signed_in)},
        "operation_class": ContractOperation,
        "security": [{"bearer": []}] if signed_in else None,
    }


class Admission:
    """The guard in front of every handler."""

    def __init__(self, authenticating: Callable[[], Authenticating]) -> None:
        self._authenticating = authenticating

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Raises `InvalidToken`, `NotSignedIn`, what a body that cannot be read raises, and `InvalidRequest`."""
        terms: Contract = handler.opt.get("contract", OPEN)
        scope = connection.scope
        scope["user"] = await self._identify(connection)
        if terms.signed_in and scope["user"] is None:
            raise NotSignedIn
        errors: list[FieldError] = []
        if terms.query or scope["query_string"]:
            scope["state"]["parameters"] = _read_query(scope["query_string"], terms.query or Query, errors)
        if terms.body:
            scope["state"]["payload"] = await _read_body(connection, terms.body, terms.media_type, errors)
        if errors:
            raise InvalidRequest(errors)

    async def _identify(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AccountView | None:
        authorization = connection.headers.get("authorization")
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise InvalidToken
        return await self._authenticating().identify(token.strip())


def actor(request: Request[Any, Any, Any]) -> int:
    """The user who is signed in; for routes that want one."""
    return int(request.scope["user"].id)


def account(request: Request[Any, Any, Any]) -> Any:  # noqa: ANN401
    """The account of the user who is signed in."""
    return request.scope["user"]


def viewer(request: Request[Any, Any, Any]) -> int | None:
    """The user who reads, if known."""
    user: AccountView | None = request.scope["user"]
    return user.id if user else None


def payload(request: Request[Any, Any, Any]) -> Any:  # noqa: ANN401
    """The body that passed the contract."""
    return request.scope["state"]["payload"]


def parameters(request: Request[Any, Any, Any]) -> Any:  # noqa: ANN401
    """The parameters that passed the contract."""
    return request.scope["state"]["parameters"]


def _read_query(raw: bytes, model: type[Query], errors: list[FieldError]) -> Query | None:
    return _convert(
        model,
        _read_pairs(raw, errors, _parameter),
        strict=False,
        place=_parameter,
        unknown="Is not a parameter of this address.",
        errors=errors,
    )


async def _read_body(
    connection: ASGIConnection[Any, Any, Any, Any], model: type[Body], media_type: str, errors: list[FieldError]
) -> Body | None:
    assert isinstance(connection, Request)  # noqa: S101 - a route with a body is an HTTP route
    _check_media_type(connection, media_type)
    raw = await connection.body()
    try:
        given = msgspec.json.decode(raw) if media_type == JSON else _read_pairs(raw, errors, _pointer)
    except UnicodeDecodeError:
        raise ClientException("The body is not UTF-8.") from None
    except RecursionError:
        raise ClientException("The body is nested too deep.") from None
    except msgspec.DecodeError as error:
        raise ClientException(f"The body is not JSON: {error}.") from None
    if not isinstance(given, dict):
        errors.append(FieldError(pointer="#", detail="Must be an object."))
        return None
    strict = media_type == JSON
    return _convert(
        model, given, strict=strict, place=_pointer, unknown="Is not a field of this request.", errors=errors
    )


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


def _read_pairs(raw: bytes, errors: list[FieldError], place: Callable[[str, str], FieldError]) -> dict[str, str]:
    """`application/x-www-form-urlencoded` (WHATWG URL, section 5), each name once."""
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=100)
    except UnicodeDecodeError:
        raise ClientException("The query or form is not UTF-8.") from None
    except ValueError:
        raise ClientException("The query or form has too many fields.") from None
    counts = Counter(name for name, _ in pairs)
    errors.extend(place(name, "Must be given once.") for name, count in counts.items() if count > 1)
    return {name: value for name, value in pairs if counts[name] == 1}


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
    known = msgspec.structs.fields(model)
    for this in known:
        name = this.encode_name
        if name in given:
            try:
                values[this.name] = msgspec.convert(given[name], this.type, strict=strict, dec_hook=_value)
            except msgspec.ValidationError as error:
                errors.append(place(name, _sentence(error)))
        elif this.required and not told & {f"#/{name}", name}:
            errors.append(place(name, "Is missing."))
    names = {this.encode_name for this in known}
    errors.extend(place(name, unknown) for name in given if name not in names)
    return model(**values) if not errors else None


def _value(kind: Any, raw: object) -> Any:  # noqa: ANN401
    if not isinstance(raw, str):
        raise TypeError("Must be a string.")
    return kind(raw)


def _sentence(error: msgspec.ValidationError) -> str:
    sentence = re.sub(r" - at `.*`$", "", str(error)).replace("`", "")
    return sentence if sentence.endswith(".") else f"{sentence}."


def _pointer(name: str, detail: str) -> FieldError:
    # RFC 6901, sections 3 and 6.
    escaped = name[:100].replace("~", "~0").replace("/", "~1")
    return FieldError(pointer=f"#/{escaped}", detail=detail)


def _parameter(name: str, detail: str) -> FieldError:
    return FieldError(parameter=name[:100], detail=detail)


def _schema(model: type[Any]) -> Any:  # noqa: ANN401
    """The JSON Schema of a model, whole."""
    schema = msgspec.json.schema(model, schema_hook=VALUES.__getitem__)
    definitions = schema.pop("$defs")

    def resolve(part: Any) -> Any:  # noqa: ANN401
        if isinstance(part, dict):
            if reference := part.get("$ref"):
                return resolve(definitions[reference.rpartition("/")[2]])
            return {
                key: resolve(value) for key, value in part.items() if key != "title" or not isinstance(value, str)
            }
        return [resolve(item) for item in part] if isinstance(part, list) else part

    resolved = resolve(schema)
    if issubclass(model, Body):
        resolved["additionalProperties"] = False
    return resolved


def _parameters(model: type[Query]) -> list[Parameter]:
    properties = _schema(model)["properties"]
    return [
        Parameter(
            name=this.encode_name,
            param_in="query",
            required=this.required,
            description=properties[this.encode_name].pop("description", None),
            schema=properties[this.encode_name],
        )
        for this in msgspec.structs.fields(model)
    ]

"""What a route takes, declared once: the admission reads requests by it, and the OpenAPI document shows it."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

import msgspec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, Parameter, RequestBody

from blog.domain.users import Email, NewPassword, Password
from blog.entrypoints.http.problems import MEDIA_TYPE, Problem

MediaType = Literal["application/json", "application/x-www-form-urlencoded"]
JSON: MediaType = "application/json"
FORM: MediaType = "application/x-www-form-urlencoded"

FORMATS: dict[Any, str] = {Email: "email", Password: "password", NewPassword: "password"}


class Body(msgspec.Struct, kw_only=True):
    """A body of a request: its fields, and no others."""


class Query(msgspec.Struct, kw_only=True):
    """The parameters of a query: its fields, each once, and no others."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What one route takes."""

    body: type[Body] | None = None
    media_type: MediaType = JSON
    query: type[Query] | None = None
    signed_in: bool = False
    client_may_authenticate: bool = False
    """Whether an OAuth 2.0 client may name itself by HTTP Basic (RFC 6749, section 2.3.1); who it is, is not asked."""


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
    client_may_authenticate: bool = False,
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
        "opt": {"contract": Contract(body, media_type, query, signed_in, client_may_authenticate)},
        "operation_class": ContractOperation,
        "security": [{"bearer": []}] if signed_in else None,
    }


def _schema(model: type[Any]) -> Any:  # noqa: ANN401
    """The JSON Schema of a model, whole."""
    schema = msgspec.json.schema(model, schema_hook=_value_schema)
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


def _value_schema(kind: Any) -> dict[str, Any]:  # noqa: ANN401
    """A word of the domain, by what its type says of itself."""
    schema = {"type": "string", "minLength": kind.MIN, "maxLength": kind.MAX}
    if pattern := getattr(kind, "PATTERN", None):
        schema["pattern"] = pattern
    if kind in FORMATS:
        schema["format"] = FORMATS[kind]
    return schema

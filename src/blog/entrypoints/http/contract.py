"""What a route takes and answers, declared once: `validate` reads by it, the OpenAPI document shows it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from blog.domain.errors import BlogError

MediaType = Literal["application/json", "application/x-www-form-urlencoded"]
JSON: MediaType = "application/json"
FORM: MediaType = "application/x-www-form-urlencoded"
PARTIAL = "application/vnd.hexablog.partial+json"
"""JSON that has only those fields that were asked for: a model of its own, which client generators tell by this.

It is no parameter of `application/json`: that type has none (RFC 8259, section 11), and most tools ignore parameters.
"""


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A body of a request: its fields, and no others."""


class Query(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The parameters of a query: its fields, and no others, each once unless it is `CommaSeparated`."""


class LinkQuery(Query, forbid_unknown_fields=False, frozen=True):
    """The parameters of a link that third parties follow. They add some of their own, which are ignored."""


class CommaSeparated:
    """A type of parameters that hold a list: separated by commas, in one parameter or in several of its name.

    It is made of the whole list, separated by commas.
    """

    __slots__ = ()


class Path(msgspec.Struct, kw_only=True):
    """The words in a path, for the document. A handler reads them itself: what does not fit names nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What one route takes, and what it answers beside what follows from that."""

    body: type[Body] | None = None
    media_type: MediaType = JSON
    path: type[Path] | None = None
    query: type[Query] | None = None
    viewer: bool = False
    """Whether the reply depends on who reads, without anybody having to be signed in."""
    error_codes: Mapping[int | str, str] = field(default_factory=dict)
    """The OAuth 2.0 codes (RFC 6749, section 5.2) that problems of the route carry as `error`.

    They are found by the pointer of an error, or else by the status.
    """
    reply: Any = None
    """The model of the reply, where the handler encodes it: of JSON, or of each media type. `str` is any text."""
    address: str | None = None
    """The route's path in the document, where it is in several places or reads more than a router can."""
    if_match: bool = False
    """Whether `If-Match`, `If-None-Match` and `If-Unmodified-Since` name the version that something is done to."""
    once: bool = False
    """Whether `Idempotency-Key` has it done once, however often it is asked for."""
    headers: tuple[str, ...] = ()
    """Headers of the reply when all goes well."""
    redirects: bool = False
    """Whether the thing may be at another address now."""
    problems: tuple[type[BlogError], ...] = ()
    """What the handler raises."""


OPEN = Contract()


def address_of(route: HTTPRouteHandler) -> str:
    """The route's path as the document writes it: `/articles/{article_id}`."""
    terms: Contract = route.opt.get("contract", OPEN)
    return re.sub(r":\w+}", "}", terms.address or next(iter(route.paths)))

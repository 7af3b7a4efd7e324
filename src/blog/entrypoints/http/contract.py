"""What a route takes and answers, declared once: the admission reads by it, the OpenAPI document shows it."""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from blog.domain.errors import BlogError

MediaType = Literal["application/json", "application/x-www-form-urlencoded"]
JSON: MediaType = "application/json"
FORM: MediaType = "application/x-www-form-urlencoded"


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A body of a request: its fields, and no others."""


class Query(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The parameters of a query: its fields, each once, and no others."""


class Path(msgspec.Struct, kw_only=True):
    """The words in a path, for the document. A handler reads them itself: what does not fit names nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What one route takes, and what it answers beside what follows from that."""

    body: type[Body] | None = None
    media_type: MediaType = JSON
    path: type[Path] | None = None
    query: type[Query] | None = None
    signed_in: bool = False
    client_may_authenticate: bool = False
    """Whether an OAuth 2.0 client may name itself by HTTP Basic (RFC 6749, section 2.3.1); nobody looks who it is."""
    reply: Any = None
    """The model of the reply, where the handler encodes it by itself; or several, of which it is one."""
    media_types: tuple[str, ...] = ()
    """Those of the reply, where it has no model of ours."""
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

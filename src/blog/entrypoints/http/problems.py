"""Errors as they leave the API: problem details (RFC 9457), each made in this one place."""

import logging
import traceback
from collections.abc import Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from msgspec import UNSET, Meta, UnsetType

from blog.application.remembering import KeyReused
from blog.domain.articles import ArticleMoved, Contradiction, TooHardToRender
from blog.domain.errors import (
    BlogError,
    Conflict,
    Forbidden,
    Invalid,
    Moved,
    NotFound,
    Stale,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from blog.domain.preconditions import PreconditionFailed
from blog.domain.revisions import TooHardToCompare
from blog.domain.users import InvalidToken, WeakPassword
from blog.entrypoints.formats.feeds import Site
from blog.entrypoints.http.contract import OPEN, Contract
from blog.entrypoints.logs import REQUEST_ID

MEDIA_TYPE = "application/problem+json"
log = logging.getLogger(__name__)


MAX_ERRORS = 100
"""How many errors a problem names."""


class FieldError(msgspec.Struct, kw_only=True):
    """One thing that is wrong with a request."""

    detail: str
    pointer: (
        Annotated[
            str, Meta(description="Where in the body, as the fragment form of a JSON Pointer (RFC 6901, section 6).")
        ]
        | UnsetType
    ) = UNSET
    parameter: Annotated[str, Meta(description="Which parameter of the query.")] | UnsetType = UNSET
    header: Annotated[str, Meta(description="Which header.")] | UnsetType = UNSET


class Problem(msgspec.Struct, kw_only=True):
    """Why a request failed (RFC 9457). The status says the kind; `type` is `about:blank`, and left out."""

    title: Annotated[str, Meta(description="What the status means.")]
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: Annotated[str, Meta(description="A sentence that may be shown to whoever asked.")]
    error: (
        Annotated[str, Meta(description="Of signing in alone: the code of OAuth 2.0 (RFC 6749, section 5.2).")]
        | UnsetType
    ) = UNSET


class InvalidProblem(Problem, kw_only=True):
    """Why a request is invalid: everything that is wrong with it, or the first of very many errors."""

    errors: Annotated[list[FieldError], Meta(min_length=1, max_length=MAX_ERRORS)]


class StaleProblem(Problem, kw_only=True):
    """What is to be changed was changed in the meantime: to which version, by whom and when."""

    version: int
    changed_by: Annotated[int, Meta(description="The `id` of a user.")]
    changed_at: datetime


class InvalidRequest(Invalid):
    """A request that breaks the contract, with all that is wrong with it, or the first of very many errors."""

    sentence = "The request is invalid."
    more = f"The request is invalid. These are the first {MAX_ERRORS} errors; there are more."

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__(self.more if len(errors) > MAX_ERRORS else None)
        self.errors = errors[:MAX_ERRORS]


class TooLarge(HTTPException):
    """A body over a limit of its own, which `detail` names."""

    status_code = 413


class NotSignedIn(Unauthenticated):
    """No token came with the request; RFC 6750, section 3, wants no error code then."""

    sentence = "Sign in first: send a bearer token from POST /auth/login."


STATUS: Mapping[type[BlogError], HTTPStatus] = {
    Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Moved: HTTPStatus.PERMANENT_REDIRECT,
    Conflict: HTTPStatus.CONFLICT,
    Stale: HTTPStatus.PRECONDITION_FAILED,
    TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

# Python's own phrases moved to these names of RFC 9110 only in 3.13.
TITLES = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Content Too Large",
    HTTPStatus.REQUEST_URI_TOO_LONG: "URI Too Long",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Unprocessable Content",
}

SENTENCES = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take that method; Allow names those it takes.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
    HTTPStatus.REQUEST_URI_TOO_LONG: "The address is too long.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The header is too large.",
}


FAULT = "Something went wrong on our side; our log knows it as {}."


def status_of(error: type[BlogError]) -> int:
    """The status of an error, by its kind."""
    return next(status.value for kind, status in STATUS.items() if issubclass(error, kind))


def describe(status: int, detail: str, errors: list[FieldError] | None = None) -> Problem:
    """A problem in words."""
    status = int(status)
    title = TITLES.get(HTTPStatus(status), HTTPStatus(status).phrase)
    if errors:
        return InvalidProblem(title=title, status=status, detail=detail, errors=errors)
    return Problem(title=title, status=status, detail=detail)


def encoded(status: int, detail: str) -> tuple[bytes, str]:
    """A problem as bytes and their media type, for those who send it without the framework."""
    return msgspec.json.encode(describe(status, detail)), MEDIA_TYPE


def with_error_code(content: Problem, terms: Contract) -> Problem:
    """The problem with its OAuth 2.0 code, where the route has codes for its problems."""
    for error in getattr(content, "errors", []):
        if error.pointer in terms.error_codes:
            return msgspec.structs.replace(content, error=terms.error_codes[error.pointer])
    return msgspec.structs.replace(content, error=terms.error_codes.get(content.status, UNSET))


def _reply(
    request: Request[Any, Any, Any], content: Problem, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    # There is no handler where there is no route.
    terms = handler.opt.get("contract", OPEN) if (handler := request.scope.get("route_handler")) else OPEN
    encoded = msgspec.json.encode(with_error_code(content, terms))
    return Response(encoded, media_type=MEDIA_TYPE, status_code=content.status, headers=headers)


def refused(request: Request[Any, Any, Any], error: BlogError) -> Response[bytes]:
    """What the blog refuses, by its kind."""
    status = status_of(type(error))
    headers: dict[str, str] = {}
    if isinstance(error, PreconditionFailed):
        return _reply(
            request,
            StaleProblem(
                **msgspec.structs.asdict(describe(status, str(error))),
                version=error.version,
                changed_by=error.changed_by,
                changed_at=error.changed_at,
            ),
        )
    errors = getattr(error, "errors", None)
    if isinstance(error, Contradiction):
        errors = [FieldError(pointer=f"#/{error.field}", detail=str(error))]
    elif isinstance(error, TooHardToRender):
        errors = [FieldError(pointer="#/content", detail=str(error))]
    elif isinstance(error, WeakPassword):
        errors = [FieldError(pointer="#/password", detail=str(error))]
    elif isinstance(error, TooHardToCompare):
        errors = [FieldError(parameter="against", detail=str(error))]
    elif isinstance(error, KeyReused):
        errors = [FieldError(header="Idempotency-Key", detail=str(error))]
    if isinstance(error, Unauthenticated):
        code = f' error="invalid_token", error_description="{error}"' if isinstance(error, InvalidToken) else ""
        headers["WWW-Authenticate"] = f'Bearer realm="blog"{"," if code else ""}{code}'
    if isinstance(error, TooManyRequests | Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unavailable):
        # A line and no traceback: in an outage every request comes by here.
        log.warning(
            "503 on %s %s: %s Cause: %s",
            request.scope["method"],
            request.scope["path_template"],
            error,
            cause_of(error),
        )
    detail = InvalidRequest.sentence if errors and not isinstance(error, InvalidRequest) else str(error)
    return _reply(request, describe(status, detail, errors), headers)


def cause_of(error: Unavailable) -> str:
    """Why something is unavailable, for those who look after it; more than whoever asked is told."""
    found = error.__cause__ or error
    if type(found) is not Unavailable and str(found):
        return found.__class__.__name__ if found is error else repr(found)
    # It says nothing itself, as a deadline does: what had to wait is known by where in the blog that was.
    frames = [frame for frame, _ in traceback.walk_tb(found.__traceback__)]
    ours = [frame for frame in frames if frame.f_globals.get("__name__", "").startswith("blog.")]
    where = f" in {ours[-1].f_globals['__name__']}.{ours[-1].f_code.co_qualname}" if ours else ""
    return f"{found.__class__.__name__}{where}"


def moved(request: Request[Any, Any, Any], error: ArticleMoved) -> Response[bytes]:
    """An address that is another now, for good (RFC 9110, section 15.4.9)."""
    site: Site = request.app.state["site"]
    query = request.scope["query_string"].decode("latin-1")
    location = f"{site.path}/articles/{error.slug}{'?' if query else ''}{query}"
    # It may move back, and a browser that remembers both ways would go in circles.
    headers = {"Location": location, "Cache-Control": "no-cache"}
    return Response(b"", status_code=HTTPStatus.PERMANENT_REDIRECT, headers=headers, media_type="text/plain")


def allowed(methods: Iterable[str]) -> str:
    """Methods as `Allow` names them: HEAD is where GET is."""
    names = {*methods, "OPTIONS"}
    return ", ".join(sorted(names | {"HEAD"} if "GET" in names else names))


def not_understood(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What HTTP itself refuses: no such route or method, a body that cannot be read."""
    own = isinstance(error, TooLarge)
    detail = error.detail if own else SENTENCES.get(HTTPStatus(error.status_code), error.detail)
    headers = dict(error.headers or {})
    if allow := headers.pop("allow", None):
        headers["Allow"] = allowed(allow.split(", "))
    return _reply(request, describe(error.status_code, detail), headers)


def unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A fault of ours: nothing to the caller but where to find it in the log."""
    log.error("Unexpected fault in %s", request.scope["path_template"], exc_info=error)
    request_id = REQUEST_ID.get()
    return _reply(request, describe(500, FAULT.format(request_id)))


OF_HTTP: dict[int | type[Exception], Any] = {HTTPException: not_understood, Exception: unexpected}
"""Which function answers which error, where there is no route or none of the blog's own."""

EXCEPTION_HANDLERS = {ArticleMoved: moved, BlogError: refused, **OF_HTTP}
"""Which function answers which error of a route of the API."""

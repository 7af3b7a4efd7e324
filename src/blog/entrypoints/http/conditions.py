"""Conditional requests: what their headers say (RFC 9110, section 13)."""

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import Any

from litestar import Request
from litestar.exceptions import ClientException

from blog.domain.preconditions import Precondition

MAX_TAGS = 8 * 1024
"""Bytes of a list of entity tags."""

ENTITY_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
"""RFC 9110, section 8.8.3."""

# A list may have nothing between two commas (section 5.6.1.2).
ENTITY_TAGS = re.compile(rf"[\s,]*{ENTITY_TAG}(\s*,[\s,]*{ENTITY_TAG})*[\s,]*")

# With the zone that it has to have, or in the form of asctime, which has none (section 5.6.7).
HTTP_DATE = re.compile(r"[A-Z][a-z]+, .+ GMT|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}")


def http_date(text: str) -> datetime | None:
    """The moment that a date of HTTP names; None for what is no such date, which has to be ignored."""
    if not HTTP_DATE.fullmatch(text):
        return None
    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


@lru_cache(4096)
def as_http_date(moment: datetime) -> str:
    """A moment as HTTP writes it (section 5.6.7). To write one takes seven microseconds, and to look it up a half."""
    return format_datetime(moment, usegmt=True)


def precondition(request: Request[Any, Any, Any]) -> Precondition:
    """For which version a request makes a change, by the headers that count (section 13.2.2).

    An edition is the first part of an entity tag. That a proxy has weakened a tag, because it compresses the reply,
    does not matter to what is changed. Raises `ClientException` for what is no list of entity tags.
    """
    match, none_match = _tags(request, "If-Match"), _tags(request, "If-None-Match")
    since = request.headers.get("if-unmodified-since")
    return Precondition(
        editions=None if match in (None, "*") else _editions(match),
        unmodified_since=http_date(since) if since is not None and match is None else None,
        other_than=() if none_match in (None, "*") else _editions(none_match),
        absent=none_match == "*",
    )


def _tags(request: Request[Any, Any, Any], name: str) -> str | None:
    """A list of entity tags as it was sent, or `*`; None where the header is missing."""
    given = request.headers.getall(name.lower(), [])
    if not given:
        return None
    tags = ", ".join(given).strip()
    if len(tags) > MAX_TAGS:
        raise ClientException(f"{name} is too long: send at most {MAX_TAGS // 1024} KiB of entity tags.")
    if tags != "*" and not ENTITY_TAGS.fullmatch(tags):
        raise ClientException(f'{name} is not a list of entity tags, such as "7-0123456789ab.4711".')
    return tags


def _editions(tags: str) -> frozenset[str]:
    return frozenset(tag.partition(".")[0] for tag in re.findall(r'"([^"]*)"', tags))

"""Previews: links that show what is not out to somebody without an account."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from blog.domain.errors import Conflict, NotFound


class PreviewNotFound(NotFound):
    """There is no such preview: it was revoked, has expired, was never given, or what it showed is gone."""

    sentence = "Preview not found"


class TooManyPreviews(Conflict):
    sentence = "There are 50 previews of this article already; revoke one first."


class Previewed(StrEnum):
    """What a preview shows."""

    ARTICLE = "article"
    WORKING_COPY = "working_copy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Leave to read one article, or its working copy, until some moment."""

    id: int
    article_id: int
    of: Previewed
    created_at: datetime
    expires_at: datetime

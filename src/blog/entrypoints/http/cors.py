"""Which pages of other origins may call the API (the Fetch standard, "HTTP CORS protocol").

Nothing is refused here: browsers refuse what the headers of a reply do not allow. Litestar's own middleware answers
refusals of its own, which are no problems, and replaces the `Vary` of a reply.
"""

from collections.abc import Collection, Mapping

Header = tuple[bytes, bytes]

METHODS = b"DELETE, GET, HEAD, OPTIONS, PATCH, POST"
ALLOWED = (
    b"Accept, Accept-Language, Authorization, Content-Language, Content-Type, Idempotency-Key, If-Match, "
    b"If-Modified-Since, If-None-Match, If-Unmodified-Since"
)
EXPOSED = b"ETag, Link, Location, Retry-After, X-Total-Count"
MAX_AGE = b"600"  # seconds


class CrossOrigin:
    """The headers by which pages of these origins may read replies."""

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = {origin.encode() for origin in origins}

    def headers(self, method: str, request: Mapping[bytes, bytes]) -> list[Header]:
        """What the reply to this request gets; none of it where no origin is allowed at all."""
        if not self._origins:
            return []
        # Also to whoever comes from nowhere: a cache must not hand that reply to a page.
        headers = [(b"vary", b"Origin")]
        origin = request.get(b"origin")
        if origin in self._origins:
            headers += [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED)]
            if method == "OPTIONS" and b"access-control-request-method" in request:
                headers += [
                    (b"access-control-allow-methods", METHODS),
                    (b"access-control-allow-headers", ALLOWED),
                    (b"access-control-max-age", MAX_AGE),
                ]
        return headers

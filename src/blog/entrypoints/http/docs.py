"""The API to read and to try out in a browser: Swagger UI, whose files are in this package."""

from functools import cache
from pathlib import Path

from litestar import Response, get
from litestar.exceptions import NotFoundException

FOLDER = Path(__file__).with_name("swagger_ui")
MEDIA_TYPES = {
    "index.html": "text/html",
    "favicon-32x32.png": "image/png",
    "page.css": "text/css",
    "start.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
}
HEADERS = {
    # The page talks to this service and to nobody else, and nobody else talks to it.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "max-age=3600",
}


@get("/docs", sync_to_thread=False)
def show_docs() -> Response[bytes]:
    """The page."""
    return show_file("index.html")


@get("/docs/{name:str}", sync_to_thread=False)
def show_docs_file(name: str) -> Response[bytes]:
    """What the page consists of."""
    return show_file(name)


def show_file(name: str) -> Response[bytes]:
    """A file of the folder, as long as it is a part of the page."""
    if name not in MEDIA_TYPES:
        raise NotFoundException
    return Response(_content(name), media_type=MEDIA_TYPES[name], headers=HEADERS)


@cache
def _content(name: str) -> bytes:
    return (FOLDER / name).read_bytes()

"""The API to read and to try out in a browser: Swagger UI, whose files are in this package."""

import re
from functools import cache
from html import escape
from pathlib import Path

from litestar import get
from litestar.exceptions import NotFoundException

from blog.entrypoints.formats.feeds import Site
from blog.entrypoints.http.contract import Contract, LinkQuery
from blog.entrypoints.http.replies import Answer
from blog.entrypoints.http.requests import ApiRequest, PathWord

FOLDER = Path(__file__).with_name("swagger_ui")
PAGE = "index.html"
MEDIA_TYPES = {
    PAGE: "text/html; charset=utf-8",
    "favicon-32x32.png": "image/png",
    "page.css": "text/css; charset=utf-8",
    "start.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
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


@get("/docs", sync_to_thread=False, exclude_from_auth=True, contract=Contract(query=LinkQuery))
def show_docs(request: ApiRequest[None, None]) -> Answer:
    """The page."""
    return show_file(PAGE, request.site)


@get("/docs/{name:str}", sync_to_thread=False, exclude_from_auth=True, contract=Contract(query=LinkQuery))
def show_docs_file(name: PathWord, request: ApiRequest[None, None]) -> Answer:
    """What the page consists of."""
    return show_file(name, request.site)


def show_file(name: str, site: Site) -> Answer:
    """A file of the folder, as long as it is a part of the page."""
    if name not in MEDIA_TYPES:
        raise NotFoundException
    return Answer(_content(name, site), media_type=MEDIA_TYPES[name], headers=HEADERS)


@cache
def _content(name: str, site: Site) -> bytes:
    content = (FOLDER / name).read_bytes()
    if name != PAGE:
        return content
    # Relative addresses would mean different files with a slash behind /docs and without.
    words = {b"path": site.path, b"name": site.name}
    return re.sub(rb"\{(path|name)}", lambda found: escape(words[found[1]]).encode(), content)

"""The application: its routes, the hooks in front of them, and the middleware around all of them."""

import asyncio
import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from litestar import Litestar, Response, Router, route
from litestar.constants import RESERVED_KWARGS
from litestar.datastructures import State
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import DefineMiddleware

from blog.container import Container, close, watch
from blog.entrypoints import connections, logs
from blog.entrypoints.formats.feeds import Site
from blog.entrypoints.http import (
    articles,
    auth,
    docs,
    feeds,
    health,
    openapi,
    previews,
    problems,
    revisions,
    sitemaps,
    tags,
    users,
    validation,
    working_copies,
)
from blog.entrypoints.http.authentication import Authentication
from blog.entrypoints.http.contract import OPEN, address_of
from blog.entrypoints.http.delivery import Budget
from blog.entrypoints.http.edge import ASGIApp, Message, Send, edge
from blog.entrypoints.http.limits import PageLimits
from blog.entrypoints.http.problems import allowed
from blog.entrypoints.http.representation import represent
from blog.entrypoints.http.requests import ApiRequest
from blog.entrypoints.http.validation import validate
from blog.settings import Settings, SettingsError

log = logging.getLogger(__name__)

STOP_SECONDS = 30
"""How long requests in flight may take to finish once the service is told to stop."""

MOST_OF_A_REASON = 1000
"""Characters: what is written to a pipe in one piece stays in one piece."""

HOLD_SECONDS = 0.1
"""How long after a worker's loop has begun it surely serves."""

drain = health.Drain()
"""How far the service has come in stopping, which the process knows that a worker is a fork of."""

ROUTES = (
    users.register,
    users.show_me,
    users.delete_me,
    users.show_profile,
    auth.log_in,
    articles.list_articles,
    articles.show_article,
    articles.write_article,
    articles.edit_article,
    articles.delete_article,
    articles.archive_article,
    tags.list_tags,
    revisions.list_revisions,
    revisions.show_revision,
    revisions.compare_revisions,
    revisions.restore_revision,
    working_copies.show_working_copy,
    working_copies.save_working_copy,
    working_copies.discard_working_copy,
    working_copies.publish_working_copy,
    previews.issue_preview,
    previews.list_previews,
    previews.revoke_preview,
    previews.show_preview,
    feeds.show_feed,
    feeds.show_feed_of_author,
    feeds.show_feed_of_tag,
    sitemaps.show_sitemap,
    sitemaps.show_robots,
    health.show_live,
    health.show_ready,
)

# The document is the same: it says that registration may be closed.
CLOSED_ROUTES = tuple(users.refuse_registration if route is users.register else route for route in ROUTES)


def build(container: Container, *, routers: Sequence[Router] = ()) -> ASGIApp:
    """The blog over HTTP, as an ASGI application, and other routers beside it.

    Once `drain` has begun, it is not ready any more. Raises `ImproperlyConfiguredException`.
    """
    settings = container.settings()
    site = Site(name=settings.app_name, url=settings.site_url, authority=settings.authority)
    handlers = [
        *(ROUTES if settings.registration == "open" else CLOSED_ROUTES),
        openapi.serve(site, ROUTES),
        docs.show_docs,
        docs.show_docs_file,
    ]

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        watching = asyncio.create_task(watch(container))
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])
            await close(container)

    app = Litestar(
        route_handlers=[router("/", [*_options(handlers), *handlers]), *routers],
        exception_handlers=problems.OF_HTTP,
        state=State(
            {
                "blog": container.blog,
                "site": site,
                "limits": PageLimits(),
                "budget": Budget(),
                "drain": drain,
                "require_if_match": settings.require_if_match,
                "idempotent_routes": idempotent_routes(handlers),
            }
        ),
        request_max_body_size=validation.MAX_BODY,
        openapi_config=None,
        lifespan=[lifespan],
        logging_config=None,
    )
    check_signatures(app)
    return edge(represent(app), proxies=settings.trusted_proxies, origins=settings.backend_cors_origins)


def router(path: str, handlers: Sequence[HTTPRouteHandler], **options: Any) -> Router:  # noqa: ANN401 - a Router's
    """Routes whose requests are authenticated by bearer tokens, and validated by their contracts."""
    return Router(
        path,
        route_handlers=handlers,
        middleware=[DefineMiddleware(Authentication), *options.pop("middleware", [])],
        before_request=validate,
        request_class=ApiRequest,
        exception_handlers={**problems.EXCEPTION_HANDLERS, **options.pop("exception_handlers", {})},
        **options,
    )


def idempotent_routes(handlers: Iterable[HTTPRouteHandler]) -> list[str]:
    """The routes that take an `Idempotency-Key`, such as `POST /articles`."""
    return [
        f"{method} {address_of(handler)}"
        for handler in handlers
        if handler.opt.get("contract", OPEN).once
        for method in handler.http_methods
    ]


def check_signatures(app: Litestar) -> None:
    """Refuse handlers with a contract and a parameter that Litestar would look for in the query.

    Raises `ImproperlyConfiguredException`.
    """
    for http_route in app.routes:
        for handler in getattr(http_route, "route_handlers", []):
            if "contract" not in handler.opt:
                continue
            known = {*RESERVED_KWARGS, *http_route.path_parameters, *handler.resolve_dependencies()}
            if unknown := handler.parsed_fn_signature.parameters.keys() - known:
                raise ImproperlyConfiguredException(
                    f"{handler} has the parameters {', '.join(sorted(unknown))}, which are neither in its path nor "
                    f"known to Litestar. Declare a query in its Contract, and read it from request.parameters."
                )


def _options(handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Replies to OPTIONS. Those that Litestar adds where there are none know one method of a path."""
    methods: dict[str, set[str]] = {}
    for handler in handlers:
        for path in handler.paths:
            methods.setdefault(path, set()).update(handler.http_methods)

    def options(path: str, allow: str) -> HTTPRouteHandler:
        @route(path, http_method="OPTIONS", status_code=204, sync_to_thread=False)
        def show_options() -> Response[None]:
            return Response(None, headers={"Allow": allow})

        return show_options

    return [options(path, allowed(names)) for path, names in methods.items()]


start_failures: Connection | None = None
"""Where a worker says why it cannot start, to the process that it is a fork of."""


def from_environment() -> ASGIApp:
    """The application of a worker process, which is told everything by its environment."""
    hold_signals()
    serves = threading.Event()
    if parent := multiprocessing.parent_process():
        _look_after(parent.pid, serves)
    try:
        settings = Settings.load(serving=True, file=None)
        logs.configure(log_format=settings.log_format, debug=settings.debug)
        app = build(Container(settings=settings))
    except Exception as error:
        if start_failures is None:
            raise
        _give_up(error, start_failures)
    # What is there by now stays, and need not be looked at again for garbage.
    gc.collect()
    gc.freeze()
    # Ten thousand requests that wait for their bodies are a million objects, none of them garbage. Python looks at
    # them after each 700 otherwise, which took half of the time that they took.
    gc.set_threshold(10_000, 10, 10)

    async def worker(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        if scope["type"] == "lifespan":
            hear = serves.set if settings.drain_seconds else _let_go_of_signals
            asyncio.get_running_loop().call_later(HOLD_SECONDS, hear)
            _limit_stalling()
        await app(scope, receive, closing(send) if drain.begun else send)

    return worker


def closing(send: Send) -> Send:
    """Send replies after which their connection ends: a proxy should not find it closed with the next request."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return sending


def _give_up(error: Exception, failures: Connection) -> NoReturn:
    """Say why this worker cannot start, and wait to be ended: one that ends by itself would be replaced."""
    log.debug("A worker cannot start.", exc_info=error)
    reason = f"{type(error).__name__}: {error}" if not isinstance(error, SettingsError) else str(error)
    failures.send(" ".join(reason.split())[:MOST_OF_A_REASON])
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _let_go_of_signals()
    time.sleep(STOP_SECONDS)
    sys.exit(1)


def hold_signals() -> None:
    """Let signals to this worker wait until it serves: before that, Granian loses one and hangs for ever on two."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


def _let_go_of_signals() -> None:
    # The others are for the main process, which passes them on as this one.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _limit_stalling() -> None:
    # The server listens a moment after the application is ready, and does not say so.
    if not connections.limit_stalling():
        asyncio.get_running_loop().call_later(0.01, _limit_stalling)


def _look_after(parent: int | None, serves: threading.Event) -> None:
    """Have this worker stop when its time has come: nobody else would if the process that started it is gone.

    A supervisor of services that sends SIGTERM to every process, as some do, would end the workers of a service that
    drains. Such a signal waits until the main process says that it is time.
    """

    def watch() -> None:
        killed_at = float("inf")
        while time.monotonic() < killed_at:
            if killed_at == float("inf") and os.getppid() != parent:
                drain.end()
                os.kill(os.getpid(), signal.SIGTERM)
                killed_at = time.monotonic() + STOP_SECONDS
            if drain.over and serves.is_set():
                _let_go_of_signals()
            time.sleep(0.05 if drain.begun else 0.2)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent", daemon=True).start()

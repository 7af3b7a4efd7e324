"""The API against its own document, by Schemathesis.

What the document allows is taken, what it forbids is refused, and every reply is as documented. All of its checks are
on but one. It is the same run each time, and each test finds the blog, in memory, with one user and one article.
"""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
import schemathesis
from hypothesis import settings
from hypothesis import strategies as st
from schemathesis import AuthContext, Case, GenerationMode, HookContext, Response
from schemathesis.config import SchemathesisConfig

from blog.application.queries import ArticleView
from blog.container import in_memory
from blog.entrypoints.http.app import build
from blog.entrypoints.http.contract import FORM, JSON
from blog.entrypoints.http.feeds import SORT
from blog.entrypoints.http.listing import Cursor, Direction
from blog.entrypoints.http.openapi import EXAMPLES, PARAMETERS
from tests.builders import NOON, Clock, an_article
from tests.support import quick

# Longer than the clock of the tests moves.
CONTAINER = quick(in_memory, Clock(), ACCESS_TOKEN_EXPIRE_MINUTES="525600", PASSWORD_BLOCKLIST="off")
BLOG = build(CONTAINER)


async def serve(scope: Any, receive: Any, send: Any) -> None:
    """The blog, which Schemathesis stops and starts as it likes."""
    if scope["type"] == "http":
        await BLOG(scope, receive, send)
    while scope["type"] == "lifespan":
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return


# Of a header, Schemathesis would try letters and digits alone, and these have none without quotes.
IF_MATCH = PARAMETERS["If-Match"]["schema"]
schemathesis.openapi.format("entity-tags", st.just("*") | st.from_regex(IF_MATCH["pattern"], fullmatch=True))
# What a cursor holds no schema says.
PLACE = ArticleView.of(an_article(id=1), viewer=None, at=NOON)
CURSORS = {
    sort: ["", *(Cursor.at(sort, direction, PLACE) for direction in get_args(Direction))] for sort in ("-date", SORT)
}


@schemathesis.hook
def before_load_schema(_: HookContext, document: dict[str, Any]) -> None:
    for name in ("If-Match", "If-None-Match"):
        document["components"]["parameters"][name]["schema"]["format"] = "entity-tags"
    for path, methods in document["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", []):
            if parameter.get("name") == "cursor":
                sort = SORT if "feed" in path else "-date"
                # No format: Schemathesis also sends words that it finds in the code, and a schema must forbid them.
                parameter["schema"] = {"enum": CURSORS[sort]}


CONFIG = SchemathesisConfig(seed=1)
# A version that nothing has is named as well as any other.
ACCEPTANCE = CONFIG.projects.default.checks.positive_data_acceptance
ACCEPTANCE.expected_statuses = [*ACCEPTANCE.expected_statuses, "412"]
# So is one in an address that is too long, or in headers that are too large.
REJECTION = CONFIG.projects.default.checks.negative_data_rejection
REJECTION.expected_statuses = [*REJECTION.expected_statuses, "413", "414", "431"]
# An article that was just written has no working copy.
CONFIG.projects.default.checks.ensure_resource_availability.enabled = False
schema = schemathesis.openapi.from_asgi("/openapi.json", serve, config=CONFIG)


@schema.auth(refresh_interval=None)
class Ada:
    """The user of the document's examples: what they do is done, leaving for good included."""

    token: str | None = None

    @classmethod
    def sign_up(cls) -> None:
        """Register, log in, and write an article."""
        account = {name: EXAMPLES[name] for name in ("username", "password")}
        article = {name: EXAMPLES[name] for name in ("title", "content")}
        send("/users", body=account | {"email": EXAMPLES["email"]})
        cls.token = send("/auth/login", body=account, media_type=FORM).json()["access_token"]
        send("/articles", body=article, headers={"Authorization": f"Bearer {cls.token}"})

    def get(self, _: Case[Any], __: AuthContext) -> str:
        if not self.token:
            self.sign_up()
        return str(self.token)

    def set(self, case: Case[Any], token: str, _: AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {token}"


def send(path: str, *, media_type: str = JSON, **parts: Any) -> Response:
    reply = schema[path]["POST"].Case(media_type=media_type, **parts).call()
    assert reply.status_code < 300, reply.content
    return reply


def unsaid(body: dict[str, Any]) -> set[str]:
    """The fields of a valid body that may not go with the others, or with an article."""
    moments = {"publish_at", "unpublish_at"} & body.keys()
    names = {"published"} if moments else set()
    if len(moments) > 1:
        names.add("unpublish_at")
    if body.get("based_on") != 1:
        names.add("based_on")
    # A note says what a change is for.
    return names if body.keys() - names - {"note"} else {"note", *names}


reached: set[tuple[str, int]] = set()
"""Which operations have been answered with which statuses."""


@schemathesis.hook
def before_call(_: HookContext, case: Case[Any], __: dict[str, Any]) -> None:
    """Forget what was asked before: whoever sends a key does not think of another's.

    And leave out what no schema says: what a cursor does not go with, places by number and other orders; `published`
    beside moments that may say otherwise, an end beside a beginning, and versions that an article may not have.
    """
    CONTAINER.store().tables.replies.clear()
    # In any letters, it would be too long for an address, which is answered before anything looks at the route.
    long = {
        name: "x" * len(value) for name, value in case.query.items() if isinstance(value, str) and len(value) > 900
    }
    case.query = {name: value[:2000] if name in long else value for name, value in (case.query | long).items()}
    valid = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if valid and isinstance(case.body, dict):
        case.body = {name: value for name, value in case.body.items() if name not in unsaid(case.body)}
    if "cursor" in case.query:
        case.query = {name: value for name, value in case.query.items() if name not in ("skip", "sort", "q")}


@schema.hook
def after_call(_: HookContext, case: Case[Any], response: Response) -> None:
    reached.add((case.operation.label, response.status_code))
    if (case.operation.label, response.status_code) == ("DELETE /users/me", 204):
        Ada.token = None


def start_anew() -> None:
    """One user, one article."""
    CONTAINER.reset_singletons()
    Ada.sign_up()


@pytest.fixture(autouse=True)
def anew() -> None:
    start_anew()
    reached.clear()


@pytest.fixture(scope="module", autouse=True)
def close() -> Iterator[None]:
    yield
    CONTAINER.hasher().close()


@schema.parametrize()
@settings(max_examples=30, deadline=None, derandomize=True, database=None)
def test_an_operation_is_as_documented(case: Case[Any]) -> None:
    case.call_and_validate()


class Workflow(schema.as_state_machine()):  # type: ignore[misc]
    """One call after another, with what the ones before have answered."""

    def setup(self) -> None:
        start_anew()


def test_operations_in_a_row_are_as_documented() -> None:
    Workflow.run(
        settings=settings(max_examples=160, stateful_step_count=10, deadline=None, derandomize=True, database=None)
    )
    assert reached > {
        ("POST /articles", 201),
        ("GET /articles/{article_id}", 200),
        ("PATCH /articles/{article_id}", 200),
        ("DELETE /articles/{article_id}", 204),
        ("POST /articles/{article_id}/archive", 200),
        ("POST /articles/{article_id}/previews", 201),
    }

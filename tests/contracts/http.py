"""What the HTTP contract promises of every route, whatever the blog is kept in."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blog.container import Container
from blog.domain.errors import Unavailable
from blog.entrypoints.http.app import drain
from blog.entrypoints.http.health import Drain
from tests.contracts.asking import ARTICLE, PASSWORD, headers, problem, wrong
from tests.support import replaced


class HttpContract:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"", "The body is not JSON"),
            (b"{", "The body is not JSON"),
            (b'{"title": "T",}', "The body is not JSON"),
            (b"\xef\xbb\xbf{}", "The body is not JSON"),
            (b'{"title": NaN}', "The body is not JSON"),
            (b'{"title": "\\ud800"}', "The body is not JSON"),
            (b"{} {}", "The body is not JSON"),
            (b'{"title": "\xff"}', "The body is not UTF-8"),
            (b'{"title": "\xed\xa0\x80"}', "The body is not UTF-8"),
            (b'{"title": ' + b"[" * 100_000, "The body is nested too deep"),
            (b'{"a":' * 100_000, "The body is nested too deep"),
        ],
    )
    async def test_a_body_that_cannot_be_read_is_a_bad_request(
        self, client: httpx.AsyncClient, ada: dict[str, str], content: bytes, sentence: str
    ) -> None:
        for method, path in (("POST", "/articles"), ("PATCH", "/articles/1")):
            answer = await client.request(
                method, path, content=content, headers=ada | {"Content-Type": "application/json"}
            )
            assert problem(answer, 400)["detail"].startswith(sentence)

    @pytest.mark.parametrize("content", [b"[]", b'"text"', b"1", b"null", b"true"])
    async def test_a_body_that_is_no_object_is_invalid(
        self, client: httpx.AsyncClient, ada: dict[str, str], content: bytes
    ) -> None:
        answer = await client.post("/articles", content=content, headers=ada | {"Content-Type": "application/json"})
        assert wrong(answer) == {"#": "Must be an object."}

    @pytest.mark.parametrize(
        "media_type",
        [
            None,
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonx",
            "application/json; charset=latin-1",
        ],
    )
    async def test_a_body_of_another_type_is_not_taken(
        self, client: httpx.AsyncClient, ada: dict[str, str], media_type: str | None
    ) -> None:
        headers = ada | ({"Content-Type": media_type} if media_type else {})
        answer = await client.post("/articles", content=json.dumps(ARTICLE).encode(), headers=headers)
        assert problem(answer, 415)
        assert answer.headers["accept"] == "application/json"

    async def test_a_compressed_body_is_not_taken(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        answer = await client.post("/articles", json=ARTICLE, headers=ada | {"Content-Encoding": "gzip"})
        assert problem(answer, 415)

    @pytest.mark.parametrize(
        "media_type", ["application/json; charset=UTF-8", "Application/JSON", 'application/json;charset="utf-8"']
    )
    async def test_json_may_be_announced_in_any_way_that_means_it(
        self, client: httpx.AsyncClient, ada: dict[str, str], media_type: str
    ) -> None:
        answer = await client.post(
            "/articles", content=json.dumps(ARTICLE).encode(), headers=ada | {"Content-Type": media_type}
        )
        assert answer.status_code == 201

    async def test_a_body_over_the_limit_is_refused(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        headers = ada | {"Content-Type": "application/json"}
        limit = 4 * 1024 * 1024
        start = b'{"title":"T","content":"0123456789"'
        at_limit = start + b" " * (limit - len(start) - 1) + b"}"
        assert (await client.post("/articles", content=at_limit, headers=headers)).status_code == 201
        assert problem(await client.post("/articles", content=at_limit + b" ", headers=headers), 413)

        async def chunks(count: int) -> Any:
            for _ in range(count):
                yield b" " * 65_536

        assert problem(await client.post("/articles", content=chunks(65), headers=headers), 413)
        assert problem(await client.post("/articles", content=at_limit + b" "), 401)

    async def test_a_body_that_does_not_arrive_is_not_waited_for_for_ever(
        self, client: httpx.AsyncClient, ada: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("blog.entrypoints.http.validation.BODY_SECONDS", 0.05)
        monkeypatch.setattr("blog.entrypoints.http.edge.DRAIN_SECONDS", 0.05)

        async def stalling() -> Any:
            yield b'{"title":'
            await asyncio.Event().wait()

        answer = await client.post(
            "/articles", content=stalling(), headers=ada | {"Content-Type": "application/json"}
        )
        assert problem(answer, 408)
        assert answer.headers["connection"] == "close"
        # Nor where nobody wants one.
        path = (await client.post("/articles", json=ARTICLE, headers=ada)).headers["location"]
        once = ada | {"Idempotency-Key": '"k"'}
        assert problem(await client.post(f"{path}/revisions/1/restore", content=stalling(), headers=once), 408)

    async def test_a_service_that_is_about_to_stop_is_not_ready_and_answers(
        self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(drain, "_memory", Drain()._memory)
        assert (await client.get("/health/ready")).status_code == 200
        drain.begin()
        answer = await client.get("/health/ready")
        assert problem(answer, 503)["detail"].startswith("The service is about to stop.")
        for path in ("/health/live", "/articles"):
            assert (await client.get(path)).status_code == 200

    @pytest.mark.parametrize("path", ["/articles", "/users/Ada", "/health/live", "/openapi.json", "/health/ready"])
    async def test_head_is_get_without_the_body(
        self, client: httpx.AsyncClient, ada: dict[str, str], path: str
    ) -> None:
        await client.post("/articles", json=ARTICLE, headers=ada)
        uncoded = {"Accept-Encoding": "identity"}
        answer, head = await client.get(path, headers=uncoded), await client.head(path, headers=uncoded)
        assert (head.status_code, head.content) == (200, b"")
        assert headers(head) == headers(answer)
        assert int(head.headers["content-length"]) == len(answer.content)

    async def test_a_trailing_slash_makes_no_difference(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        answer = await client.post("/articles/", json=ARTICLE, headers=ada)
        assert answer.status_code == 201
        path = answer.headers["location"]
        for one in ("/articles", path, "/users/Ada", "/health/live", "/openapi.json"):
            plain, slashed = await client.get(one), await client.get(f"{one}/")
            assert plain.status_code == slashed.status_code == 200
            assert plain.content == slashed.content
        assert (await client.get("/users/me/", headers=ada)).status_code == 200
        assert (await client.patch(f"{path}/", json={"title": "T"}, headers=ada)).status_code == 200
        answer = await client.post("/auth/login/", data={"username": "Ada", "password": PASSWORD})
        assert answer.status_code == 200
        assert (await client.delete(f"{path}/", headers=ada)).status_code == 204

    @pytest.mark.parametrize(
        ("method", "path", "allow"),
        [
            ("PUT", "/articles", "GET, HEAD, OPTIONS, POST"),
            ("POST", "/articles/1", "DELETE, GET, HEAD, OPTIONS, PATCH"),
            ("GET", "/auth/login", "OPTIONS, POST"),
            ("HEAD", "/auth/login", "OPTIONS, POST"),
            ("DELETE", "/users/Ada", "GET, HEAD, OPTIONS"),
            ("BREW", "/health/live", "GET, HEAD, OPTIONS"),
        ],
    )
    async def test_a_method_that_is_not_allowed_is_told_which_are(
        self, client: httpx.AsyncClient, method: str, path: str, allow: str
    ) -> None:
        answer = await client.request(method, path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == allow
        if method != "HEAD":
            assert problem(answer, 405)

    @pytest.mark.parametrize(
        ("path", "allow"),
        [
            ("/articles", "GET, HEAD, OPTIONS, POST"),
            ("/articles/1", "DELETE, GET, HEAD, OPTIONS, PATCH"),
            ("/auth/login", "OPTIONS, POST"),
            ("/users/me", "DELETE, GET, HEAD, OPTIONS"),
            ("/openapi.json", "GET, HEAD, OPTIONS"),
        ],
    )
    async def test_whoever_asks_is_told_which_methods_there_are(
        self, client: httpx.AsyncClient, path: str, allow: str
    ) -> None:
        answer = await client.options(path)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["allow"] == allow

    @pytest.mark.parametrize(
        "path", ["/", "/nothing", "/articles/1/2", "/users", "/docs/nothing", "/schema", "/%2e%2e/etc"]
    )
    async def test_what_is_nowhere_is_a_problem_too(self, client: httpx.AsyncClient, path: str) -> None:
        answer = await client.get(path)
        assert answer.status_code in (404, 405)
        assert problem(answer, answer.status_code)

    async def test_no_reply_may_be_guessed_into_another_type(self, client: httpx.AsyncClient) -> None:
        for path in ("/articles", "/nothing", "/articles/abc", "/openapi.json"):
            assert (await client.get(path)).headers["x-content-type-options"] == "nosniff"

    async def test_a_front_end_elsewhere_may_call(self, client: httpx.AsyncClient) -> None:
        origin = {"Origin": "http://localhost:3000"}
        wanted = {"authorization", "content-type", "if-match", "idempotency-key"}
        asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": ",".join(sorted(wanted))}
        answer = await client.options("/articles", headers=origin | asked)
        assert answer.status_code in (200, 204)
        assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
        assert "PATCH" in answer.headers["access-control-allow-methods"]
        allowed = answer.headers["access-control-allow-headers"].lower()
        assert wanted <= set(allowed.split(", "))
        for path in ("/articles", "/articles/abc", "/users/me", "/nothing"):
            answer = await client.get(path, headers=origin)
            assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
            exposed = answer.headers["access-control-expose-headers"]
            assert set(exposed.split(", ")) == {"Location", "Link", "ETag", "Retry-After", "X-Total-Count"}

    async def test_another_origin_may_not(self, client: httpx.AsyncClient) -> None:
        evil = {"Origin": "http://evil.example"}
        for answer in (
            await client.get("/articles", headers=evil),
            await client.options("/articles", headers=evil | {"Access-Control-Request-Method": "POST"}),
        ):
            assert answer.is_success
            assert not [name for name in answer.headers if name.startswith("access-control-")]

    async def test_no_cache_hands_the_reply_for_one_origin_to_another(self, client: httpx.AsyncClient) -> None:
        for path in ("/articles", "/nothing", "/docs"):
            for origin in ({}, {"Origin": "http://localhost:3000"}, {"Origin": "http://evil.example"}):
                answer = await client.get(path, headers=origin)
                assert "Origin" in answer.headers.get_list("vary", split_commas=True)

    async def test_health(self, client: httpx.AsyncClient) -> None:
        for path in ("/health/live", "/health/ready"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    async def test_the_document_names_every_route(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/openapi.json")
        assert answer.status_code == 200
        document = answer.json()
        assert {path: set(item) & {"get", "post", "patch", "delete"} for path, item in document["paths"].items()} == {
            "/users": {"post"},
            "/users/me": {"get", "delete"},
            "/users/{username}": {"get"},
            "/auth/login": {"post"},
            "/articles": {"get", "post"},
            "/articles/{article_id}": {"get", "patch", "delete"},
            "/articles/{article_id}/archive": {"post"},
            "/articles/{article_id}/working-copy": {"get", "patch", "delete"},
            "/articles/{article_id}/working-copy/publish": {"post"},
            "/articles/{article_id}/previews": {"get", "post"},
            "/articles/{article_id}/previews/{preview_id}": {"delete"},
            "/articles/{article_id}/revisions": {"get"},
            "/articles/{article_id}/revisions/{version}": {"get"},
            "/articles/{article_id}/revisions/{version}/diff": {"get"},
            "/articles/{article_id}/revisions/{version}/restore": {"post"},
            "/preview": {"get"},
            "/tags": {"get"},
            "/feed.{format}": {"get"},
            "/users/{username}/feed.{format}": {"get"},
            "/tags/{tag}/feed.{format}": {"get"},
            "/sitemap.xml": {"get"},
            "/robots.txt": {"get"},
            "/health/live": {"get"},
            "/health/ready": {"get"},
        }
        listing = document["paths"]["/articles"]["get"]["parameters"]
        assert {parameter["name"] for parameter in listing if parameter["in"] == "query"} == {
            *("skip", "limit", "cursor", "count", "sort", "fields", "include", "q"),
            *("author", "tags", "status", "featured", "language", "published_after", "published_before"),
            "has_working_copy",
        }
        login = document["paths"]["/auth/login"]["post"]["requestBody"]["content"]
        assert set(login) == {"application/x-www-form-urlencoded"}
        assert document["components"]["securitySchemes"]["password"]["flows"]["password"]["tokenUrl"] == "/auth/login"

    async def test_a_fault_says_nothing_to_the_caller_and_everything_to_the_log(
        self, client: httpx.AsyncClient, container: Container, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken:
            async def page(self, **_: object) -> None:
                raise RuntimeError("the secret is plover")

        with replaced(container, article_queries=Broken()):
            answer = await client.get("/articles")
        known_as = answer.headers["x-request-id"]
        assert problem(answer, 500)["detail"] == f"Something went wrong on our side; our log knows it as {known_as}."
        assert "plover" not in answer.text
        assert "the secret is plover" in caplog.text
        assert caplog.text.count("Traceback") == 1

    async def test_a_database_that_is_away_is_worth_another_try(
        self, client: httpx.AsyncClient, container: Container
    ) -> None:
        class Away:
            async def page(self, **_: object) -> None:
                raise Unavailable

            async def check(self) -> None:
                raise Unavailable

        with replaced(container, article_queries=Away(), readiness=Away()):
            for path in ("/articles", "/health/ready"):
                answer = await client.get(path)
                assert problem(answer, 503)
                assert int(answer.headers["retry-after"]) > 0
            assert (await client.get("/health/live")).status_code == 200

    async def test_ten_who_register_one_name_make_one_account(self, client: httpx.AsyncClient) -> None:
        answers = await asyncio.gather(
            *(
                client.post("/users", json={"email": f"{n}@example.org", "username": "Ada", "password": PASSWORD})
                for n in range(10)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9

    @settings(
        max_examples=60,
        deadline=None,
        # A machine that is busy says nothing about the blog.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        body=st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["title", "content", "published", "id"]) | st.text(), inner, max_size=5
                )
            ),
            max_leaves=10,
        )
    )
    async def test_rubbish_is_refused_or_taken_and_never_a_fault(
        self, client: httpx.AsyncClient, ada: dict[str, str], body: Any
    ) -> None:
        answer = await client.post(
            "/articles", content=json.dumps(body), headers=ada | {"Content-Type": "application/json"}
        )
        assert answer.status_code in (201, 422)

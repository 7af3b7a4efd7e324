"""What the HTTP contract promises, whatever the blog is kept in."""

import asyncio
import json
from typing import Any

import httpx
import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blog.container import Container
from blog.domain.errors import Unavailable
from tests.builders import Clock
from tests.support import KEY

PASSWORD = "correct horse battery"
ARTICLE = {"title": "On engines", "content": "The engine weaves algebraic patterns.", "published": True}
DRAFT = ARTICLE | {"published": False}
MISSING = {"title": "Not Found", "status": 404, "detail": "Article not found"}


async def register(client: httpx.AsyncClient, name: str = "Ada") -> dict[str, Any]:
    answer = await client.post(
        "/users", json={"email": f"{name}@example.org", "username": name, "password": PASSWORD}
    )
    assert answer.status_code == 201
    return dict(answer.json())


async def token_of(client: httpx.AsyncClient, name: str = "Ada") -> str:
    answer = await client.post("/auth/login", data={"username": name, "password": PASSWORD})
    assert answer.status_code == 200
    return str(answer.json()["access_token"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The reply as a problem, after a look at what every problem has."""
    assert answer.headers["content-type"] == "application/problem+json"
    content = dict(answer.json())
    assert answer.status_code == content["status"] == status
    assert content["title"]
    assert content["detail"]
    assert set(content) <= {"title", "status", "detail", "errors"}
    return content


def headers(answer: httpx.Response) -> dict[str, str]:
    """The headers of a reply, but for what names the request."""
    return {name: value for name, value in answer.headers.items() if name != "x-request-id"}


def wrong(answer: httpx.Response) -> dict[str, str]:
    """What is wrong by place, of a reply that must be 422."""
    errors = problem(answer, 422)["errors"]
    places = [error.get("pointer") or error["parameter"] for error in errors]
    assert len(set(places)) == len(places), "a place is named twice"
    return {place: error["detail"] for place, error in zip(places, errors, strict=True)}


@pytest.fixture
async def ada(client: httpx.AsyncClient) -> dict[str, str]:
    """Ada, signed in: the headers that say so."""
    await register(client, "Ada")
    return bearer(await token_of(client, "Ada"))


@pytest.fixture
async def bob(client: httpx.AsyncClient) -> dict[str, str]:
    await register(client, "Bob")
    return bearer(await token_of(client, "Bob"))


class UsersContract:
    async def test_registering_answers_the_account(self, client: httpx.AsyncClient) -> None:
        answer = await client.post(
            "/users", json={"email": "Ada@Example.org", "username": "Ada.L", "password": PASSWORD}
        )
        assert answer.status_code == 201
        assert answer.headers["location"] == "/users/Ada.L"
        account = answer.json()
        assert account == {
            "id": account["id"],
            "email": "Ada@Example.org",
            "username": "Ada.L",
            "created_at": "2026-03-04T12:00:01.123456Z",
            "updated_at": "2026-03-04T12:00:01.123456Z",
        }
        assert isinstance(account["id"], int)

    @pytest.mark.parametrize(
        ("email", "username", "sentence"),
        [
            ("ADA@example.org", "somebody", "This e-mail address is already registered."),
            ("somebody@example.org", "aDA", "This username is already taken."),
        ],
    )
    async def test_what_is_taken_is_a_conflict(
        self, client: httpx.AsyncClient, email: str, username: str, sentence: str
    ) -> None:
        await register(client, "Ada")
        answer = await client.post("/users", json={"email": email, "username": username, "password": PASSWORD})
        assert problem(answer, 409)["detail"] == sentence

    async def test_everything_wrong_with_a_registration_is_named(self, client: httpx.AsyncClient) -> None:
        answer = await client.post(
            "/users", json={"email": "ada", "username": "a/b", "password": "1234567", "admin": True, "a/~b": 1}
        )
        assert wrong(answer) == {
            "#/email": "Must be an e-mail address, such as ada@example.org.",
            "#/username": "Must consist of ASCII letters, digits, '_', '.' and '-'.",
            "#/password": "Must be at least 8 characters long.",
            "#/admin": "Is not a field of this request.",
            "#/a~1~0b": "Is not a field of this request.",
        }
        answer = await client.post("/users", json={})
        assert wrong(answer) == dict.fromkeys(["#/email", "#/username", "#/password"], "Is missing.")

    async def test_ones_own_account_is_shown_to_oneself(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        answer = await client.get("/users/me", headers=ada)
        assert answer.status_code == 200
        assert set(answer.json()) == {"id", "email", "username", "created_at", "updated_at"}
        assert answer.json()["email"] == "Ada@example.org"
        assert problem(await client.get("/users/me"), 401)

    async def test_a_profile_is_public_and_keeps_the_email_to_itself(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        account = (await client.get("/users/me", headers=ada)).json()
        for headers in ({}, ada):
            answer = await client.get("/users/aDA", headers=headers)
            assert answer.status_code == 200
            assert answer.json() == {key: account[key] for key in ("id", "username", "created_at", "updated_at")}

    @pytest.mark.parametrize("name", ["nobody", "a", "n%20b", "%00", "%C3%A4%C3%A4%C3%A4", "x" * 51])
    async def test_an_unknown_profile_is_not_found(self, client: httpx.AsyncClient, name: str) -> None:
        assert problem(await client.get(f"/users/{name}"), 404)["detail"] == "User not found"

    async def test_deleting_an_account_deletes_its_articles_and_ends_its_token(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        own = (await client.post("/articles", json=ARTICLE, headers=ada)).json()
        other = (await client.post("/articles", json=ARTICLE, headers=bob)).json()
        answer = await client.request("DELETE", "/users/me", json={"password": "not this one"}, headers=ada)
        assert problem(answer, 403)["detail"] == "The password is not right."
        assert (await client.get(f"/articles/{own['id']}")).status_code == 200

        answer = await client.request("DELETE", "/users/me", json={"password": PASSWORD}, headers=ada)
        assert (answer.status_code, answer.content) == (204, b"")
        assert problem(await client.get(f"/articles/{own['id']}"), 404) == MISSING
        assert problem(await client.get("/users/Ada"), 404)
        for method, path in (("GET", "/users/me"), ("GET", "/articles"), ("POST", "/articles")):
            assert problem(await client.request(method, path, headers=ada), 401)["detail"] == (
                "Could not validate credentials"
            )
        answer = await client.post("/auth/login", data={"username": "Ada", "password": PASSWORD})
        assert problem(answer, 401)
        assert [article["id"] for article in (await client.get("/articles")).json()] == [other["id"]]

    async def test_deleting_an_account_wants_a_password(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        assert problem(await client.request("DELETE", "/users/me", json={"password": PASSWORD}), 401)
        assert wrong(await client.request("DELETE", "/users/me", json={}, headers=ada)) == {
            "#/password": "Is missing."
        }
        assert (await client.get("/users/me", headers=ada)).status_code == 200

    async def test_no_reply_holds_a_hash_or_a_password(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        replies = [
            await client.get("/users/me", headers=ada),
            await client.get("/users/Ada"),
            await client.post("/users", json={"email": 1, "username": 2, "password": "short"}),
            await client.post("/auth/login", data={"username": "Ada", "password": PASSWORD + "!"}),
            await client.request("DELETE", "/users/me", json={"password": PASSWORD + "!"}, headers=ada),
        ]
        for reply in replies:
            assert "bcrypt" not in reply.text
            assert "$2b$" not in reply.text
            assert PASSWORD not in reply.text
            assert '"short"' not in reply.text


class LoginContract:
    async def test_a_name_in_any_case_and_a_password_buy_a_token(self, client: httpx.AsyncClient) -> None:
        user = await register(client, "Ada")
        answer = await client.post("/auth/login", data={"username": "aDa", "password": PASSWORD})
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        token = answer.json()
        assert (token["token_type"], token["expires_in"]) == ("bearer", 30 * 60)
        claims = jwt.decode(token["access_token"], KEY, ["HS256"], options={"verify_exp": False, "verify_iat": False})
        assert claims["sub"] == str(user["id"])
        assert claims["exp"] - claims["iat"] == 30 * 60
        assert claims["jti"]

    async def test_no_two_tokens_are_the_same(self, client: httpx.AsyncClient) -> None:
        await register(client)
        assert await token_of(client) != await token_of(client)

    async def test_what_oauth_clients_send_along_is_taken(self, client: httpx.AsyncClient) -> None:
        await register(client)
        form = {"grant_type": "password", "scope": "", "client_id": "", "client_secret": ""}
        answer = await client.post("/auth/login", data={"username": "Ada", "password": PASSWORD} | form)
        assert answer.status_code == 200

    async def test_a_client_may_name_itself_where_tokens_are_and_nowhere_else(
        self, client: httpx.AsyncClient
    ) -> None:
        """RFC 6749, section 2.3.1."""
        await register(client, "Ada")
        for basic in ("Basic Og==", "basic Y2xpZW50OnNlY3JldA==", "Basic"):
            headers = {"Authorization": basic}
            form = {"username": "Ada", "password": PASSWORD}
            assert (await client.post("/auth/login", data=form, headers=headers)).status_code == 200
            for path in ("/users/me", "/articles"):
                assert problem(await client.get(path, headers=headers), 401)
        answer = await client.post("/auth/login", data=form, headers={"Authorization": "Bearer x"})
        assert problem(answer, 401)["detail"] == "Could not validate credentials"

    async def test_a_wrong_name_and_a_wrong_password_are_one_answer(self, client: httpx.AsyncClient) -> None:
        await register(client, "Ada")
        answers = [
            await client.post("/auth/login", data={"username": name, "password": password})
            for name, password in (
                ("Ada", "not this one"),
                ("nobody", PASSWORD),
                ("no such name!", PASSWORD),
                ("Ada", ""),
                ("", ""),
                ("Ada", PASSWORD + " "),
            )
        ]
        assert len({answer.text for answer in answers}) == 1
        assert len({str(headers(answer)) for answer in answers}) == 1
        assert problem(answers[0], 401)["detail"] == "Incorrect username or password"
        assert answers[0].headers["www-authenticate"].startswith("Bearer")

    @pytest.mark.parametrize(
        ("ours", "typed"),
        [
            ("caf\u00e9 caf\u00e9", "cafe\u0301 cafe\u0301"),
            ("x" * 1024, "x" * 1024),
        ],
    )
    async def test_a_password_is_normalised_and_may_be_long(
        self, client: httpx.AsyncClient, ours: str, typed: str
    ) -> None:
        await client.post("/users", json={"email": "a@b.c", "username": "ada", "password": ours})
        answer = await client.post("/auth/login", data={"username": "ada", "password": typed})
        assert answer.status_code == 200

    async def test_a_password_counts_past_the_72_bytes_of_bcrypt(self, client: httpx.AsyncClient) -> None:
        await client.post("/users", json={"email": "a@b.c", "username": "ada", "password": "x" * 80 + "a"})
        answer = await client.post("/auth/login", data={"username": "ada", "password": "x" * 80 + "b"})
        assert problem(answer, 401)

    async def test_everything_wrong_with_a_form_is_named(self, client: httpx.AsyncClient) -> None:
        answer = await client.post(
            "/auth/login",
            content="username=a&username=b&password=nul%00&grant_type=code&remember=1",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert set(wrong(answer)) == {"#/username", "#/password", "#/grant_type", "#/remember"}
        answer = await client.post("/auth/login", data={"password": "x" * 1025})
        assert set(wrong(answer)) == {"#/username", "#/password"}

    async def test_a_login_is_a_form(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/auth/login", json={"username": "Ada", "password": PASSWORD})
        assert problem(answer, 415)
        assert answer.headers["accept"] == "application/x-www-form-urlencoded"
        answer = await client.post(
            "/auth/login", content=b"username=%FF", headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert problem(answer, 400)
        answer = await client.post(
            "/auth/login", content=b"a=1&" * 101, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert problem(answer, 400)

    async def test_a_token_is_refused_once_it_has_expired(
        self, client: httpx.AsyncClient, clock: Clock, ada: dict[str, str]
    ) -> None:
        clock.advance(minutes=29)
        assert (await client.get("/users/me", headers=ada)).status_code == 200
        clock.advance(minutes=2)
        answer = await client.get("/users/me", headers=ada)
        assert problem(answer, 401)["detail"] == "Could not validate credentials"

    @pytest.mark.parametrize("path", ["/articles", "/articles/1", "/users/me", "/users/Ada", "/health/live"])
    async def test_a_token_that_does_not_hold_is_refused_everywhere(
        self, client: httpx.AsyncClient, clock: Clock, path: str
    ) -> None:
        user = await register(client, "Ada")
        now = int(clock.moment.timestamp())
        claims = {"sub": str(user["id"]), "iat": now, "exp": now + 900, "jti": "1"}

        def signed(
            key: str = KEY, algorithm: str = "HS256", typ: str = "JWT", missing: str = "", **different: object
        ) -> str:
            content = {name: value for name, value in (claims | different).items() if name != missing}
            return jwt.encode(content, key, algorithm, headers={"typ": typ})

        assert (await client.get("/users/me", headers=bearer(signed()))).status_code == 200
        head, body, signature = signed().split(".")
        for authorization in (
            "Bearer",
            "Bearer ",
            "Bearer x",
            f"Basic {signed()}",
            signed(),
            f"Bearer {head}.{body}.",
            f"Bearer {head}.{body}.{signature[:-4]}AAAA",
            "Bearer " + signed(key=KEY + "x"),
            "Bearer " + signed(key=KEY * 2, algorithm="HS512"),
            "Bearer " + jwt.encode(claims, "", "none"),
            "Bearer " + signed(typ="preview"),
            *("Bearer " + signed(missing=claim) for claim in claims),
            "Bearer " + signed(sub="1e3"),
            "Bearer " + signed(sub="9" * 30),
            "Bearer " + signed(sub=str(user["id"] + 1)),
            "Bearer " + signed(exp=now - 60),
            "Bearer " + signed(iat=now + 3600, exp=now + 7200),
            "Bearer " + signed(exp="soon"),
        ):
            answer = await client.get(path, headers={"Authorization": authorization})
            assert problem(answer, 401)["detail"] == "Could not validate credentials", authorization
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]

    async def test_without_a_token_the_challenge_has_no_error_code(self, client: httpx.AsyncClient) -> None:
        """RFC 6750, section 3.1."""
        answer = await client.get("/users/me")
        assert problem(answer, 401)
        assert answer.headers["www-authenticate"] == 'Bearer realm="blog"'

    async def test_clocks_may_differ_a_little(self, client: httpx.AsyncClient, clock: Clock) -> None:
        user = await register(client)
        now = int(clock.moment.timestamp())
        for iat, exp in ((now + 5, now + 900), (now - 900, now - 3)):
            claims = {"sub": str(user["id"]), "iat": iat, "exp": exp, "jti": "1"}
            answer = await client.get("/users/me", headers=bearer(jwt.encode(claims, KEY, "HS256")))
            assert answer.status_code == 200


class ArticlesContract:
    async def test_writing_answers_the_article(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        answer = await client.post("/articles", json=ARTICLE, headers=ada)
        assert answer.status_code == 201
        article = answer.json()
        assert answer.headers["location"] == f"/articles/{article['id']}"
        author = (await client.get("/users/me", headers=ada)).json()["id"]
        assert article == ARTICLE | {
            "id": article["id"],
            "author_id": author,
            "created_at": article["created_at"],
            "updated_at": article["created_at"],
        }
        assert isinstance(article["id"], int)
        assert article["created_at"].endswith(".123456Z")
        answer = await client.get(f"/articles/{article['id']}")
        assert (answer.status_code, answer.json()) == (200, article)

    async def test_an_article_is_a_draft_unless_told_otherwise(
        self, client: httpx.AsyncClient, ada: dict[str, str]
    ) -> None:
        answer = await client.post("/articles", json={"title": "T", "content": "0123456789"}, headers=ada)
        assert answer.json()["published"] is False

    async def test_writing_needs_a_token_before_anything_else(self, client: httpx.AsyncClient) -> None:
        for content in (b"{", b"{}", json.dumps(ARTICLE).encode()):
            answer = await client.post("/articles", content=content, headers={"Content-Type": "application/json"})
            assert problem(answer, 401)

    @pytest.mark.parametrize(
        ("article", "places"),
        [
            ({}, {"#/title", "#/content"}),
            ({"title": "", "content": ""}, {"#/title", "#/content"}),
            ({"title": "  ", "content": " " * 20}, {"#/title", "#/content"}),
            ({"title": "x" * 201, "content": "x" * 200_001}, {"#/title", "#/content"}),
            ({"title": "x" * 200, "content": "x" * 9}, {"#/content"}),
            ({"title": "nul\x00", "content": "nul\x00 and more"}, {"#/title", "#/content"}),
            ({"title": "two\nlines", "content": "escape\x1b[2J and more"}, {"#/title", "#/content"}),
            ({"title": 1, "content": ["x"], "published": "yes"}, {"#/title", "#/content", "#/published"}),
            ({"title": None, "content": None, "published": None}, {"#/title", "#/content", "#/published"}),
            ({"title": "T", "content": "0123456789", "published": 1}, {"#/published"}),
            (ARTICLE | {"id": 1, "author_id": 2}, {"#/id", "#/author_id"}),
        ],
    )
    async def test_everything_wrong_with_an_article_is_named(
        self, client: httpx.AsyncClient, ada: dict[str, str], article: dict[str, Any], places: set[str]
    ) -> None:
        assert set(wrong(await client.post("/articles", json=article, headers=ada))) == places
        assert (await client.get("/articles", headers=ada)).json() == []

    @pytest.mark.parametrize(
        "article",
        [
            {"title": "x", "content": "x" * 10},
            {"title": "é" * 200, "content": "€" * 200_000},
            {"title": "\U0001d518nicode 🎉", "content": "line\nline\r\n\ttab 🎉"},
            {"title": " spaces stay ", "content": "  and trailing ones too  \n"},
        ],
    )
    async def test_words_come_back_as_they_were_sent(
        self, client: httpx.AsyncClient, ada: dict[str, str], article: dict[str, str]
    ) -> None:
        answer = await client.post("/articles", json=article, headers=ada)
        assert answer.status_code == 201
        read = (await client.get(answer.headers["location"], headers=ada)).json()
        assert {name: read[name] for name in article} == article

    async def test_only_what_is_sent_changes(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = (await client.post("/articles", json=DRAFT, headers=ada)).json()
        path = f"/articles/{article['id']}"
        for change in ({"title": "New"}, {"content": "Another content"}, {"published": True}):
            answer = await client.patch(path, json=change, headers=ada)
            assert answer.status_code == 200
            changed = answer.json()
            assert changed == article | change | {"updated_at": changed["updated_at"]}
            assert changed["updated_at"] > article["updated_at"]
            assert (await client.get(path, headers=ada)).json() == changed
            article = changed

    async def test_a_change_of_nothing_changes_nothing(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = (await client.post("/articles", json=DRAFT, headers=ada)).json()
        for change in ({}, {"title": DRAFT["title"]}):
            answer = await client.patch(f"/articles/{article['id']}", json=change, headers=ada)
            assert (answer.status_code, answer.json()) == (200, article)

    async def test_null_is_no_change(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        article = (await client.post("/articles", json=DRAFT, headers=ada)).json()
        nulls = {"title": None, "content": None, "published": None}
        answer = await client.patch(f"/articles/{article['id']}", json=nulls, headers=ada)
        assert set(wrong(answer)) == {"#/title", "#/content", "#/published"}
        assert (await client.get(f"/articles/{article['id']}", headers=ada)).json() == article

    async def test_a_deleted_article_is_gone(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        path = (await client.post("/articles", json=ARTICLE, headers=ada)).headers["location"]
        answer = await client.delete(path, headers=ada)
        assert (answer.status_code, answer.content) == (204, b"")
        assert "content-type" not in answer.headers
        assert problem(await client.get(path, headers=ada), 404) == MISSING
        assert problem(await client.delete(path, headers=ada), 404) == MISSING

    async def test_somebody_elses_published_article_may_be_read_and_not_touched(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        article = (await client.post("/articles", json=ARTICLE, headers=ada)).json()
        path = f"/articles/{article['id']}"
        assert (
            problem(await client.patch(path, json={"title": "Mine"}, headers=bob), 403)["detail"] == "Not authorized"
        )
        assert problem(await client.delete(path, headers=bob), 403)["detail"] == "Not authorized"
        assert problem(await client.patch(path, json={"title": "Mine"}), 401)
        assert problem(await client.delete(path), 401)
        assert (await client.get(path, headers=bob)).json() == article

    async def test_somebody_elses_draft_does_not_exist(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        path = (await client.post("/articles", json=DRAFT, headers=ada)).headers["location"]
        unknown = "/articles/999999"
        for method, change in (("GET", None), ("HEAD", None), ("PATCH", {"title": "Mine"}), ("DELETE", None)):
            hidden = await client.request(method, path, json=change, headers=bob)
            missing = await client.request(method, unknown, json=change, headers=bob)
            assert (hidden.status_code, hidden.content) == (missing.status_code, missing.content)
            assert headers(hidden) == headers(missing)
            assert hidden.status_code == 404
        assert problem(await client.get(path), 404) == MISSING
        assert (await client.get(path, headers=ada)).status_code == 200

    @pytest.mark.parametrize(
        "number", ["0", "999999", "abc", "-1", "1.0", "1e3", "9" * 18, "9" * 19, "9" * 400, "٣", "%00"]
    )
    async def test_what_names_no_article_is_not_found(
        self, client: httpx.AsyncClient, ada: dict[str, str], number: str
    ) -> None:
        path = f"/articles/{number}"
        for answer in (
            await client.get(path),
            await client.patch(path, json={}, headers=ada),
            await client.delete(path, headers=ada),
        ):
            assert problem(answer, 404) == MISSING

    async def test_errors_come_in_their_order(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        """401, a malformed or invalid request, 404, 403."""
        path = (await client.post("/articles", json=ARTICLE, headers=ada)).headers["location"]
        bad, valid = {"title": ""}, {"title": "T"}
        assert problem(await client.patch("/articles/abc", json=bad), 401)
        assert wrong(await client.patch("/articles/abc", json=bad, headers=bob))
        assert wrong(await client.patch(path, json=bad, headers=bob))
        assert wrong(await client.delete(path, params={"x": 1}, headers=bob))
        assert problem(await client.patch("/articles/abc", json=valid, headers=bob), 404)
        assert problem(await client.patch(path, json=valid, headers=bob), 403)

    async def test_the_list_has_the_newest_first_and_drafts_for_their_author(
        self, client: httpx.AsyncClient, ada: dict[str, str], bob: dict[str, str]
    ) -> None:
        first = (await client.post("/articles", json=ARTICLE, headers=ada)).json()
        draft = (await client.post("/articles", json=DRAFT, headers=ada)).json()
        last = (await client.post("/articles", json=ARTICLE, headers=bob)).json()
        assert (await client.get("/articles")).json() == [last, first]
        assert (await client.get("/articles", headers=ada)).json() == [last, draft, first]
        assert (await client.get("/articles", headers=bob)).json() == [last, first]

    async def test_pages_lead_to_each_other(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        ids = [(await client.post("/articles", json=ARTICLE, headers=ada)).json()["id"] for _ in range(7)]
        seen: list[int] = []
        path: str | None = "/articles?limit=3"
        links: list[dict[str, str]] = []
        while path:
            answer = await client.get(path)
            assert answer.status_code == 200
            seen += [article["id"] for article in answer.json()]
            links.append({rel: link["url"] for rel, link in answer.links.items() if rel})
            path = links[-1].get("next")
        assert seen == ids[::-1]
        assert links == [
            {"next": "/articles?skip=3&limit=3"},
            {"next": "/articles?skip=6&limit=3", "prev": "/articles?skip=0&limit=3"},
            {"prev": "/articles?skip=3&limit=3"},
        ]
        answer = await client.get("/articles?skip=2&limit=3")
        assert answer.links["prev"]["url"] == "/articles?skip=0&limit=2"
        assert "link" not in (await client.get("/articles")).headers
        assert (await client.get("/articles?skip=1000000000")).json() == []

    @pytest.mark.parametrize(
        ("query", "places"),
        [
            ("limit=0", {"limit"}),
            ("limit=101", {"limit"}),
            ("limit=-1&skip=-1", {"limit", "skip"}),
            ("limit=ten", {"limit"}),
            ("limit=", {"limit"}),
            ("limit=1.5", {"limit"}),
            ("limit=99999999999999999999999", {"limit"}),
            ("skip=1000000001", {"skip"}),
            ("limit=1&limit=2", {"limit"}),
            ("sort=title&skip=x", {"sort", "skip"}),
            ("Limit=1", {"Limit"}),
            ("limit=%00", {"limit"}),
            ("nul%00=1", {"nul\x00"}),
            ("=1", {""}),
        ],
    )
    async def test_everything_wrong_with_a_query_is_named(
        self, client: httpx.AsyncClient, query: str, places: set[str]
    ) -> None:
        answer = await client.get(f"/articles?{query}")
        assert set(wrong(answer)) == places
        assert all("parameter" in error for error in answer.json()["errors"])

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/articles/1"),
            ("GET", "/users/Ada"),
            ("GET", "/users/me"),
            ("POST", "/articles"),
            ("PATCH", "/articles/1"),
            ("DELETE", "/articles/1"),
            ("GET", "/health/live"),
            ("GET", "/openapi.json"),
        ],
    )
    async def test_no_route_takes_a_parameter_it_does_not_know(
        self, client: httpx.AsyncClient, ada: dict[str, str], method: str, path: str
    ) -> None:
        body = {"surprise": 1} if method in ("POST", "PATCH") else None
        answer = await client.request(method, f"{path}?surprise=1", headers=ada, json=body)
        assert "surprise" in wrong(answer)


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
        monkeypatch.setattr("blog.entrypoints.http.admission.BODY_SECONDS", 0.05)
        monkeypatch.setattr("blog.entrypoints.http.edge.DRAIN_SECONDS", 0.05)

        async def stalling() -> Any:
            yield b'{"title":'
            await asyncio.Event().wait()

        answer = await client.post(
            "/articles", content=stalling(), headers=ada | {"Content-Type": "application/json"}
        )
        assert problem(answer, 408)
        assert answer.headers["connection"] == "close"

    @pytest.mark.parametrize("path", ["/articles", "/users/Ada", "/health/live", "/openapi.json", "/health/ready"])
    async def test_head_is_get_without_the_body(
        self, client: httpx.AsyncClient, ada: dict[str, str], path: str
    ) -> None:
        await client.post("/articles", json=ARTICLE, headers=ada)
        answer, head = await client.get(path), await client.head(path)
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
        answer = await client.options(
            "/articles",
            headers=origin
            | {
                "Access-Control-Request-Method": "PATCH",
                "Access-Control-Request-Headers": "authorization,content-type",
            },
        )
        assert answer.status_code in (200, 204)
        assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
        assert "PATCH" in answer.headers["access-control-allow-methods"]
        allowed = answer.headers["access-control-allow-headers"].lower()
        assert "authorization" in allowed
        assert "content-type" in allowed
        for path in ("/articles", "/articles/abc", "/users/me", "/nothing"):
            answer = await client.get(path, headers=origin)
            assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
            exposed = answer.headers["access-control-expose-headers"]
            assert set(exposed.split(", ")) == {"Location", "Link", "ETag", "Retry-After"}

    async def test_another_origin_may_not(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/articles", headers={"Origin": "http://evil.example"})
        assert "access-control-allow-origin" not in answer.headers
        answer = await client.options(
            "/articles", headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
        )
        assert "access-control-allow-origin" not in answer.headers

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
            "/health/live": {"get"},
            "/health/ready": {"get"},
        }
        listing = document["paths"]["/articles"]["get"]["parameters"]
        assert {parameter["name"] for parameter in listing} == {"skip", "limit"}
        login = document["paths"]["/auth/login"]["post"]["requestBody"]["content"]
        assert set(login) == {"application/x-www-form-urlencoded"}
        assert document["components"]["securitySchemes"]["password"]["flows"]["password"]["tokenUrl"] == "/auth/login"

    async def test_a_fault_says_nothing_to_the_caller_and_everything_to_the_log(
        self, client: httpx.AsyncClient, container: Container, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken:
            async def page(self, **_: object) -> None:
                raise RuntimeError("the secret is plover")

        with container.article_queries.override(Broken()):
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

        with container.article_queries.override(Away()), container.readiness.override(Away()):
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
        suppress_health_check=[HealthCheck.function_scoped_fixture],
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

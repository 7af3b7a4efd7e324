"""What the HTTP contract promises of logging in and of tokens, whatever the blog is kept in."""

from typing import Any

import httpx
import jwt
import pytest

from tests.builders import Clock
from tests.contracts.asking import PASSWORD, bearer, headers, problem, register, token_of, wrong
from tests.support import KEY

DO_NOT_HOLD = ("Bearer expired", "Bearer", "", "Basic Og==", "basic Y2xpZW50OnNlY3JldA==", "Digest x", "x" * 9_000)
"""What may stand in Authorization and says nobody's name."""


class OAuthError(Exception):
    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


def as_authlib_reads(answer: httpx.Response) -> Any:
    """The token of a reply, as Authlib 1.9 reads it: it looks at a status from 500 on, and at `error`."""
    if answer.status_code >= 500:
        answer.raise_for_status()
    token = answer.json()
    if "error" in token:
        raise OAuthError(token["error"])
    return token


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

    async def test_parameters_that_are_empty_or_unknown_are_ignored(self, client: httpx.AsyncClient) -> None:
        """RFC 6749, section 3.2."""
        await register(client)
        form = {"username": "Ada", "password": PASSWORD, "grant_type": "", "scope": "", "audience": "blog"}
        answer = await client.post("/auth/login", data=form | {"resource": ["a", "b"], "state": "x" * 9_000})
        assert answer.status_code == 200

    @pytest.mark.parametrize("typed", [" Ada", "Ada ", "  aDA  ", "\u00a0Ada\u3000"])
    async def test_spaces_around_a_username_are_ignored(self, client: httpx.AsyncClient, typed: str) -> None:
        await register(client, "Ada")
        answer = await client.post("/auth/login", data={"username": typed, "password": PASSWORD})
        assert answer.status_code == 200
        answer = await client.post("/auth/login", data={"username": "A da", "password": PASSWORD})
        assert problem(answer, 401)

    @pytest.mark.parametrize("authorization", DO_NOT_HOLD)
    async def test_whoever_signs_in_or_registers_may_send_a_token_that_does_not_hold(
        self, client: httpx.AsyncClient, authorization: str
    ) -> None:
        """A client may send the last token with each request, and name itself by HTTP Basic (section 2.3.1)."""
        headers = {"Authorization": authorization}
        account = {"email": "ada@example.org", "username": "Ada", "password": PASSWORD}
        assert (await client.post("/users", json=account, headers=headers)).status_code == 201
        assert wrong(await client.post("/users", json={}, headers=headers)).keys() == {
            *("#/email", "#/username", "#/password")
        }
        form = {"username": "Ada", "password": PASSWORD}
        assert (await client.post("/auth/login", data=form, headers=headers)).status_code == 200
        assert problem(await client.post("/auth/login", data=form | {"password": "x"}, headers=headers), 401)
        for path in ("/health/live", "/health/ready", "/feed.atom", "/openapi.json", "/docs"):
            assert (await client.get(path, headers=headers)).status_code == 200
        for path in ("/users/me", "/users/Ada", "/articles", "/tags"):
            assert problem(await client.get(path, headers=headers), 401)

    @pytest.mark.parametrize("path", ["/auth/login", "/users", "/health/live", "/feed.atom", "/articles"])
    async def test_two_headers_that_say_who_asks_are_refused(self, client: httpx.AsyncClient, path: str) -> None:
        twice = [("Authorization", "Bearer a"), ("Authorization", "Basic Og==")]
        method = "POST" if path in ("/auth/login", "/users") else "GET"
        answer = await client.request(method, path, headers=twice)
        assert answer.status_code == 400
        assert answer.json()["detail"] == "Authorization must be sent once."

    async def test_what_fails_has_a_code_that_oauth_clients_look_for(self, client: httpx.AsyncClient) -> None:
        """RFC 6749, section 5.2; `refused` looks at it with 429, where logins are limited."""

        async def code(expected: int, content: str, media_type: str = "application/x-www-form-urlencoded") -> str:
            answer = await client.post("/auth/login", content=content, headers={"Content-Type": media_type})
            return str(problem(answer, expected)["error"])

        assert await code(401, "username=ada&password=x") == "invalid_grant"
        for form in ("", "username=ada", "username=ada&username=ada&password=x", "username=%00&password=x"):
            assert await code(422, form) == "invalid_request"
        for form in ("grant_type=refresh_token&refresh_token=x", "grant_type=code&username=ada&password=x"):
            assert await code(422, form) == "unsupported_grant_type"
        assert await code(400, "username=%FF") == "invalid_request"
        assert await code(413, "x=" + "x" * 20_000) == "invalid_request"
        assert await code(415, "{}", "application/json") == "invalid_request"

    @pytest.mark.parametrize("kind", ["as Authlib is", "Authlib"])
    async def test_no_oauth_client_takes_a_failure_for_a_token(self, client: httpx.AsyncClient, kind: str) -> None:
        if kind == "Authlib":
            oauth = pytest.importorskip("authlib.oauth2.client", reason="Authlib is not installed.")
            read, refusal = oauth.OAuth2Client(session=None).parse_response_token, oauth.OAuth2Error
        else:
            read, refusal = as_authlib_reads, OAuthError
        await register(client, "Ada")
        right = {"grant_type": "password", "username": "Ada ", "password": PASSWORD, "scope": ""}
        token = read(await client.post("/auth/login", data=right))
        assert (await client.get("/users/me", headers=bearer(token["access_token"]))).status_code == 200
        for different, code in (
            ({"password": "not this one"}, "invalid_grant"),
            ({"username": "nobody"}, "invalid_grant"),
            ({"password": None}, "invalid_request"),
            ({"scope": "x" * 256}, "invalid_request"),
            ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ):
            form = {name: value for name, value in (right | different).items() if value is not None}
            with pytest.raises(refusal) as refused:
                read(await client.post("/auth/login", data=form))
            assert refused.value.error == code

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
            content="username=a&username=b&password=nul%00&grant_type=code",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert set(wrong(answer)) == {"#/username", "#/password", "#/grant_type"}
        assert wrong(answer)["#/grant_type"] == "Must be password."
        answer = await client.post(
            "/auth/login",
            data={"username": "nul\x00", "password": PASSWORD, "client_id": "line\n", "scope": "x" * 256},
        )
        assert wrong(answer) == {
            "#/username": "Must not contain control characters: remove U+0000 in line 1, column 4.",
            "#/client_id": "Must not contain control characters: remove U+000A in line 1, column 5.",
            "#/scope": "Must be at most 255 characters long.",
        }
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

    @pytest.mark.parametrize("path", ["/articles", "/articles/1", "/users/me", "/users/Ada", "/tags"])
    async def test_a_token_that_does_not_hold_is_refused(
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
            "Bearer " + signed(nbf=now + 60),
            "Bearer " + signed(nbf=None),
            "Bearer " + signed(sub=f"{user['id']}\n"),
            "Bearer " + signed(exp=[now + 900]),
            "Bearer " + signed(exp=10**400),
            "Bearer " + signed(exp="soon"),
        ):
            answer = await client.get(path, headers={"Authorization": authorization})
            assert problem(answer, 401)["detail"] == "Could not validate credentials", authorization
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]

    async def test_a_header_that_says_who_asks_has_8_kib(self, client: httpx.AsyncClient, clock: Clock) -> None:
        user = await register(client)
        now = int(clock.moment.timestamp())
        claims = {"sub": str(user["id"]), "iat": now, "exp": now + 900, "jti": "1"}
        lengths = {}
        for padding in range(5_980, 6_020):
            asked = bearer(jwt.encode(claims | {"padding": "x" * padding}, KEY, "HS256"))
            lengths[len(asked["Authorization"])] = asked
        at_limit = max(length for length in lengths if length <= 8_192)
        above = min(length for length in lengths if length > 8_192)
        assert (await client.get("/users/me", headers=lengths[at_limit])).status_code == 200
        assert problem(await client.get("/users/me", headers=lengths[above]), 401)

    async def test_without_a_token_the_challenge_has_no_error_code(self, client: httpx.AsyncClient) -> None:
        """RFC 6750, section 3.1."""
        answer = await client.get("/users/me")
        assert problem(answer, 401)
        assert answer.headers["www-authenticate"] == 'Bearer realm="blog"'

    async def test_clocks_may_differ_a_little(self, client: httpx.AsyncClient, clock: Clock) -> None:
        user = await register(client)
        now = int(clock.moment.timestamp())
        for iat, nbf, exp in ((now + 5, now, now + 900), (now - 900, now, now - 3), (now, now + 5.5, now + 900)):
            claims = {"sub": str(user["id"]), "iat": iat, "nbf": nbf, "exp": exp, "jti": "1"}
            answer = await client.get("/users/me", headers=bearer(jwt.encode(claims, KEY, "HS256")))
            assert answer.status_code == 200

"""What the HTTP contract promises of accounts and profiles, whatever the blog is kept in."""

import asyncio

import httpx
import pytest

from tests.contracts.asking import ARTICLE, MISSING, PASSWORD, problem, register, wrong


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

    async def test_an_account_is_deleted_once(self, client: httpx.AsyncClient, ada: dict[str, str]) -> None:
        """Whoever comes second, be it within the same moment, has no account any more."""
        answers = await asyncio.gather(
            *(client.request("DELETE", "/users/me", json={"password": PASSWORD}, headers=ada) for _ in range(3))
        )
        assert sorted(answer.status_code for answer in answers) == [204, 401, 401]
        refused = next(answer for answer in answers if answer.status_code == 401)
        assert problem(refused, 401)["detail"] == "Could not validate credentials"

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

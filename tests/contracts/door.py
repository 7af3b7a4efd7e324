"""What the HTTP contract promises of who gets in: registration, weak passwords, disabled accounts and rate limits."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from blog.container import Container
from blog.domain.users import Username
from blog.entrypoints.http.app import build
from tests.builders import Clock
from tests.contracts.asking import ARTICLE, PASSWORD, bearer, problem, register, token_of, wrong

WRONG = "not this one"
COMMON = "Is one of the passwords that are tried first. Choose one that few others would, such as several words."


@contextmanager
def settings(container: Container, **different: Any) -> Iterator[None]:
    """The container under other settings."""
    with container.settings.override(replace(container.settings(), **different)):
        made = (container.accounts, container.authenticating, container.administering)
        for part in made:
            part.reset()
        yield
        for part in made:
            part.reset()


class Door:
    """The blog as it is put to work, seen from several addresses; the last proxy before it is 10.0.0.1."""

    def __init__(self, app: Any, stack: AsyncExitStack) -> None:
        self._app, self._stack = app, stack

    async def client(self, address: str, *, forwarded_for: str | None = None) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self._app, client=(address, 4711))
        headers = {"X-Forwarded-For": forwarded_for} if forwarded_for else {}
        client = httpx.AsyncClient(transport=transport, base_url="http://blog.test", headers=headers)
        return await self._stack.enter_async_context(client)


async def log_in(client: httpx.AsyncClient, name: str = "Ada", password: str = WRONG) -> httpx.Response:
    return await client.post("/auth/login", data={"username": name, "password": password})


async def fail(client: httpx.AsyncClient, times: int, name: str = "Ada") -> None:
    for _ in range(times):
        assert problem(await log_in(client, name), 401)["detail"] == "Incorrect username or password"


async def refused(client: httpx.AsyncClient, name: str = "Ada", password: str = WRONG) -> int:
    """The seconds that it is told to wait."""
    answer = await log_in(client, name, password)
    seconds = int(answer.headers["retry-after"])
    unit = "second" if seconds == 1 else "seconds"
    assert problem(answer, 429) == {
        "title": "Too Many Requests",
        "status": 429,
        "detail": f"Too many failed logins. Try again in {seconds} {unit}.",
        "error": "temporarily_unavailable",
    }
    return seconds


class DoorContract:
    @pytest.fixture
    async def door(self, container: Container) -> AsyncIterator[Door]:
        proxies = container.settings().load({"TRUSTED_PROXIES": "10.0.0.1"}, file=None).trusted_proxies
        with settings(container, rate_limits=True, trusted_proxies=proxies):
            app = build(container)
            async with AsyncExitStack() as stack:
                yield Door(app, stack)

    # Rate limits

    async def test_after_five_failures_a_login_has_to_wait_and_longer_each_time(
        self, door: Door, client: httpx.AsyncClient, clock: Clock
    ) -> None:
        await register(client)
        stranger = await door.client("203.0.113.1")
        await fail(stranger, 5)
        first = await refused(stranger)
        # The right one is not looked at, either.
        await refused(stranger, password=PASSWORD)
        clock.advance(seconds=first)
        await fail(stranger, 1)
        assert await refused(stranger) > first
        clock.advance(minutes=15)
        assert (await log_in(stranger, password=PASSWORD)).status_code == 200

    async def test_a_name_that_nobody_has_is_refused_as_one_that_somebody_has(
        self, door: Door, client: httpx.AsyncClient
    ) -> None:
        await register(client)
        told = []
        for number, name in enumerate(("Ada", "nobody", "no such name!", "x" * 255, "ẞ\u2028")):
            stranger = await door.client(f"203.0.113.{number}")
            answers = [await log_in(stranger, name) for _ in range(7)]
            told.append([(answer.status_code, answer.text, answer.headers.get("retry-after")) for answer in answers])
        assert told == [told[0]] * 5
        assert [status for status, *_ in told[0]] == [401] * 5 + [429] * 2

    async def test_a_name_counts_in_any_case(self, door: Door, client: httpx.AsyncClient) -> None:
        await register(client)
        for number, name in enumerate(("ada", "ADA ", " Ada", "aDA\u00a0", "\uff41da")):
            await fail(await door.client(f"203.0.113.{number}"), 1, name)
        await refused(await door.client("203.0.113.9"), "adA")

    async def test_who_guesses_from_many_addresses_locks_nobody_out(
        self, door: Door, client: httpx.AsyncClient
    ) -> None:
        await register(client)
        home = await door.client("192.0.2.1")
        assert (await log_in(home, password=PASSWORD)).status_code == 200
        for number in range(5):
            await fail(await door.client(f"203.0.113.{number}"), 1)
        await refused(await door.client("203.0.113.9"), password=PASSWORD)
        for _ in range(6):
            assert (await log_in(home, password=PASSWORD)).status_code == 200
        await fail(home, 5)
        await refused(home, password=PASSWORD)

    async def test_a_client_is_an_ipv4_address_or_the_first_half_of_an_ipv6_address(
        self, door: Door, client: httpx.AsyncClient
    ) -> None:
        await register(client)
        for number in range(5):
            await fail(await door.client(f"2001:db8:1:2::{number}"), 1, f"user{number}")
        await refused(await door.client("2001:db8:1:2:ffff::1"), "other")
        await fail(await door.client("2001:db8:1:3::1"), 1, "other")
        await fail(await door.client("::ffff:203.0.113.1"), 5, "another")
        await refused(await door.client("203.0.113.1"), "yet-another")

    async def test_the_address_is_the_one_that_a_trusted_proxy_tells_and_nobody_else(
        self, door: Door, client: httpx.AsyncClient
    ) -> None:
        await register(client)
        for number in range(8):
            through = await door.client("10.0.0.1", forwarded_for=f"198.51.100.9, 203.0.113.{number}")
            await fail(through, 1, f"user{number}")
        for number in range(5):
            await fail(await door.client("203.0.113.99", forwarded_for=f"198.51.100.{number}"), 1, f"name{number}")
        await refused(await door.client("203.0.113.99", forwarded_for="198.51.100.77"), "other")

    async def test_of_many_at_the_same_time_five_are_looked_at(self, door: Door, client: httpx.AsyncClient) -> None:
        await register(client)
        clients = [await door.client(f"203.0.113.{number}") for number in range(4)]
        # No second passes in each look at the clock: it moves 20 in all, and a wait is five.
        answers = await asyncio.gather(*(log_in(client) for client in clients for _ in range(3)))
        assert sum(answer.status_code == 401 for answer in answers) <= 7
        assert {answer.status_code for answer in answers} == {401, 429}

    async def test_deleting_an_account_tries_a_password_too(self, door: Door, client: httpx.AsyncClient) -> None:
        await register(client)
        ada = bearer(await token_of(client))
        thief = await door.client("203.0.113.1")
        answers = [
            await thief.request("DELETE", "/users/me", json={"password": f"guess {number}"}, headers=ada)
            for number in range(6)
        ]
        assert [answer.status_code for answer in answers] == [403] * 5 + [429]
        assert int(answers[-1].headers["retry-after"]) > 0
        await refused(thief)

    async def test_without_limits_passwords_may_be_tried(self, client: httpx.AsyncClient) -> None:
        await register(client)
        await fail(client, 12)

    # Registration

    async def test_where_registration_is_closed_nobody_registers(
        self, container: Container, client: httpx.AsyncClient
    ) -> None:
        await register(client)
        with settings(container, registration="closed"):
            transport = httpx.ASGITransport(build(container))
        async with httpx.AsyncClient(transport=transport, base_url="http://blog.test") as closed:
            account = {"email": "bob@example.org", "username": "bob", "password": PASSWORD}
            bodies: tuple[Any, ...] = (account, {}, account | {"username": "Ada"}, [])
            for body in bodies:
                assert problem(await closed.post("/users", json=body), 403)["detail"] == (
                    "Registration is closed here. Ask an operator of this blog for an account (`blog user create`)."
                )
            expired = {"Authorization": "Bearer expired"}
            assert problem(await closed.post("/users", json=account, headers=expired), 403)
            assert problem(await closed.get("/users/bob"), 404)
            assert (await closed.options("/users")).headers["allow"] == "OPTIONS, POST"
            assert (await closed.get("/users/Ada")).status_code == 200
            assert await token_of(closed)
            for one in (closed, client):
                document = (await one.get("/openapi.json")).json()
                told = document["paths"]["/users"]["post"]["responses"]["403"]
                assert "Registration is closed here." in told["description"]

    # Weak passwords

    @pytest.mark.parametrize(
        "password",
        [
            *(
                "password1",
                "PassWord1",
                "12345678",
                "qwertyuiop",
                "iloveyou1",
                "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44\uff11",
                " password1 ",
            ),
            *("pass\u200bword1", "i love you 1", "   123456   "),
        ],
    )
    async def test_a_common_password_is_refused(self, client: httpx.AsyncClient, password: str) -> None:
        account = {"email": "ada@example.org", "username": "ada", "password": password}
        assert wrong(await client.post("/users", json=account)) == {"#/password": COMMON}
        assert problem(await client.get("/users/ada"), 404)

    @pytest.mark.parametrize(
        "password",
        [
            "Ada.Lovelace",
            "ada.lovelace ",
            "COUNTESS@example.org",
            "countess",
            "Countess",
            "\uff41\uff44\uff41.lovelace",
        ],
    )
    async def test_ones_own_name_or_address_is_no_password(self, client: httpx.AsyncClient, password: str) -> None:
        account = {"email": "countess@example.org", "username": "ada.lovelace", "password": password}
        assert wrong(await client.post("/users", json=account)) == {
            "#/password": (
                "Must not be your username or your e-mail address. Choose one that others do not know of you."
            )
        }

    @pytest.mark.parametrize("blank", [" ", "\u00a0", "\u200b", "\u3164", "\u2800", "\ufe0f", "\u00ad", "\U000e0020"])
    async def test_what_nobody_can_see_is_no_password(self, client: httpx.AsyncClient, blank: str) -> None:
        account = {"email": "ada@example.org", "username": "ada", "password": blank * 12}
        assert wrong(await client.post("/users", json=account)) == {
            "#/password": "Must have a character that can be seen: spaces and invisible characters alone are guessed."
        }

    async def test_without_a_blocklist_any_password_will_do(
        self, container: Container, client: httpx.AsyncClient
    ) -> None:
        with settings(container, password_blocklist=False):
            for name, password in (("ada", "password1"), ("adalovelace", "adalovelace")):
                account = {"email": f"{name}@example.org", "username": name, "password": password}
                assert (await client.post("/users", json=account)).status_code == 201

    # Disabled accounts

    async def test_a_disabled_account_is_let_in_nowhere_and_what_it_wrote_stays(
        self, container: Container, client: httpx.AsyncClient
    ) -> None:
        await register(client)
        ada = bearer(await token_of(client))
        written = await client.post("/articles", json=ARTICLE, headers=ada)
        await container.administering().disable(Username("aDA"))
        for method, path in (("GET", "/users/me"), ("GET", "/articles"), ("POST", "/articles")):
            answer = await client.request(method, path, headers=ada)
            assert problem(answer, 401)["detail"] == "Could not validate credentials"
        answer = await log_in(client, password=PASSWORD)
        assert problem(answer, 401)["detail"] == (
            "This account is disabled. Ask an operator of this blog to enable it."
        )
        # Who does not know the password learns nothing.
        await fail(client, 1)
        assert (await client.get(written.headers["location"])).status_code == 200
        assert (await client.get("/users/Ada")).status_code == 200

        await container.administering().enable(Username("Ada"))
        assert (await client.get("/users/me", headers=ada)).status_code == 200
        assert await token_of(client)

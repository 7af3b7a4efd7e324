"""`blog user`, as it is typed."""

import asyncio
import json
import os
import pty
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import URL

from blog.container import Container
from blog.domain.articles import Content, Title
from blog.domain.users import (
    AccountDisabled,
    Email,
    InvalidCredentials,
    InvalidToken,
    NewPassword,
    Password,
    Username,
    UserNotFound,
)
from tests.integration.service import blog as run_blog

PASSWORD = "correct horse battery"
PROGRAM = "from blog.entrypoints.cli import main; main()"

Blog = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def blog(migrated: URL) -> Blog:
    """Runs `blog user …` on the database of the test; answers the exit code, and what it said to whom."""

    async def run(*arguments: str, given: bytes = b"", **settings: str) -> tuple[int, str, str]:
        address = migrated.render_as_string(hide_password=False)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, "user", *arguments),
            env={"DATABASE_URL": address, "PATH": "", "LANG": "C.UTF-8", **settings},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            out, complaints = await process.communicate(given)
        return process.returncode or 0, out.decode(), complaints.decode()

    return run


async def log_in(container: Container, password: str = PASSWORD) -> str:
    token = await container.authenticating().log_in(username="ada", password=Password(password))
    return str(token.access_token)


@pytest.fixture
async def ada(container: Container) -> int:
    account = await container.accounts().register(
        email=Email("ada@example.org"), username=Username("ada"), password=NewPassword(PASSWORD)
    )
    return int(account.id)


async def test_an_account_is_made_also_where_registration_is_closed(blog: Blog, container: Container) -> None:
    made = await blog(
        "create", "ada", "Ada@example.org", given=f"{PASSWORD}\nnot this line\n".encode(), REGISTRATION="closed"
    )
    user = await container.user_queries().user(Username("ada"))
    assert made == (0, f"ada may sign in now, as user {user.id}.\n", "")
    container.now.override(lambda: datetime.now(UTC))
    assert user.email == "Ada@example.org"
    assert await log_in(container)


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize(
    ("arguments", "given", "code", "sentence"),
    [
        (("create", "ada", "b@example.org"), f"{PASSWORD}\n", 1, "blog: This username is already taken.\n"),
        (("create", "bob", "ada@example.org"), PASSWORD, 1, "blog: This e-mail address is already registered.\n"),
        (("create", "bob", "b@example.org"), "", 1, "blog: There is no password on standard input. Write one there"),
        (
            ("create", "bob", "b@example.org"),
            "\n",
            1,
            "blog: There is no password on standard input. Write one there",
        ),
        (("create", "bob", "b@example.org"), "short\n", 1, "blog: The password must be at least 8 characters long."),
        (("create", "bob", "b@example.org"), " " * 9, 1, "blog: The password must have a character that can be seen"),
        (
            ("create", "bob", "b@example.org"),
            "password1",
            1,
            "blog: The password is one of the passwords that are tr",
        ),
        (("create", "adalovelace", "b@x.org"), "AdaLovelace", 1, "blog: The password must not be your username or"),
        (
            ("create", "bob", "b@example.org"),
            "x" * 9000,
            1,
            "blog: The password must be at most 1024 characters long.",
        ),
        (("create", "b/b", "b@example.org"), PASSWORD, 2, "'b/b' will not do"),
        (("create", "bob", "b"), PASSWORD, 2, "'b' will not do"),
        (("create", "bob", "b@example.org", "--password", "x"), "", 2, "unrecognized arguments"),
        (("password", "ada"), "password1\n", 1, "blog: The password is one of the passwords that are tried first."),
        (("password", "bob"), f"{PASSWORD}\n", 1, "blog: User not found.\n"),
        (("disable", "bob"), "", 1, "blog: User not found.\n"),
        (("enable", "bob"), "", 1, "blog: User not found.\n"),
        (("delete", "bob", "--force"), "", 1, "blog: User not found.\n"),
        (("list", "--limit", "0"), "", 2, "'0' is not a whole number from 1 to 1000"),
    ],
)
async def test_a_failure_is_a_sentence(
    blog: Blog, arguments: tuple[str, ...], given: str, code: int, sentence: str
) -> None:
    answered, out, complaints = await blog(*arguments, given=given.encode())
    assert (answered, out) == (code, ""), complaints
    assert sentence in complaints
    assert "Traceback" not in complaints
    if given.strip():
        assert given.strip() not in complaints


async def test_accounts_are_listed(blog: Blog, container: Container, ada: int) -> None:
    await container.accounts().register(
        email=Email("b@example.org"), username=Username("bob"), password=NewPassword(PASSWORD)
    )
    await container.publishing().write(actor=ada, title=Title("On engines"), content=Content("Words."))
    await container.administering().disable(Username("bob"))
    code, out, complaints = await blog("list")
    assert (code, complaints) == (0, "")
    assert [line.split()[1:] for line in out.splitlines()] == [
        ["2026-03-04", "enabled", "1", "ada", "ada@example.org"],
        ["2026-03-04", "disabled", "0", "bob", "b@example.org"],
    ]
    _, out, _ = await blog("list", "--json")
    users = json.loads(out)
    assert users[0] == {
        "id": ada,
        "username": "ada",
        "email": "ada@example.org",
        "created_at": "2026-03-04T12:00:01.123456Z",
        "disabled_at": None,
        "articles": 1,
    }
    assert users[1]["disabled_at"].startswith("2026-03-04T12:00:")
    assert json.loads((await blog("list", "--json", "--skip", "1", "--limit", "1"))[1]) == users[1:]
    assert (await blog("list", "--limit", "1"))[2] == "There are more: --skip leads on.\n"
    assert await blog("list", "--skip", "2") == (0, "", "There are none.\n")


@pytest.mark.usefixtures("ada")
async def test_a_password_is_changed(blog: Blog, container: Container) -> None:
    assert await blog("password", "Ada", given=b"another one of hers\r\n") == (0, "ada has another password.\n", "")
    assert await log_in(container, "another one of hers")
    with pytest.raises(InvalidCredentials):
        await log_in(container)


@pytest.mark.usefixtures("ada")
async def test_an_account_is_disabled_and_enabled(blog: Blog, container: Container) -> None:
    token = await log_in(container)
    code, out, _ = await blog("disable", "ada")
    assert code == 0
    assert out.startswith("ada is disabled since 20")
    assert await blog("disable", "ada") == (0, out, "")
    with pytest.raises(InvalidToken):
        await container.authenticating().identify(token)
    with pytest.raises(AccountDisabled):
        await log_in(container)
    assert await blog("enable", "ada") == (0, "ada is enabled.\n", "")
    assert await container.authenticating().identify(token)


async def test_an_account_is_deleted_with_what_it_wrote(blog: Blog, container: Container, ada: int) -> None:
    await container.publishing().write(
        actor=ada, title=Title("On engines"), content=Content("Words."), published=True
    )
    code, out, complaints = await blog("delete", "ada", given=b"ada\n")
    assert (code, out) == (1, "")
    assert complaints == (
        "blog: This would delete ada (ada@example.org) and 1 article with all that belongs to them, for good, and "
        "nobody can be asked whether that is meant. Add --force, or disable the account: blog user disable ada\n"
    )
    assert await container.user_queries().user(Username("ada"))
    goes = "ada (ada@example.org) and 1 article with all that belongs to them"
    assert await blog("delete", "ada", "--force") == (0, f"Deleted {goes}.\n", "")
    with pytest.raises(UserNotFound):
        await container.user_queries().user(Username("ada"))
    assert not (await container.article_queries().page(viewer=None, limit=9)).articles


class Terminal:
    """The command at a terminal, of which all that it shows is kept."""

    def __init__(self, url: URL, *arguments: str) -> None:
        self._address, self._arguments, self.shown = url.render_as_string(hide_password=False), arguments, ""

    async def type(self, *lines: tuple[str, str]) -> int:
        """Type each line once the command asks for it, and answer how it ended."""
        main, side = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, "user", *self._arguments),
            env={"DATABASE_URL": self._address, "PATH": "", "LANG": "C.UTF-8"},
            stdin=side,
            stdout=side,
            stderr=side,
            start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # its controlling terminal from then on
        )
        os.close(side)
        async with asyncio.timeout(30):
            for question, line in lines:
                await self._read(main, until=question)
                os.write(main, f"{line}\n".encode())
            await self._read(main)
            code = await process.wait()
        os.close(main)
        return code

    async def _read(self, terminal: int, until: str | None = None) -> None:
        seen = len(self.shown)
        while until is None or until not in self.shown[seen:]:
            try:
                self.shown += (await asyncio.to_thread(os.read, terminal, 1000)).decode()
            except OSError:  # Linux says so when the other side is closed.
                return


async def test_a_password_is_asked_for_twice_and_never_shown(migrated: URL, container: Container) -> None:
    terminal = Terminal(migrated, "create", "ada", "ada@example.org")
    assert await terminal.type(("New password:", PASSWORD), ("Once more:", PASSWORD)) == 0
    assert "ada may sign in now" in terminal.shown
    assert PASSWORD not in terminal.shown
    assert (await container.user_queries().user(Username("ada"))).email == "ada@example.org"

    terminal = Terminal(migrated, "create", "bob", "b@example.org")
    assert await terminal.type(("New password:", PASSWORD), ("Once more:", "another one")) == 1
    assert "The two passwords differ, so nothing was changed. Run this again." in terminal.shown


@pytest.mark.usefixtures("ada")
async def test_to_delete_an_account_its_name_is_typed_once_more(migrated: URL, container: Container) -> None:
    terminal = Terminal(migrated, "delete", "ada")
    assert await terminal.type(("Type ada to go on:", "yes")) == 1
    assert "This deletes ada (ada@example.org) and no articles" in terminal.shown
    assert "Nothing was deleted, because something else was typed." in terminal.shown
    assert await container.user_queries().user(Username("ada"))
    assert await Terminal(migrated, "delete", "ada").type(("Type ada to go on:", "ada")) == 0
    with pytest.raises(UserNotFound):
        await container.user_queries().user(Username("ada"))


@pytest.mark.parametrize("command", ["create", "list", "password", "disable", "enable", "delete"])
async def test_each_command_has_help_with_an_example(blog: Blog, command: str) -> None:
    code, out, _ = await blog(command, "--help")
    assert code == 0
    assert f"examples:\n  blog user {command}" in out


def test_a_blog_that_is_not_there_yet_is_made(tmp_path: Path) -> None:
    listed = run_blog("user", "list", "--json", cwd=tmp_path, blog_data_dir=tmp_path / "data")
    assert (listed.returncode, listed.stdout) == (0, "[]\n")
    assert "Creating" in listed.stderr

"""What `blog user` does. Passwords come from a prompt or from standard input, and never from the command line."""

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from getpass import getpass
from typing import TypeVar

import msgspec

from blog.container import Container, close, current_database
from blog.domain.errors import Invalid
from blog.domain.users import Email, NewPassword, Username, WeakPassword
from blog.entrypoints.telling import tell
from blog.settings import Settings

WIDTHS = (8, 10, 8, 8, 20)
"""Columns of a user's number, day, state, number of articles and name; the address has the rest of the line."""

MOST_OF_A_LINE = 8192
"""Characters that are read of standard input for a password: more than one may have."""

T = TypeVar("T")


class UserCommandError(Exception):
    """What a command could not do: the thing, the reason, the remedy."""


def create_user(*, username: Username, email: Email) -> None:
    """Make an account, also where registration is closed."""
    settings = Settings.load()
    password = _new_password()
    with _naming_the_password():
        account = _run(settings, lambda c: c.accounts().register(email=email, username=username, password=password))
    _say(f"{account.username} may sign in now, as user {account.id}.")


def list_users(*, limit: int, skip: int, json: bool) -> None:
    """List users, those first who came first."""
    users = _run(Settings.load(), lambda c: c.user_queries().page(skip=skip, limit=limit + 1))
    shown, more = users[:limit], len(users) > limit
    if json:
        print(msgspec.json.format(msgspec.json.encode([asdict(user) for user in shown]), indent=2).decode())
        return
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for user in shown:
        state = "disabled" if user.disabled_at else "enabled"
        parts = (str(user.id), f"{user.created_at:%Y-%m-%d}", state, str(user.articles), user.username)
        line = "  ".join(part.ljust(width) for part, width in zip(parts, WIDTHS, strict=True))
        print(f"{line}  {user.email}"[:columns])
    if more:
        _tell("There are more: --skip leads on.")
    elif not shown:
        _tell("There are none.")


def change_password(*, username: Username) -> None:
    """Give a user another password."""
    settings = Settings.load()
    password = _new_password()
    with _naming_the_password():
        user = _run(settings, lambda c: c.administering().change_password(username, password))
    _say(f"{user.username} has another password.")


def disable_user(*, username: Username) -> None:
    """Keep a user from signing in."""
    user = _run(Settings.load(), lambda c: c.administering().disable(username))
    _say(f"{user.username} is disabled since {user.disabled_at:%Y-%m-%d %H:%M} UTC, and what it wrote stays.")


def enable_user(*, username: Username) -> None:
    """Let a user sign in again."""
    user = _run(Settings.load(), lambda c: c.administering().enable(username))
    _say(f"{user.username} is enabled.")


def delete_user(*, username: Username, force: bool) -> None:
    """Delete a user and all that it wrote, once that was confirmed."""
    with current_database(Settings.load(), say=_tell) as running:
        user = _ask(running, lambda c: c.user_queries().user(username))
        goes = f"{user.username} ({user.email}) and {_articles(user.articles)} with all that belongs to them"
        if not force:
            _confirm(user.username, goes)
        _ask(running, lambda c: c.administering().delete(username))
    _say(f"Deleted {goes}.")


def _articles(count: int) -> str:
    return f"{count or 'no'} {'article' if count == 1 else 'articles'}"


def _confirm(name: str, goes: str) -> None:
    """Have the name typed once more. Raises `UserCommandError`."""
    if not sys.stdin.isatty():
        raise UserCommandError(
            f"This would delete {goes}, for good, and nobody can be asked whether that is meant. Add --force, or "
            f"disable the account: blog user disable {name}"
        )
    print(f"This deletes {goes}, for good.\nType {name} to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != name:
        raise UserCommandError("Nothing was deleted, because something else was typed.")


def _new_password() -> NewPassword:
    """A password that is typed twice, or the first line of standard input. Raises `UserCommandError`."""
    if sys.stdin.isatty():
        try:
            typed = getpass("New password: ")
            if getpass("Once more: ") != typed:
                raise UserCommandError("The two passwords differ, so nothing was changed. Run this again.")
        except EOFError:
            raise UserCommandError("No password was typed, so nothing was changed. Run this again.") from None
    else:
        try:
            line = sys.stdin.readline(MOST_OF_A_LINE)
        except UnicodeDecodeError:
            raise UserCommandError("The password on standard input is not UTF-8. Write it so.") from None
        # The end of the line is none of the password, and everything else on it is.
        typed = line.removesuffix("\n").removesuffix("\r")
        if not typed:
            raise UserCommandError("There is no password on standard input. Write one there, as a line.")
    with _naming_the_password():
        return NewPassword(typed)


class _naming_the_password:  # noqa: N801 -- a context manager, in the words of its use
    """Say of a refused password that it is one."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, WeakPassword) or type(error) is Invalid:
            sentence = str(error)
            raise UserCommandError(f"The password {sentence[:1].lower()}{sentence[1:]}") from None


def _run(settings: Settings, work: Callable[[Container], Awaitable[T]]) -> T:
    """What this work answers on the database in use."""
    with current_database(settings, say=_tell) as running:
        return _ask(running, work)


def _ask(running: Settings, work: Callable[[Container], Awaitable[T]]) -> T:
    async def run() -> T:
        container = Container(settings=running)
        try:
            return await work(container)
        finally:
            await close(container)

    return asyncio.run(run())


def _say(sentence: str) -> None:
    tell(sentence)


def _tell(sentence: str) -> None:
    # What goes on is no part of what is asked for, which may be on its way to another program.
    tell(sentence, sys.stderr)

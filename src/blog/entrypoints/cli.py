"""The command `blog`.

What a command needs is imported when it runs, so that help is there at once, whatever is installed.
"""

import argparse
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import NoReturn, TypeVar

from blog import __version__
from blog.domain.errors import Invalid
from blog.domain.slugs import Slug
from blog.domain.tags import Tag
from blog.domain.users import Email, Username
from blog.entrypoints.telling import open_closed_streams

T = TypeVar("T")

EXAMPLES = """examples:
  blog serve                          start on http://127.0.0.1:8000, with a PostgreSQL of its own
  blog serve --port 8080 --workers 2  elsewhere, with two worker processes
  blog db upgrade                     bring the database up to date
  blog db check                       say whether it is, and whether it is whole
  blog db shell                       open psql on the database in use
  blog backup blog.backup             save everything in one file
  blog restore blog.backup            put it back, also into another PostgreSQL
  blog user create ada ada@example.org  make an account; the password is asked for
  blog user disable ada               keep it from signing in; blog user --help has the rest
  blog article list --tag engines     list articles
  blog article search "green lantern" find words in them
  blog article show on-engines        read one; --json is for scripts

Settings come from the environment and from a file .env; the README lists them. What is not set has a default:
SITE_URL, which feeds and the sitemap begin with, is the address that `blog serve` serves on.
"""


USER_EXAMPLES = """examples:
  blog user create ada ada@example.org  make an account; the password is asked for
  blog user list --json                 list accounts, for scripts
  blog user password ada <password.txt  give it another password
  blog user disable ada                 keep it from signing in; what it wrote stays
  blog user enable ada                  let it sign in again
  blog user delete ada                  delete it, and what it wrote
"""


def main() -> NoReturn:
    """Run the command that this process's arguments name, and exit as it did."""
    open_closed_streams()
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal that is not of UTF-8 shows what it has no character for in another way.
        sys.stdout.reconfigure(errors="backslashreplace")
    given = sys.argv[1:]
    if given[:2] == ["db", "shell"] and not {"--", "-h", "--help"} & set(given):
        # Options that follow are psql's.
        given.insert(2, "--")
    arguments = vars(_parser().parse_args(given))
    try:
        from blog.entrypoints import commands

        sys.exit(commands.run(arguments.pop("command"), **arguments))
    except ModuleNotFoundError as error:
        sys.exit(f"blog: The package {error.name} is missing: run pip install 'hexablog[all]'.")
    except KeyboardInterrupt:
        # Before or after the command itself, which tells of it in its own way.
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="blog",
        description="A blog service over HTTP.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"blog {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="start the service", description="Start the service.")
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help="address or name of this machine to listen on; 0.0.0.0 or :: for all addresses (default: %(default)s)",
    )
    serve.add_argument(
        "--port", default=8000, type=_number(1, 65535), help="port to listen on (default: %(default)s)"
    )
    serve.add_argument("--workers", default=1, type=_number(1, 64), help="worker processes (default: %(default)s)")
    serve.set_defaults(command="serve")

    db = commands.add_parser("db", help="look after the database", description="Look after the database's schema.")
    actions = db.add_subparsers(title="commands", required=True, metavar="COMMAND")
    up = actions.add_parser("upgrade", help="apply migrations", description="Apply migrations.")
    up.add_argument("revision", nargs="?", default="head", help="up to this one (default: the newest)")
    up.set_defaults(command="upgrade")
    back = "Take migrations back, and with them the tables, columns and rows that only they know."
    down = actions.add_parser("downgrade", help="take migrations back", description=back)
    down.add_argument(
        "revision",
        help="the newest one to keep (`blog db history` has the ids); -1 takes back the newest; base, all",
    )
    down.set_defaults(command="downgrade")
    shell = actions.add_parser(
        "shell",
        help="open psql on the database in use",
        description="Open psql on the database in use.",
        epilog="examples:\n  blog db shell\n  blog db shell --command 'SELECT count(*) FROM articles'\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    shell.add_argument("arguments", nargs="*", metavar="...", help="arguments for psql")
    shell.set_defaults(command="shell")
    for name, does in (("history", "list the migrations"), ("check", "say whether the schema is current and whole")):
        action = actions.add_parser(name, help=does, description=f"{does.capitalize()}.")
        action.set_defaults(command=name)

    for name, does, replaces, epilog in (
        (
            "backup",
            "save everything in one file",
            "overwrite FILE",
            "The file holds the whole database, in pg_dump's custom format, and not the key that signs tokens.\n\n"
            "examples:\n  blog backup blog.backup\n  blog backup - | ssh elsewhere 'cat >blog.backup'\n",
        ),
        (
            "restore",
            "load a backup into the database in use",
            "replace the blog that is in the database",
            "The database changes only if the whole restore succeeds. A blog that is there is replaced with --force "
            "alone.\n\n"
            "examples:\n  blog restore blog.backup\n"
            "  DATABASE_URL=postgresql://blog@db/blog blog restore blog.backup\n",
        ),
    ):
        action = commands.add_parser(
            name,
            help=does,
            description=f"{does[0].upper()}{does[1:]}.",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        action.add_argument("file", metavar="FILE", help="the backup, or - for a pipe")
        action.add_argument("--force", action="store_true", help=replaces)
        action.set_defaults(command=name)

    _add_user(commands)

    article = commands.add_parser("article", help="read articles", description="Read articles.")
    actions = article.add_subparsers(title="commands", required=True, metavar="COMMAND")
    listing = actions.add_parser(
        "list", help="list articles", description="List articles, those published last first."
    )
    listing.add_argument("--author", metavar="USERNAME", type=_word(Username), help="those of this author")
    listing.add_argument(
        "--tag", action="append", type=_word(Tag), default=[], help="those with this tag; with all, where repeated"
    )
    listing.add_argument(
        "--working-copy",
        action="store_const",
        const=True,
        help="those that have a working copy, for their author: needs --as",
    )
    search = actions.add_parser(
        "search",
        help="find words in articles",
        description='Find words in articles: all of them; "in quotes" next to each other; or; -not this one.',
    )
    search.add_argument("words", nargs="+", metavar="WORD", help="what to look for; put -- before a leading minus")
    show = actions.add_parser("show", help="show an article", description="Show an article.")
    show.add_argument("article", type=_number_or_slug, help="its number or its slug")
    for action in (listing, search):
        action.add_argument("--limit", default=20, type=_number(1, 100), help="how many (default: %(default)s)")
        action.add_argument("--skip", default=0, type=_number(0, 10**9), help="how many to leave out")
    for name, action in (("list", listing), ("search", search), ("show", show)):
        action.add_argument(
            "--as", dest="reader", metavar="USERNAME", type=_word(Username), help="as this user, with its own drafts"
        )
        action.add_argument("--json", action="store_true", help="for scripts")
        action.set_defaults(command=name)
    return parser


def _add_user(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    user = commands.add_parser(
        "user",
        help="look after accounts",
        description="Look after accounts.",
        epilog=USER_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = user.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, command, does, description, example in (
        (
            "create",
            "create_user",
            "make an account",
            "Make an account, also where registration is closed. The password is typed without being shown, or is "
            "the first line of standard input.",
            "blog user create ada ada@example.org\n  blog user create ada ada@example.org <password.txt",
        ),
        ("list", "list_users", "list accounts", "List accounts, the oldest first.", "blog user list --json"),
        (
            "password",
            "change_password",
            "give an account another password",
            "Give an account another password, which is typed without being shown, or is the first line of standard "
            "input.",
            "blog user password ada\n  blog user password ada <password.txt",
        ),
        (
            "disable",
            "disable_user",
            "keep an account from signing in",
            "Keep an account from signing in, and refuse its tokens from the next request on. What it wrote stays.",
            "blog user disable ada",
        ),
        (
            "enable",
            "enable_user",
            "let it sign in again",
            "Let a disabled account sign in again.",
            "blog user enable ada",
        ),
        (
            "delete",
            "delete_user",
            "delete an account and what it wrote",
            "Delete an account and every article that it wrote, with revisions, working copies and previews. It asks "
            "before, unless there is --force.",
            "blog user delete ada\n  blog user delete --force ada",
        ),
    ):
        action = actions.add_parser(
            name,
            help=does,
            description=description,
            epilog=f"examples:\n  {example}\n",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        action.set_defaults(command=command)
        if name == "list":
            action.add_argument("--limit", default=100, type=_number(1, 1000), help="how many (default: %(default)s)")
            action.add_argument("--skip", default=0, type=_number(0, 10**9), help="how many to leave out")
            action.add_argument("--json", action="store_true", help="for scripts")
            continue
        action.add_argument("username", metavar="USERNAME", type=_word(Username), help="its name")
        if name == "create":
            action.add_argument("email", metavar="EMAIL", type=_word(Email), help="its e-mail address")
        elif name == "delete":
            action.add_argument("--force", action="store_true", help="do not ask")


def _number(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= 20 and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return number


def _word(kind: Callable[[str], T]) -> Callable[[str], T]:
    def word(text: str) -> T:
        try:
            return kind(text)
        except Invalid as error:
            raise argparse.ArgumentTypeError(f"{text!r} will not do: {error}") from None

    return word


def _number_or_slug(text: str) -> int | Slug:
    return int(text) if text.isdecimal() and len(text) < 19 else _word(Slug)(text)

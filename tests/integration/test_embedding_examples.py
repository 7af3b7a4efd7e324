"""Embedding the blog as others do: in a transaction of their own, and from a wheel in an environment of their own."""

import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from blog import __version__
from blog.adapters.database.schema import Schema
from tests.integration.conftest import aside
from tests.integration.test_readme import blocks

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

COMMAND = """
from importlib.metadata import entry_points
(command,) = entry_points(group="console_scripts", name="blog")
command.load()()
"""
ALONE = """
from importlib.metadata import distributions
import blog
print([distribution.name for distribution in distributions()], blog.__version__)
"""
OWN_HASHER = """
class BcryptHasher:
    async def hash(self, password): return "plain$" + password.secret
    async def verify(self, password, password_hash): return password_hash == "plain$" + password.secret
"""
OWN_MARKDOWN = """
from blog.domain.articles import Rendition
class RustMarkdown:
    async def render(self, content): return Rendition.of(html=content, text=content)
"""
USE = """
import blog
from blog.application.ports import TransactionFactory
def use(transaction: TransactionFactory, articles: blog.ArticleQueries, users: blog.UserQueries) -> None: ...
def check(store: SqliteStore) -> None:
    now = lambda: datetime.now(UTC)
    use(lambda: SqliteTransaction(store), SqliteArticleQueries(store, now), SqliteUserQueries(store))
"""


def run(*command: object, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, in an environment that says nothing but this."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **settings},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


async def test_an_article_is_kept_with_its_invoice_or_not_at_all(empty: URL, tmp_path: Path) -> None:
    aside(lambda: Schema().upgrade(empty))
    address = empty.set(drivername="postgresql").render_as_string(hide_password=False)
    for _ in range(2):
        script = EXAMPLES / "embed_with_own_table.py"
        ran = run(sys.executable, "-W", "error", script, cwd=tmp_path, DATABASE_URL=address)
        assert (ran.returncode, ran.stdout.splitlines()) == (
            0,
            [
                "Engines: kept.",
                "Looms: the blog refuses: Could not validate credentials",
                "Gifts: the table of invoices refuses.",
                "2 articles and 2 invoices.",
            ],
        ), ran.stderr
    kept = text("SELECT title, cents FROM articles FULL JOIN invoices ON article_id = id ORDER BY id")
    engine = create_async_engine(empty, poolclass=NullPool)
    async with engine.connect() as connection:
        assert (await connection.execute(kept)).all() == 2 * [("Engines, part 1", 500), ("Engines, part 2", 500)]
    await engine.dispose()


@pytest.fixture(scope="module")
def folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel and nothing else, not even pip. No network is needed."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--isolated", "--python", folder / "bin" / "python"]
    installed = run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=folder)
    assert installed.returncode == 0, installed.stderr
    return folder


def python(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the interpreter of the environment."""
    return run(folder / "bin" / "python", "-I", "-W", "error", *arguments, cwd=folder)


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command that the wheel brings."""
    return python(folder, "-c", COMMAND, *arguments)


def test_the_wheel_holds_the_package_its_types_and_the_migrations(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    written = {
        f"blog/{file.relative_to(root).as_posix()}"
        for root, part in ((ROOT / "src/blog", "."), (ROOT, "migrations"))
        for file in (root / part).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {
        "blog/py.typed",
        "blog/migrations/env.py",
        "blog/migrations/versions/0001_users_and_articles.py",
    } < written
    information = {name for name in names if name.startswith(f"hexablog-{__version__}.dist-info/")}
    assert names - information == written


def test_the_wheel_says_its_name_and_asks_for_nothing_but_by_an_extra(wheel: Path) -> None:
    assert wheel.name == f"hexablog-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        metadata = HeaderParser().parsestr(archive.read(f"hexablog-{__version__}.dist-info/METADATA").decode())
    assert (metadata["Name"], metadata["Version"]) == ("hexablog", __version__)
    assert set(metadata.get_all("Provides-Extra", [])) == EXTRAS.keys()
    asked = metadata.get_all("Requires-Dist", [])
    assert asked
    assert [requirement for requirement in asked if requirement.startswith("blog")] == []
    assert [
        requirement for requirement in asked if not re.search(r"; (.* and )?extra == [\"']\w+[\"']$", requirement)
    ] == []


def test_the_wheel_is_installed_by_its_name_and_imported_as_blog_with_nothing_beside_it(folder: Path) -> None:
    ran = python(folder, "-c", ALONE)
    assert (ran.returncode, ran.stdout) == (0, f"['hexablog'] {__version__}\n"), ran.stderr
    ran = run(folder / "bin" / "blog", "--version", cwd=folder)
    assert (ran.returncode, ran.stdout) == (0, f"blog {__version__}\n"), ran.stderr


def test_without_extras_the_command_helps_and_names_what_to_install(folder: Path) -> None:
    assert command(folder, "--version").stdout == f"blog {__version__}\n"
    helped = command(folder, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "blog serve" in helped.stdout
    for arguments in (["serve"], ["db", "check"]):
        refused = command(folder, *arguments)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert re.fullmatch(
            r"blog: The package \w+ is missing: run pip install 'hexablog\[all\]'\.\n", refused.stderr
        )


def test_without_extras_the_blog_is_embedded_as_the_readme_says(folder: Path) -> None:
    example = blocks("Embed it", "python")
    bcrypt = "from blog.adapters.passwords import BcryptHasher\n"
    markdown = "from blog.adapters.markdown import RustMarkdown\n"
    assert bcrypt in example
    assert markdown in example
    (folder / "example.py").write_text(example.replace(bcrypt, OWN_HASHER).replace(markdown, OWN_MARKDOWN))
    ran = python(folder, "example.py")
    assert (ran.returncode, ran.stdout) == (0, "['Hello']\n"), ran.stderr


def test_whoever_embeds_the_wheel_sees_its_types(folder: Path) -> None:
    """An adapter of one's own passes the strictest check against what is installed; a mistake in it does not."""
    example = (EXAMPLES / "sqlite_storage.py").read_text()
    (folder / "right.py").write_text(f"{example}{USE}")
    (folder / "wrong.py").write_text(f"{example.replace('viewer: int | None', 'viewer: str')}{USE}")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", folder / "bin" / "python"]
    for file, mistakes in (("right.py", 0), ("wrong.py", 1)):
        checked = run(*mypy, file, cwd=folder)
        assert checked.returncode == mistakes, checked.stdout
    assert 'incompatible type "SqliteArticleQueries"' in checked.stdout

"""What import-linter cannot see."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "blog"
THIRD_PARTY = {
    "alembic",
    "anyascii",
    "asyncpg",
    "bcrypt",
    "dependency_injector",
    "dotenv",
    "granian",
    "jwt",
    "litestar",
    "msgspec",
    "nh3",
    "platformdirs",
    "pyromark",
    "sqlalchemy",
    "structlog",
    "uvloop",
}

# What the rules may lean on: values, and nothing that touches the world.
PURE = {
    *("collections", "dataclasses", "datetime", "difflib", "enum", "math", "re", "typing", "unicodedata"),
    "urllib.parse",
}


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def imports_of(file: Path) -> set[str]:
    """The modules that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("file", sorted((SOURCE / "domain").glob("*.py")), ids=lambda file: file.name)
def test_the_domain_imports_itself_and_pure_modules_alone(file: Path) -> None:
    strangers = {
        name
        for name in imports_of(file)
        if not name.startswith("blog.domain") and PURE.isdisjoint({name, name.split(".")[0]})
    }
    assert not strangers


@pytest.mark.parametrize("file", sorted((SOURCE / "domain").glob("*.py")), ids=lambda file: file.name)
def test_the_domain_does_not_ask_what_time_it_is(file: Path) -> None:
    asked = {
        node.attr
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today")
    }
    assert not asked


@pytest.mark.parametrize("module", ["blog", "blog.application.ports", "blog.adapters.memory"])
def test_importing_the_core_loads_nothing_that_had_to_be_installed(module: str) -> None:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    # Isolated, but for where the package is: nothing of the test run comes along.
    code = f"import sys; sys.path.insert(0, {str(SOURCE.parent)!r}); {code}"
    loaded = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    names = set(loaded.stdout.split())
    assert "blog" in names
    assert not names & THIRD_PARTY
    assert names - {"blog"} <= set(sys.stdlib_module_names) | {"__main__"}


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(file.relative_to(SOURCE)) for file in SOURCE.rglob("*.py") if not ast.get_docstring(parsed(file))]
    assert not silent


def test_one_file_knows_the_container_library() -> None:
    knowing = {
        file.relative_to(SOURCE).as_posix()
        for file in SOURCE.rglob("*.py")
        if any(name.split(".")[0] == "dependency_injector" for name in imports_of(file))
    }
    assert knowing == {"container.py"}

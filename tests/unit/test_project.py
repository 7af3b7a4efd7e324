"""What the project promises about itself: its lock, its targets, its CI and what its files may not say."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = {name: (ROOT / name).read_text() for name in ("requirements.lock", "requirements-dev.lock")}
MAKEFILE = (ROOT / "Makefile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NAME = PROJECT["project"]["name"]
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
GROUPS: dict[str, list[str]] = PROJECT["dependency-groups"]

TARGETS = set(re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split())
PREREQUISITES = {
    target: set(prerequisites.split())
    for target, prerequisites in re.findall(r"^([a-z-]+):([^#\n]*)##", MAKEFILE, re.MULTILINE)
}


def pins(lock: str) -> list[tuple[str, str]]:
    """The name and the version in each entry of a lock; some packages have an entry for each of several Pythons."""
    found = re.findall(r"^([\w.-]+)(?:\[.*?\])?==(\S+)", LOCKS[lock], re.MULTILINE)
    return [(canonicalize_name(name), version) for name, version in found]


LOCKED = {name: version for lock in LOCKS for name, version in pins(lock)}
SERVICE, TOOLS = ({name for name, _ in pins(lock)} for lock in LOCKS)

# Where the lock may be installed. What a marker asks for beyond this is answered for this machine.
MACHINES = [
    {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.0", "sys_platform": platform}
    | {"platform_system": system, "os_name": "nt" if platform == "win32" else "posix"}
    for minor in (11, 12, 13, 14)
    for platform, system in (("linux", "Linux"), ("darwin", "Darwin"), ("win32", "Windows"))
]


def asked_for() -> list[Requirement]:
    """Every requirement of pyproject.toml, with those of all extras and of all groups."""
    groups = [PROJECT["project"]["dependencies"], PROJECT["build-system"]["requires"], *GROUPS.values()]
    every = [Requirement(text) for group in (*groups, *EXTRAS.values()) for text in group]
    return [requirement for requirement in every if requirement.name != NAME]


def needed_by(*requirements: str) -> set[str]:
    """The names of all packages that requirements lead to, on any machine, as those say that are installed here."""
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras} - {extra for known, extra in found if known == name}:
            found.add((name, extra))
            waiting += [other for other in map(Requirement, required_by(name, extra)) if applies(other, extra)]
    return {name for name, _ in found if name != NAME}


def required_by(name: str, extra: str) -> list[str]:
    """What a package says that it requires; ours says so in pyproject.toml."""
    if name == NAME:
        return EXTRAS[extra] if extra else PROJECT["project"]["dependencies"]
    try:
        return requires(name) or []
    except PackageNotFoundError:
        # It is for another machine.
        return []


def applies(requirement: Requirement, extra: str) -> bool:
    """Whether there is a machine on which this is required."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**machine, "extra": extra}) for machine in MACHINES)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_nothing_but_pinned_requirements_with_their_hashes(lock: str) -> None:
    pin = r"[\w.-]+(\[[\w,-]+\])?==[\w.!+-]+( ; [^\\\n]+)? \\\n"
    hashes = r"    --hash=sha256:[0-9a-f]{64}( \\\n    --hash=sha256:[0-9a-f]{64})*\n"
    rest = re.sub(rf"^{pin}{hashes}", "", LOCKS[lock], flags=re.MULTILINE)
    assert [line for line in rest.splitlines() if not line.lstrip().startswith("#")] == []
    assert "make lock" in LOCKS[lock].splitlines()[1]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place_that_packages_come_from(lock: str) -> None:
    assert [line for line in LOCKS[lock].splitlines() if "://" in line or "@" in line] == []


@pytest.mark.parametrize("requirement", asked_for(), ids=str)
def test_what_the_project_asks_for_is_locked_in_a_version_that_it_allows(requirement: Requirement) -> None:
    locked = LOCKED.get(canonicalize_name(requirement.name))
    assert locked is not None, f"{requirement.name} is in no lock: run `make lock`"
    assert requirement.specifier.contains(locked, prereleases=True), "The locks are behind: run `make lock`"


def test_requirements_lock_has_what_the_service_and_the_build_need_and_nothing_else() -> None:
    assert needed_by(f"{NAME}[all]", *PROJECT["build-system"]["requires"]) == SERVICE


def test_requirements_dev_lock_has_what_else_the_groups_need() -> None:
    every = needed_by(f"{NAME}[all]", *(text for group in GROUPS.values() for text in group))
    assert every - SERVICE == TOOLS
    assert every >= SERVICE


def test_no_package_is_in_both_locks() -> None:
    assert SERVICE.isdisjoint(TOOLS)


def test_the_build_group_is_what_the_build_asks_for() -> None:
    assert GROUPS["build"] == PROJECT["build-system"]["requires"]


def test_every_package_that_is_installed_finds_what_it_requires() -> None:
    ran = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "No broken requirements found.\n"), ran.stderr


def test_serving_installs_the_runtime_alone_and_what_has_tools_everything() -> None:
    uses = {
        target: set(re.findall(r"\.venv/bin/([\w-]+)", recipe))
        for target, recipe in re.findall(r"^([a-z-]+):[^\n]*\n((?:\t[^\n]*\n)+)", MAKEFILE, re.MULTILINE)
    }
    assert {target for target, programs in uses.items() if programs == {"blog"}} == {"serve"}
    assert PREREQUISITES["serve"] == {"runtime"}
    tools = {target for target, programs in uses.items() if programs} - {"serve"}
    assert [target for target in tools if PREREQUISITES[target] != {"environment"}] == []


def test_help_explains_every_target() -> None:
    explained = set(re.findall(r"^([a-z-]+):[^#\n]*## \w", MAKEFILE, re.MULTILINE))
    assert explained == TARGETS == PREREQUISITES.keys()


def test_the_test_target_runs_every_check() -> None:
    assert PREREQUISITES["test"] == {"lint", "types", "imports", "coverage", "integration"}


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")), ids=lambda page: page.name
)
def test_every_target_that_a_page_mentions_exists(page: Path) -> None:
    text = page.read_text()
    code = re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL) + re.findall(r"`make .*?`", text)
    mentioned = {target for piece in code for target in re.findall(r"^`?make ([a-z]+)", piece, re.MULTILINE)}
    assert mentioned <= TARGETS


def test_ci_ends_in_make_test_and_sets_nothing() -> None:
    script = ROOT / ".ci" / "run"
    lines = script.read_text().splitlines()
    assert os.access(script, os.X_OK)
    assert lines[0] == "#!/usr/bin/env bash"
    assert lines[-1] == "make test"
    assert [line for line in lines if re.match(r"\s*(export|declare -x) ", line)] == []


def tracked_files() -> list[Path]:
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not here to say which files belong to the project")
    listing = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        pytest.skip("this folder is not a git checkout: which files belong to the project is not known")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_machine_or_a_package_registry() -> None:
    here = re.escape(f"{ROOT}/") if len(ROOT.parts) > 2 else r"(?!)"
    places = re.compile(rf"{here}|/(?:root|home/\w+|Users/\w+)/|\b(?:pypi|pythonhosted|npmjs)\.[a-z]")
    found = {str(file.relative_to(ROOT)): places.findall(file.read_text(errors="ignore")) for file in tracked_files()}
    assert {name: names for name, names in found.items() if names} == {}

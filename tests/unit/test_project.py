"""What the project promises about itself: its lock, its targets, its CI and what its files may not say."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

TARGETS = set(re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split())
LOCKED = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([\w.-]+)(?:\[.*?\])?==(\S+)", LOCK, re.MULTILINE)
}


def asked_for() -> list[Requirement]:
    """Every requirement of pyproject.toml, with those of all extras and of the development group."""
    project = PROJECT["project"]
    groups = [project["dependencies"], PROJECT["build-system"]["requires"], *PROJECT["dependency-groups"].values()]
    every = [Requirement(text) for group in (*groups, *project["optional-dependencies"].values()) for text in group]
    return [requirement for requirement in every if requirement.name != project["name"]]


def test_the_lock_is_nothing_but_pinned_requirements_with_their_hashes() -> None:
    pin = r"[\w.-]+(\[[\w,-]+\])?==[\w.!+-]+( ; [^\\\n]+)? \\\n"
    hashes = r"    --hash=sha256:[0-9a-f]{64}( \\\n    --hash=sha256:[0-9a-f]{64})*\n"
    rest = re.sub(rf"^{pin}{hashes}", "", LOCK, flags=re.MULTILINE)
    assert [line for line in rest.splitlines() if not line.lstrip().startswith("#")] == []
    assert "make lock" in LOCK.splitlines()[1]


def test_the_lock_names_no_place_that_packages_come_from() -> None:
    assert [line for line in LOCK.splitlines() if "://" in line or "@" in line] == []


@pytest.mark.parametrize("requirement", asked_for(), ids=str)
def test_what_the_project_asks_for_is_locked_in_a_version_that_it_allows(requirement: Requirement) -> None:
    locked = LOCKED.get(canonicalize_name(requirement.name))
    assert locked is not None, f"{requirement.name} is not in requirements.lock: run `make lock`"
    assert requirement.specifier.contains(locked, prereleases=True), "requirements.lock is behind: run `make lock`"


def test_help_explains_every_target() -> None:
    explained = set(re.findall(r"^([a-z-]+):[^#\n]*## \w", MAKEFILE, re.MULTILINE))
    assert explained == TARGETS


def test_the_test_target_runs_every_check() -> None:
    (prerequisites,) = re.findall(r"^test: ([a-z ]+)", MAKEFILE, re.MULTILINE)
    assert set(prerequisites.split()) == {"lint", "types", "imports", "coverage", "integration"}


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

"""The README's examples do what it says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.service import Service

README = (Path(__file__).parents[2] / "README.md").read_text()


def blocks(heading: str, language: str) -> str:
    """The code of one section of the README."""
    section = re.search(rf"^## {heading}$(.*?)(?=^## )", README, re.MULTILINE | re.DOTALL)
    assert section, f"the README has no section {heading!r}"
    found = re.findall(rf"^```{language}$(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)
    assert found, f"{heading!r} has no example in {language}"
    return "\n".join(found)


@pytest.mark.skipif(not shutil.which("curl"), reason="the examples call curl, which is not installed")
def test_what_it_says_about_using_the_api(tmp_path: Path) -> None:
    with Service(tmp_path / "data") as service:
        script = blocks("Use it", "sh").replace("http://127.0.0.1:8000", service.url)
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=60, check=False
        )
    assert ran.returncode == 0, ran.stderr
    assert '"username":"ada"' in ran.stdout
    assert ran.stdout.count('"status":"scheduled"') == 1
    assert '"status":"published"' in ran.stdout
    assert "<p>The engine <em>weaves</em> patterns.</p>" in ran.stdout  # as read by its slug
    assert ran.stdout.count('"slug":"engines-that-weave"') > 1  # as it was moved, and found where it was before
    assert (
        ran.stdout.count("<p>The engine weaves <em>algebraic</em> patterns.</p>") == 2
    )  # as saved, and as previewed
    assert r"-The engine *weaves* patterns.\n+The engine weaves *algebraic* patterns.\n" in ran.stdout
    assert ran.stdout.count('"status":412') == ran.stdout.count("Read it again.") == 1
    once = re.findall(r'\{"id":[0-9]+,"title":"Once".*?\}', ran.stdout)
    assert len(once) == 2
    assert once[0] == once[1]


def test_what_it_says_about_embedding() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", blocks("Embed it", "python")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "['Hello']\n"), ran.stderr

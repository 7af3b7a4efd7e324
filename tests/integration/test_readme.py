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
    assert ran.stdout.count('"title":"On engines"') == 3  # as published, read alone, and in the list
    assert '"published":true' in ran.stdout
    assert '"username":"ada"' in ran.stdout


def test_what_it_says_about_embedding() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", blocks("Embed it", "python")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "['Hello']\n"), ran.stderr

"""`make fuzz`: what it is told, and what it answers. What Schemathesis finds is no matter of this test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import __main__ as fuzz
from tests.integration.service import PATIENCE, Service, kill

ROOT = Path(__file__).parents[2]


def python_m_fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fuzz", *arguments],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "100"},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


def test_it_says_what_it_takes() -> None:
    told = python_m_fuzz("--help")
    assert told.returncode == 0
    assert {"--minutes", "--seed", "--workers"} <= set(told.stdout.split())


@pytest.mark.parametrize("minutes", ["0", "-1", "121", "nan", "inf", "ten"])
def test_it_ends_some_time(minutes: str) -> None:
    refused = python_m_fuzz("--minutes", minutes)
    assert refused.returncode == 2
    assert "must be a number of minutes, more than 0 and at most 120" in refused.stderr


def test_whatever_goes_wrong_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(program: str) -> list[str]:
        monkeypatch.setattr(fuzz, "SCHEMATHESIS", tmp_path / program)
        return fuzz.run(service, "somebody", {}, seconds=1, seed=1)

    for program, does in (
        ("nothing", "exit 0"),
        ("failing", "exit 1"),
        ("killing", 'exec kill -KILL "$(cat worker)"'),
    ):
        (tmp_path / program).write_text(f'#!/bin/sh\ncd "{tmp_path}"\n{does}\n')
        (tmp_path / program).chmod(0o700)
    with Service(tmp_path / "data") as service:
        assert run("nothing") == []
        assert run("failing") == ["somebody: Schemathesis ended with 1; what it found is above"]
        (worker,) = service.workers_alive()
        (tmp_path / "worker").write_text(str(worker))
        # Either that another has taken its place, or that none has yet.
        assert run("killing")
        kill(service.pid)
        service.wait()
        assert any("not ready" in each for each in run("nothing"))

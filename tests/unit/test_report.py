"""What is said of a PostgreSQL of our own, out of what it writes into its log."""

import logging
from pathlib import Path

import pytest

from blog.adapters.embedded_postgres import report
from blog.adapters.embedded_postgres.report import Report

TIME = "2026-11-27 19:23:16.412 UTC [24528] "
FULL = 'could not write to file "pg_wal/xlogtemp.27250": No space left on device'
READY = f"{TIME}LOG:  database system is ready to accept connections"
ENDED = "blog: the server ended with status 1"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "postgresql.log"
    file.write_text(f"{TIME}PANIC:  what was before\n")
    return file


def told(file: Path, *lines: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What is logged of these lines."""
    caplog.set_level(logging.INFO)
    reading = Report(file)
    for line in lines:
        with file.open("a") as log:
            log.write(f"{line}\n")
        reading.tell()
    return [record.getMessage() for record in caplog.records]


def test_a_full_disk_is_named_with_the_remedy(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    crash = f"{TIME}LOG:  client backend (PID 7) was terminated by signal 6: Aborted"
    lost = f"{TIME}FATAL:  could not write to file: what came of it"
    assert told(file, f"{TIME}PANIC:  {FULL}", lost, crash, READY, READY, caplog=caplog) == [
        f"A process of PostgreSQL has died ({FULL}). It recovers. Requests are answered with 503 meanwhile. "
        f"Make room on the disk. More is in {file}.",
        "PostgreSQL runs again. What it had acknowledged is there.",
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("blog: the server ended with status 1", "it ended with status 1"),
        ("blog: the server ended with status 137", "SIGKILL killed it"),
        ("blog: the server ended with status 139", "SIGSEGV killed it"),
        ("blog: the server ended with status 250", "signal 122 killed it"),
    ],
)
def test_how_the_server_ended_is_its_reason_where_it_gives_none(
    line: str, reason: str, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (said,) = told(file, f"{TIME}FATAL:  the database system is starting up", line, caplog=caplog)
    assert said.startswith(f"PostgreSQL has died ({reason}). It is started again until it stays up.")
    assert "Make room" not in said


@pytest.mark.parametrize(
    "line",
    [
        f"{TIME}FATAL:  terminating connection due to administrator command",
        f"{TIME}FATAL:  sorry, too many clients already",
        f'{TIME}FATAL:  database "nowhere" does not exist',
        f"{TIME}FATAL:  terminating connection due to idle-in-transaction timeout",
        f"{TIME}LOG:  checkpoint starting: time",
        READY,
        "\xff\x00",
    ],
)
def test_what_is_no_death_is_not_told(line: str, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert told(file, line, caplog=caplog) == []


def test_what_fails_again_and_again_is_told_again_after_a_minute(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line for number in range(5) for line in (f"{TIME}FATAL:  {FULL}{number}", ENDED)]
    assert len(told(file, *lines, caplog=caplog)) == 1
    monkeypatch.setattr(report, "AGAIN", 0)
    caplog.clear()
    assert len(told(file, *lines, caplog=caplog)) == 5


def test_a_log_that_is_away_cut_or_very_long_is_read_as_far_as_it_goes(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reading = Report(file)
    file.unlink()
    reading.tell()
    file.write_text(f"{ENDED}\n")  # shorter than it was
    reading.tell()
    with file.open("a") as log:
        log.write(f"{READY}\n{'x' * 3 * report.MAX_READ}\nblog: the server ended ")
    reading.tell()
    with file.open("a") as log:
        log.write("with status 137\n")
    reading.tell()
    assert [record.getMessage()[:40] for record in caplog.records if record.levelname == "ERROR"] == [
        "PostgreSQL has died (it ended with statu",
        "PostgreSQL has died (SIGKILL killed it).",
    ]

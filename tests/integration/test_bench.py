"""The bench with the tools that it needs: it measures, finds wrong replies, and leaves no process behind."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench import Failure, load
from bench.load import Exchange, Request
from tests.integration.service import PATIENCE, eventually, hearing_signals

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, load.TOOLS)), reason=f"{' or '.join(load.TOOLS)} is not installed"
)


@contextmanager
def service(*, wrong_from: int, status: int = 200) -> Iterator[int]:
    """Answers "right", and from some request on with something else of that length; yields its port."""
    counted = iter(range(10**9))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            late = next(counted) >= wrong_from
            body = b"wrong" if late else b"right"
            self.send_response(status if late else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            given = self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"content": json.loads(given)["content"], "was": "said"}).encode()
            self.send_response(201)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


READING = Exchange(requests=[Request(path="/", headers={"X-Quote": '"\\\n'[:2]})], bodies=[b"right"])
NEVER = 10**9


def test_throughput_is_measured_and_a_wrong_reply_ends_it() -> None:
    with service(wrong_from=NEVER) as port:
        assert load.throughput(port, READING, seconds=1, connections=2) > 10
        body = ('{"title": "', '", "content": "a \\"quoted\\" text"}')
        writing = Request(path="/", method="POST", body=body)
        part = b'"content": "a \\"quoted\\" text"'
        assert (
            load.throughput(port, Exchange(requests=[writing], status=201, part=part), seconds=1, connections=2) > 10
        )
    for status in (200, 404):
        with (
            service(wrong_from=20, status=status) as port,
            pytest.raises(Failure, match=f"should be: {status} .*wrong"),
        ):
            load.throughput(port, READING, seconds=1, connections=2)


def test_latency_is_measured_at_the_rate_wanted_and_wrong_replies_are_refused() -> None:
    with service(wrong_from=NEVER) as port:
        found = load.latency(port, READING, seconds=1, rate=20)
        assert 0 < found.p50 <= found.p99
        assert 10 < found.rate < 30
        longer = Exchange(requests=READING.requests, bodies=[b"longer"])
        with pytest.raises(Failure, match="have 100 bytes, and not 120"):
            load.latency(port, longer, seconds=1, rate=20)
    with service(wrong_from=10, status=503) as port, pytest.raises(Failure, match=r"^10 replies of 20 are not a 200"):
        load.latency(port, READING, seconds=1, rate=20)


# A few articles are enough to see that it works.
FEW = "from bench import stage; stage.SIZE = 300; from bench.__main__ import main; raise SystemExit(main())"


@contextmanager
def bench(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The bench at work, with everything that it keeps in a folder."""
    folder.joinpath("tmp").mkdir()
    command = [sys.executable, "-c", FEW, "--data", str(folder / "data"), "--out", str(folder / "out"), *arguments]
    told = {**os.environ, "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)}
    with hearing_signals():
        started = subprocess.Popen(
            command, env=told, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    with started as running:
        yield running
        running.terminate()


def left_in(folder: Path) -> list[str]:
    """The processes that work in a folder, or are told of it by their command."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = process.joinpath("cmdline").read_bytes()
            if process.joinpath("cwd").resolve().is_relative_to(folder) or os.fsencode(folder) in command:
                found.append(command.replace(b"\0", b" ").decode())
    return found


def test_a_run_measures_and_leaves_nothing_behind(tmp_path: Path) -> None:
    asked = ("--only", "article", "create", "--with", "litestar", "--rounds", "1", "--seconds", "1")
    with bench(tmp_path, *asked) as running:
        said, progress = running.communicate(timeout=PATIENCE * 2)
    assert running.returncode == 0, progress
    assert [line.split("|")[1].strip() for line in said.splitlines() if "litestar" in line] == [
        "an article",
        "create",
    ]
    rows = json.loads((tmp_path / "out" / "bench.json").read_text())["rows"]
    assert [len(row["ours"]) for row in rows] == [1, 1]
    assert left_in(tmp_path) == []
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc to look for processes in")
def test_a_run_that_is_interrupted_stops_all_that_it_started(tmp_path: Path) -> None:
    asked = ("--only", "article", "--with", "litestar", "--rounds", "100", "--seconds", "1")
    with bench(tmp_path, *asked) as running:
        assert running.stderr is not None
        progress = ""
        while "round 1 of 100" not in progress:
            progress += (line := running.stderr.readline())
            assert line, progress
        working = " ".join(left_in(tmp_path))
        # A program whose path has a space in it may not be able to change what it is called.
        names = ("blog.entrypoints|blog serve", r"bench\.(serve|apps)", "postgres")
        assert all(re.search(name, working) for name in names), working
        running.send_signal(signal.SIGINT)
        _, last = running.communicate(timeout=PATIENCE)
    assert (running.returncode, last.splitlines()[-1]) == (130, "bench: stopped.")
    assert eventually(lambda: not left_in(tmp_path), "every process is gone", within=5)

"""Load, by tools that are made for it, and a check of every reply.

Throughput is measured by wrk, which sends the next request once it has the reply to the last. That hides stalls,
during which it asks nothing: percentiles are measured by h2load, which is asked for a constant rate. Each
of its connections sends once in a second, and all of them in turn, so that a reply may take a second before it holds
up anything; what it holds up then is added (`figures.corrected`).
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

from bench import Failure
from bench.figures import corrected, percentile

TOOLS = {"wrk": "wrk", "h2load": "nghttp2-client"}
"""The tools, and what Debian and Ubuntu call their packages."""

SCRIPT = Path(__file__).with_name("wrk.lua")
PATIENCE = 60.0
"""Seconds that a tool may take longer than it was told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked. A body of two parts has something between them that is another each time."""

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Requests that are sent in turn, and what their replies have to be."""

    requests: Sequence[Request]
    status: int = 200
    bodies: Sequence[bytes] = ()
    """What is replied to each of them, to the byte."""
    part: bytes = b""
    """Or what must be in every reply, where each is another."""


@dataclass(frozen=True, slots=True)
class Latency:
    """At a constant rate, in milliseconds."""

    p50: float
    p99: float
    rate: float
    """Replies in a second that there were."""


def need(*tools: str) -> None:
    """Raises `Failure` where one is not installed."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        packages = " ".join(TOOLS[tool] for tool in missing)
        raise Failure(f"{' and '.join(missing)} is not installed: `apt install {packages}`, or the like.")


def throughput(port: int, exchange: Exchange, *, seconds: float, connections: int) -> float:
    """Replies in a second, while that many connections ask without pause. Raises `Failure` at a wrong reply."""
    with wrk(port, exchange, seconds=seconds, connections=connections) as running:
        said, complaint = communicate(running, seconds)
    return per_second(said, complaint, running.returncode)


@contextlib.contextmanager
def wrk(port: int, exchange: Exchange, *, seconds: float, connections: int) -> Iterator[subprocess.Popen[str]]:
    """Wrk at work, until it is done or the block is left."""
    need("wrk")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder, "exchanges.lua")
        file.write_bytes(lua(exchange))
        # wrk takes whole seconds.
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{max(1, round(seconds))}s",
            "--timeout",
            "10s",
            "-s",
            str(SCRIPT),
        ]
        told = {**os.environ, "BENCH_EXCHANGES": str(file), "BENCH_MARK": os.urandom(6).hex()}
        with started([*command, f"http://127.0.0.1:{port}"], told) as running:
            yield running


def per_second(said: str, complaint: str, code: int) -> float:
    """What wrk measured. Raises `Failure` where a reply was wrong or did not come."""
    if code != 0:
        raise Failure(complaint.strip() or f"wrk ended with {code}.")
    found = json.loads(said.strip().splitlines()[-1])
    if found["errors"] or not found["requests"]:
        raise Failure(f"{found['errors']} requests of {found['requests']} had no reply: {said.strip()}")
    return float(found["requests"] / found["microseconds"] * 1e6)


def lua(exchange: Exchange) -> bytes:
    """An exchange as wrk's script reads it."""

    def quoted(value: str | bytes) -> bytes:
        raw = value.encode() if isinstance(value, str) else value
        return b'"' + re.sub(rb"[^ !#-\[\]-~]", lambda found: b"\\%03d" % found[0][0], raw) + b'"'

    requests = []
    for request in exchange.requests:
        headers = b", ".join(b"[%s] = %s" % (quoted(name), quoted(value)) for name, value in request.headers.items())
        names = (b"body",) if isinstance(request.body, str) else (b"before", b"after")
        parts = (request.body,) if isinstance(request.body, str) else request.body or ()
        body = b"".join(b", %s = %s" % (name, quoted(part)) for name, part in zip(names, parts, strict=False))
        given = (quoted(request.method), quoted(request.path), headers, body)
        requests.append(b"{method = %s, path = %s, headers = {%s}%s}" % given)
    bodies = b", ".join(b"[%s] = true" % quoted(body) for body in exchange.bodies)
    wanted = b"bodies = {%s}" % bodies if exchange.bodies else b"part = %s" % quoted(exchange.part)
    return b"return {status = %d, requests = {%s}, %s}\n" % (exchange.status, b",\n".join(requests), wanted)


def latency(port: int, exchange: Exchange, *, seconds: float, rate: int) -> Latency:
    """How long replies take while so many requests come in a second, whatever becomes of them."""
    need("h2load")
    clients = rate
    each = max(1, round(seconds))
    per_period, period = (1, 1000 // rate) if rate <= 1000 else (rate // 1000, 1)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        log, addresses = Path(folder, "log.tsv"), Path(folder, "addresses")
        addresses.write_text("".join(f"http://127.0.0.1:{port}{request.path}\n" for request in exchange.requests))
        command = [
            "h2load",
            "--h1",
            "-c",
            str(clients),
            "--rps",
            "1",
            "-n",
            str(clients * each),
            "-i",
            str(addresses),
        ]
        command += ["-r", str(per_period), "--rate-period", f"{period}ms", "--log-file", str(log)]
        for name, value in exchange.requests[0].headers.items():
            command += ["-H", f"{name}: {value}"]
        with started(command, dict(os.environ)) as running:
            said, complaint = communicate(running, seconds)
        if running.returncode != 0:
            raise Failure(f"h2load ended with {running.returncode}: {complaint.strip() or said[-300:]}")
        rows = [line.split() for line in log.read_text().splitlines()]
    wrong = [row for row in rows if int(row[1]) != exchange.status]
    if wrong or len(rows) != clients * each:
        raise Failure(
            f"{len(wrong) or clients * each - len(rows)} replies of {len(rows)} are not a {exchange.status}."
        )
    # Every connection goes through the addresses from the first on.
    expected = clients * sum(len(body) for body in islice(cycle(exchange.bodies), each))
    found = re.search(r"\((\d+)\) data$", said, re.MULTILINE)
    if not found or int(found[1]) != expected:
        raise Failure(f"The replies have {found[1] if found else 'no'} bytes, and not {expected}.")
    began = [int(row[0]) for row in rows]
    took = corrected((int(row[2]) / 1000 for row in rows), 1000.0)
    lasted = (max(start + int(row[2]) for start, row in zip(began, rows, strict=True)) - min(began)) / 1e6
    return Latency(percentile(took, 50), percentile(took, 99), len(rows) / lasted)


@contextlib.contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str], *, cwd: Path | None = None, log: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A process and what it starts, all of which is gone when the block is left. Its output goes to the log."""
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(log.open("w")) if log else subprocess.PIPE
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if log else subprocess.PIPE,
            text=True,
            # What a terminal sends on Ctrl-C is for this process, which stops the others.
            start_new_session=True,
        )
        try:
            yield process
        finally:
            stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    """End a process and its group, kindly at first."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()


def communicate(process: subprocess.Popen[str], seconds: float) -> tuple[str, str]:
    """What a tool says, once it is done. Raises `Failure` where it is not in time."""
    try:
        return process.communicate(timeout=seconds + PATIENCE)
    except subprocess.TimeoutExpired:
        raise Failure(f"{process.args!r} is not done {PATIENCE:.0f} seconds after it should be.") from None

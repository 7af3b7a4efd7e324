"""200 connections guess passwords from 20 addresses, and a user signs in from another one.

The service is one of its own, in a temporary folder, with its own PostgreSQL, on a port of the loopback interface. It
trusts this machine as its proxy: `X-Forwarded-For` says who asks. The guesses are for the account of the user, for
those of others and for names that nobody has. The user has signed in from home before, and signs in again 50 times,
once a second or as fast as that goes; each has 3 seconds.

    python -m probes.login_flood

It takes about two minutes, prints figures, and ends with 1 where one sign-in failed or took longer.
"""

import http.client
import itertools
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from urllib.parse import urlencode

CONNECTIONS = 200
ADDRESSES = 20
SIGN_INS = 50
DEADLINE = 3.0
"""Seconds that a sign-in may take."""
WARM_UP = 3.0
"""Seconds of guessing before the first sign-in."""
STARTING = 60.0
PATIENCE = 30.0
LONGEST = 240.0
"""Seconds after which all of it ends, whatever has happened."""
HOME = "192.0.2.1"
USER, PASSWORD = "ada", "correct horse battery"
NAMES = (USER, "bob", "eve", "nobody")


def main() -> None:
    """Start a service, flood it, sign in, print the figures."""
    with tempfile.TemporaryDirectory(prefix="blog-probe-") as folder:
        service, port = start(Path(folder))
        try:
            sys.exit(flood(port))
        finally:
            stop(service)


def start(folder: Path) -> tuple["subprocess.Popen[bytes]", int]:
    """A service that is ready."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    settings = {"BLOG_DATA_DIR": str(folder / "data"), "TRUSTED_PROXIES": "127.0.0.1", "LOG_FORMAT": "json"}
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(
            [str(Path(sys.executable).with_name("blog")), "serve", "--port", str(port)],
            cwd=folder,
            env=inherited | settings,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline and service.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return service, port
    stop(service)
    sys.exit(f"The service is not ready after {STARTING:.0f} seconds: {(folder / 'log').read_text()[-2000:]}")


def stop(service: "subprocess.Popen[bytes]") -> None:
    """End what was started here."""
    if service.poll() is None:
        service.terminate()
    try:
        service.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(service.pid, signal.SIGKILL)
        service.wait(PATIENCE)


def flood(port: int) -> int:
    """What came of it: 0 where every sign-in was in time."""
    for name in NAMES[:3]:
        account = f'{{"email": "{name}@example.org", "username": "{name}", "password": "{PASSWORD}"}}'
        status, _ = post(port, "/users", account, "application/json", HOME)
        if status != 201:
            sys.exit(f"{name} cannot be registered: {status}")
    if (status := log_in(port, PASSWORD)[0]) != 200:
        sys.exit(f"{USER} cannot sign in before anything has begun: {status}")

    ended, answers, failures = threading.Event(), Counter[int](), Counter[str]()
    deadline = time.monotonic() + LONGEST
    guessers = [
        threading.Thread(target=guess, args=(port, number, ended, deadline, answers, failures), daemon=True)
        for number in range(CONNECTIONS)
    ]
    for guesser in guessers:
        guesser.start()
    time.sleep(WARM_UP)
    began, outcomes = time.monotonic(), list[tuple[int, float]]()
    try:
        for _ in range(SIGN_INS):
            if time.monotonic() > deadline:
                break
            status, took = log_in(port, PASSWORD)
            outcomes.append((status, took))
            time.sleep(max(0.0, 1.0 - took))
    finally:
        lasted = time.monotonic() - began
        ended.set()
    for guesser in guessers:
        guesser.join(PATIENCE)

    in_time = sum(status == 200 and took <= DEADLINE for status, took in outcomes)
    times = sorted(took for _, took in outcomes)
    print(f"guesses: {sum(answers.values())} in {lasted:.0f} s; {CONNECTIONS} connections, {ADDRESSES} addresses")
    print("  answered:", ", ".join(f"{status}: {count}" for status, count in sorted(answers.items())))
    if failures:
        print("  broken:", ", ".join(f"{kind}: {count}" for kind, count in sorted(failures.items())))
    print(f"sign-ins of a known user: {in_time} of {SIGN_INS} within {DEADLINE:.0f} s")
    print("  answered:", ", ".join(f"{status}: {count}" for status, count in Counter(s for s, _ in outcomes).items()))
    print(f"  took: median {statistics.median(times):.2f} s, longest {times[-1]:.2f} s")
    return int(in_time < SIGN_INS)


def guess(
    port: int,
    number: int,
    ended: threading.Event,
    deadline: float,
    answers: "Counter[int]",
    failures: "Counter[str]",
) -> None:
    """Guess without a pause, over one connection as far as it holds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    names = itertools.cycle(NAMES[number % len(NAMES) :] + NAMES[: number % len(NAMES)])
    while not ended.is_set() and time.monotonic() < deadline:
        form = urlencode({"username": next(names), "password": f"guess {secrets.token_hex(4)}"})
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Forwarded-For": f"203.0.113.{number % ADDRESSES + 1}",
        }
        try:
            connection.request("POST", "/auth/login", form, headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            failures[type(error).__name__] += 1
            connection.close()
            ended.wait(0.1)
        else:
            answers[answer.status] += 1


def log_in(port: int, password: str) -> tuple[int, float]:
    """The status of a sign-in of the user from home, over a connection of its own, and how long it took."""
    form = urlencode({"username": USER, "password": password})
    return post(port, "/auth/login", form, "application/x-www-form-urlencoded", HOME)


def post(port: int, path: str, body: str, media_type: str, client: str) -> tuple[int, float]:
    """The status of a reply, or 0 where none comes, and how long it took."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("POST", path, body, {"Content-Type": media_type, "X-Forwarded-For": client})
        answer = connection.getresponse()
        answer.read()
        return answer.status, time.monotonic() - began
    except (OSError, http.client.HTTPException):
        return 0, time.monotonic() - began
    finally:
        connection.close()


if __name__ == "__main__":
    main()

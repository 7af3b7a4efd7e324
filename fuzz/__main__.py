"""Fuzz a service of its own: `python -m fuzz`."""

import argparse
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.integration.service import Service

CONFIG = Path(__file__).with_name("schemathesis.toml")
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
MAX_FAILURES = 20
REQUEST_SECONDS = 30
"""How long the service may take for one reply."""
GRACE_SECONDS = 60
"""How long Schemathesis may take to end when its time is over."""


def parser() -> argparse.ArgumentParser:
    """What can be said on the command line."""
    made = argparse.ArgumentParser(
        prog="python -m fuzz",
        description=(
            "Send chains of made-up requests to a `blog serve` with a PostgreSQL of its own, half of the time without"
            " a token, half of the time with one. Exit with 1 if a reply is not as documented, if the service logs a "
            "fault, or if it ends."
        ),
    )
    made.add_argument("--minutes", type=minutes, default=10.0, help="how long, at most 120 (default: 10)")
    made.add_argument("--seed", type=int, help="make up the requests of an earlier run, which has printed its seed")
    made.add_argument("--workers", type=int, choices=range(1, 9), default=1, help="processes of the service")
    return made


def minutes(text: str) -> float:
    """A number of minutes. Raises `ArgumentTypeError`."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 120:
        raise argparse.ArgumentTypeError("must be a number of minutes, more than 0 and at most 120")
    return number


def main(*arguments: str) -> int:
    """Run it, and answer the exit code."""
    wanted = parser().parse_args(arguments)
    seed = secrets.randbelow(2**32) if wanted.seed is None else wanted.seed
    print(f"fuzz: {wanted.minutes:g} minutes, --seed {seed}", flush=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        # A token outlasts the run.
        Service(Path(folder) / "data", workers=wanted.workers, access_token_expire_minutes=240) as service,
    ):
        signed_in = service.register()
        found = [
            *run(service, "without a token", {}, seconds=wanted.minutes * 30, seed=seed),
            *run(service, "signed in", signed_in, seconds=wanted.minutes * 30, seed=seed),
        ]
    print("\n".join(f"fuzz: {each}" for each in found) or "fuzz: nothing found", flush=True)
    return 1 if found else 0


def run(service: Service, who: str, headers: Mapping[str, str], *, seconds: float, seed: int) -> list[str]:
    """Fuzz as somebody. The answer is what went wrong; Schemathesis prints the requests."""
    print(f"fuzz: {who}", flush=True)
    faults, workers = len(service.events("Unexpected fault")), service.workers_alive()
    command = [
        *(SCHEMATHESIS, "--config-file", CONFIG, "--no-color", "fuzz", f"{service.url}/openapi.json"),
        *(f"--max-time={max(1, round(seconds))}", f"--seed={seed}", f"--request-timeout={REQUEST_SECONDS}"),
        *("--continue-on-failure", f"--max-failures={MAX_FAILURES}", "--generation-database=none"),
        *(f"--header={name}: {value}" for name, value in headers.items()),
    ]
    found = []
    try:
        # It leaves files where it runs.
        ended = subprocess.run(
            list(map(str, command)), cwd=service.folder.parent, check=False, timeout=seconds + GRACE_SECONDS
        )
        if ended.returncode:
            found.append(f"{who}: Schemathesis ended with {ended.returncode}; what it found is above")
    except subprocess.TimeoutExpired:
        found.append(f"{who}: Schemathesis did not end {GRACE_SECONDS} seconds after its time")
    if more := service.events("Unexpected fault")[faults:]:
        told = (f"{who}: {event['event']}: {event['exception'].splitlines()[-1]}" for event in more)
        found += list(dict.fromkeys(told))[:MAX_FAILURES]
    if service.workers_alive() != workers:
        found.append(f"{who}: a worker ended, and another took its place: {service.complaints[-2000:]}")
    if service.status("/health/ready") != 200:
        found.append(f"{who}: the service is not ready any more: {service.complaints[-2000:]}")
    return found


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Compares revisions of 99,000 short lines, again and again, while somebody reads an article.

One comparison of two texts that differ in one line took ten seconds of CPU.
"""

import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import httpx

from tests.integration.service import Service, processes

SECONDS = 10
ATTACKERS = 8
LINES = [chr(0x400 + number % 110) for number in range(99_000)]
CHANGES: dict[str, Iterable[int]] = {
    "one line": [49_500],
    "the first and the last line": [0, 98_999],
    "lines that take long": range(0, 99_000, 7),
}


def main() -> None:
    """Run it, and print what it cost."""
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder) / "data") as service:
        author = service.register()
        with service.client() as client:
            for what, at in CHANGES.items():
                path = _article(client, author, at)
                statuses: list[int] = []
                before, until = _cpu(service), time.monotonic() + SECONDS
                attackers = [
                    threading.Thread(target=_compare, args=(service, author, path, until, statuses))
                    for _ in range(ATTACKERS)
                ]
                for attacker in attackers:
                    attacker.start()
                times = []
                while time.monotonic() < until:
                    begun = time.perf_counter()
                    assert client.get(path).status_code == 200
                    times.append(time.perf_counter() - begun)
                    time.sleep(0.05)
                for attacker in attackers:
                    attacker.join()
                print(
                    f"comparing, {what}: {len(statuses)} comparisons, {statuses.count(503)} of them 503, "
                    f"{statuses.count(422)} of them 422, {_cpu(service) - before} s of CPU in {SECONDS} s; "
                    f"an article meanwhile: {_median(times):.0f} ms, {max(times) * 1000:.0f} ms at most"
                )


def _article(client: httpx.Client, author: dict[str, str], at: Iterable[int]) -> str:
    lines = list(LINES)
    article = {"title": "T", "content": "\n".join(lines), "published": True}
    path = client.post("/articles", json=article, headers=author).raise_for_status().headers["location"]
    for number in at:
        lines[number] = "?"
    client.patch(path, json={"content": "\n".join(lines)}, headers=author).raise_for_status()
    return str(path)


def _compare(service: Service, author: dict[str, str], path: str, until: float, statuses: list[int]) -> None:
    with service.client() as client:
        while time.monotonic() < until:
            statuses.append(client.get(f"{path}/revisions/2/diff?against=1", headers=author).status_code)


def _cpu(service: Service) -> int:
    """Seconds of CPU that its processes have used."""
    return sum(_seconds(process.pid) for process in processes() if process.pid in service.workers_alive())


def _seconds(pid: int) -> int:
    # Linux: fields 14 and 15, of which the second may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) // 100


def _median(times: list[float]) -> float:
    return sorted(times)[len(times) // 2] * 1000


if __name__ == "__main__":
    main()

"""Searches articles of 200,000 characters with eight clients, and counts who else is served meanwhile.

Lists, feeds and the sitemap were answered with 503 three times of four.
"""

import tempfile
import threading
import time
from pathlib import Path

from tests.integration.service import Service

SECONDS = 20
SEARCHERS = 8
ARTICLES = 100
OTHERS = (
    "/articles?fields=id&limit=20",
    "/feed.atom?content=summary",
    "/sitemap.xml",
    "/tags",
    "/articles/1",
    "/health/ready",
)


def main() -> None:
    """Run it, and print how each kind fared."""
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder) / "data") as service:
        author = service.register()
        words = " ".join(f"word{number % 997}" for number in range(26_000))[:199_000]
        with service.client() as client:
            for number in range(ARTICLES):
                article = {
                    "title": f"{number}",
                    "content": f"plover {number} {words}",
                    "published": True,
                    "tags": ["t"],
                }
                client.post("/articles", json=article, headers=author).raise_for_status()
        outcomes: dict[str, list[tuple[int, float]]] = {}
        until = time.monotonic() + SECONDS
        paths = [f"/articles?q=plover&fields=id&skip={number}" for number in range(SEARCHERS)]
        clients = [
            threading.Thread(
                target=_read, args=(service, path, until, outcomes.setdefault(path.split("&skip")[0], []))
            )
            for path in (*paths, *OTHERS)
        ]
        for each in clients:
            each.start()
        for each in clients:
            each.join()
        for path, seen in outcomes.items():
            times = sorted(seconds for _, seconds in seen)
            refused = sum(status == 503 for status, _ in seen)
            print(
                f"searching, {path}: {len(seen)} requests, {refused} of them 503, {times[len(times) // 2]:.2f} s, "
                f"{times[-1]:.2f} s at most"
            )


def _read(service: Service, path: str, until: float, seen: list[tuple[int, float]]) -> None:
    with service.client() as client:
        while time.monotonic() < until:
            begun = time.perf_counter()
            status = client.get(path).status_code
            seen.append((status, time.perf_counter() - begun))
            time.sleep(0.02)


if __name__ == "__main__":
    main()

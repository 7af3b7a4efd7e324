"""Sends bodies of four megabytes that are made of very many small things, while somebody asks whether it lives.

A million tags, 360,000 unknown fields and a form of percent signs each held the event loop for about a second.
"""

import tempfile
import threading
import time
from pathlib import Path

from tests.integration.service import Service

SIZE = 4_000_000
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
BODIES = {
    "tags": ("/articles", JSON, b'{"tags":[' + b'"a",' * (SIZE // 4) + b'"a"]}'),
    "fields": ("/articles", JSON, b"{" + b",".join(b'"%d":1' % number for number in range(360_000)) + b"}"),
    "lists": ("/articles", JSON, b'{"title":[' + b"[]," * (SIZE // 3) + b"[]]}"),
    "a form": ("/auth/login", FORM, b"%" * SIZE),
}
TIMES = 5


def main() -> None:
    """Run it, and print how long the others waited."""
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder) / "data") as service:
        author = service.register()
        for name, (path, media_type, body) in BODIES.items():
            done, waits = threading.Event(), list[float]()
            other = threading.Thread(target=_ask, args=(service, done, waits))
            other.start()
            with service.client() as client:
                begun = time.perf_counter()
                answers = [
                    client.post(path, content=body, headers=author | {"Content-Type": media_type})
                    for _ in range(TIMES)
                ]
                took = (time.perf_counter() - begun) / TIMES
            done.set()
            other.join()
            print(
                f"counting, {name}: {answers[0].status_code} of {len(answers[0].content)} bytes after {took:.2f} s; "
                f"somebody else waited {max(waits) * 1000:.0f} ms at most"
            )


def _ask(service: Service, done: threading.Event, waits: list[float]) -> None:
    with service.client() as client:
        while not done.is_set():
            begun = time.perf_counter()
            assert client.get("/health/live").status_code == 200
            waits.append(time.perf_counter() - begun)
            time.sleep(0.01)


if __name__ == "__main__":
    main()

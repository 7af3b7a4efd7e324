"""More connections wanted than PostgreSQL has: five services of three workers with ten each, against 97.

It starts them on a PostgreSQL of its own, holds a lock so that requests pile up, lets go, and counts the replies.
It watches readiness meanwhile, runs `blog db upgrade` right afterwards, and counts the connections that are left. It
takes two minutes at most, and leaves nothing behind.
"""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]

from blog.adapters.embedded_postgres import embedded_postgres

INSTANCES, WORKERS, POOL = 5, 3, 10
REQUESTS = 400
"""At the same time, to all instances in turn."""

LOCKED_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
WATCHED_SECONDS = 25.0
"""How long after the burst connections are counted."""

COMMAND = [sys.executable, "-c", "from blog.entrypoints.cli import main; main()"]
ACCOUNT = b'{"email": "ada@example.org", "username": "ada", "password": "correct horse battery staple"}'
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'blog'"


def main() -> None:
    """Print what comes of it."""
    with tempfile.TemporaryDirectory(prefix="probe-") as name, ExitStack() as stack:
        folder = Path(name)
        url = stack.enter_context(embedded_postgres(folder / "postgres", durable=False))
        settings = {**os.environ, "DATABASE_URL": url, "SECRET_KEY": secrets.token_urlsafe(64)}
        settings |= {"DATABASE_POOL_SIZE": str(POOL), "RATE_LIMITS": "off", "PASSWORD_BLOCKLIST": "off"}
        blog(settings, folder, "db", "upgrade")
        ports = [stack.enter_context(serving(settings, folder)) for _ in range(INSTANCES)]
        asyncio.run(burst(url.replace("+asyncpg", ""), ports, settings, folder))


async def burst(url: str, ports: list[int], settings: dict[str, str], folder: Path) -> None:
    await asyncio.gather(*(until_ready(port) for port in ports))
    superuser = await asyncpg.connect(url, user="postgres")
    try:
        await ask(ports[0], "POST", "/users", ACCOUNT)
        print(f"At rest: {await superuser.fetchval(CONNECTIONS)} connections of {INSTANCES * WORKERS} workers.")
        readiness: Counter[int] = Counter()

        async def watch() -> None:
            while True:
                for port in ports:
                    readiness[await ask(port, "GET", "/health/ready")] += 1
                await asyncio.sleep(0.1)

        async with superuser.transaction():
            await superuser.execute("LOCK TABLE users")
            watching = asyncio.create_task(watch())
            asking = [asyncio.create_task(ask(ports[n % len(ports)], "GET", "/users/ada")) for n in range(REQUESTS)]
            await asyncio.sleep(LOCKED_SECONDS)
            most = await superuser.fetchval(CONNECTIONS)
        began = time.monotonic()
        replies = Counter(await asyncio.gather(*asking))
        print(f"{REQUESTS} requests, {most} connections: replies {dict(replies)}, {time.monotonic() - began:.1f} s.")
        watching.cancel()
        print(f"Readiness meanwhile: {dict(readiness)}.")
        began = time.monotonic()
        code = await asyncio.to_thread(blog, settings, folder, "db", "upgrade")
        print(f"blog db upgrade right afterwards: exit code {code}, {time.monotonic() - began:.1f} s.")
        while (waited := time.monotonic() - began) < WATCHED_SECONDS:
            await asyncio.sleep(min(5, WATCHED_SECONDS - waited))
            print(f"After {time.monotonic() - began:.0f} s: {await superuser.fetchval(CONNECTIONS)} connections.")
    finally:
        await superuser.close()


async def ask(port: int, method: str, path: str, body: bytes = b"") -> int:
    """The status of one request on a connection of its own; 0 where there is none."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            status = (await reader.readline()).split()
            writer.close()
            return int(status[1]) if len(status) > 1 else 0
    except (OSError, TimeoutError):
        return 0


async def until_ready(port: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await ask(port, "GET", "/health/ready") != 200:  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.1)


def blog(settings: dict[str, str], folder: Path, *arguments: str) -> int:
    """Run a command of the blog."""
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=settings, capture_output=True, timeout=PATIENCE_SECONDS, check=False
    )
    return done.returncode


@contextmanager
def serving(settings: dict[str, str], folder: Path) -> Iterator[int]:
    """A service; the answer is its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    command = [*COMMAND, "serve", "--port", str(port), "--workers", str(WORKERS)]
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=settings, stdout=log, stderr=log)
    try:
        yield port
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


if __name__ == "__main__":
    main()

"""The command `blog` as it is run: what it says, how it ends, and what it leaves behind."""

import asyncio
import json
import multiprocessing
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from blog import __version__
from blog.entrypoints.commands import _kill_workers_after
from tests.integration.service import (
    PASSWORD,
    PATIENCE,
    SECRET_KEY,
    Service,
    blog,
    eventually,
    free_port,
    kill,
    processes,
)

ARTICLE = {"title": "On engines", "content": "The engine weaves\r\n\talgebraic patterns. ✍️", "published": True}
SOON = 5.0
"""Seconds for what takes a fifth of one when the machine has nothing else to do."""


def address(url: URL) -> str:
    """A database as `DATABASE_URL` and asyncpg name it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture
def configured(empty: URL, tmp_path: Path) -> dict[str, object]:
    """The settings of a service on a database that it did not start."""
    settings: dict[str, object] = {"database_url": address(empty), "secret_key": SECRET_KEY}
    assert blog("db", "upgrade", cwd=tmp_path, **settings).returncode == 0
    return settings


@pytest.fixture(params=["its own database", "a configured database"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service of two workers."""
    settings = request.getfixturevalue("configured") if request.param == "a configured database" else {}
    with Service(tmp_path / "data", workers=2, **settings) as service:
        yield service


# Starting


def test_it_starts_from_nothing_and_finds_its_data_again(tmp_path: Path) -> None:
    with Service(tmp_path / "data") as service:
        assert f" serves on {service.url} " in service.said
        assert service.status("/health/live") == 200
        signed_in = service.register()
        with service.client() as client:
            written = client.post("/articles", json=ARTICLE, headers=signed_in)
        assert written.status_code == 201
        assert service.stop() == 0
        service.wait_until_gone(within=SOON)

        service.start()
        service.wait_until_ready()
        assert "Creating" not in service.said
        with service.client() as client:
            assert client.get(written.headers["Location"]).json() == written.json() | {
                "publish_at": None,
                "has_working_copy": None,
            }
            # What signs tokens is the same, too.
            assert client.get("/users/me", headers=signed_in).status_code == 200


def has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as listener, suppress(OSError):
        listener.bind(("::1", 0))
        return True
    return False


@pytest.mark.parametrize("host", ["localhost", "::1", "0.0.0.0", "::"])  # noqa: S104
def test_it_serves_on_any_address_of_this_machine_and_says_one_that_works(host: str, tmp_path: Path) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with Service(tmp_path / "data", host=host) as service:
        service.wait_until(lambda: f" serves on {service.url} " in service.said, f"it serves on {service.url}")
        everywhere = host in ("0.0.0.0", "::")  # noqa: S104
        assert ("listens on all addresses" in service.said) is everywhere
        assert (
            "Anyone who reaches it may register and publish: set REGISTRATION=closed" in service.said
        ) is everywhere
        assert "is off" not in service.said
        assert service.status("/docs") == 200
        with service.client() as client:
            # Where nothing says where the blog is, it is where it is served.
            assert f'href="{service.url}/feed.atom"' in client.get("/feed.atom").text
            assert f"Sitemap: {service.url}/sitemap.xml" in client.get("/robots.txt").text


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_it_says_which_guards_are_off_and_nothing_of_those_that_are_on(tmp_path: Path) -> None:
    guards: dict[str, Any] = {"registration": "closed", "rate_limits": "off", "password_blocklist": "off"}
    with Service(tmp_path / "data", host="::", **guards) as service:
        service.wait_until(lambda: "Press Ctrl-C" in service.said, "it serves")
        assert "register" not in service.said
        assert "RATE_LIMITS is off" in service.said
        assert "PASSWORD_BLOCKLIST is off" in service.said
        with service.client() as client:
            assert client.post("/users", json={}).status_code == 403
            form = {"username": "ada", "password": "wrong"}
            assert {client.post("/auth/login", data=form).status_code for _ in range(8)} == {401}


def test_workers_count_failed_logins_together_and_know_who_signed_in(tmp_path: Path) -> None:
    """As it is put to work: two workers behind a proxy, and nothing of a test in it."""
    with Service(tmp_path / "data", workers=2, trusted_proxies="127.0.0.1") as service:
        service.register()

        def log_in(address: str, password: str) -> httpx.Response:
            # A connection of its own, so that both workers are met.
            with service.client() as client:
                form = {"username": "ada", "password": password}
                return client.post("/auth/login", data=form, headers={"X-Forwarded-For": address})

        # That was from this machine; and now from home.
        assert log_in("192.0.2.1", PASSWORD).status_code == 200
        with ThreadPoolExecutor(12) as threads:
            guesses = list(threads.map(lambda number: log_in(f"203.0.113.{number}", "wrong"), range(12)))
        assert sorted(guess.status_code for guess in guesses) == [401] * 5 + [429] * 7
        assert {int(guess.headers["retry-after"]) for guess in guesses if guess.status_code == 429} <= set(
            range(1, 6)
        )
        assert log_in("192.0.2.1", PASSWORD).status_code == 200


def test_it_says_that_it_serves_once_it_answers(tmp_path: Path) -> None:
    service = Service(tmp_path / "data")
    try:
        for _ in range(3):
            service.start()
            deadline = time.monotonic() + PATIENCE
            while " serves on " not in service.said:
                assert time.monotonic() < deadline
            assert service.status("/health/live") == 200
            assert service.stop() == 0
    finally:
        service.kill_everything()


def test_it_serves_when_nothing_reads_what_it_says(configured: dict[str, object], tmp_path: Path) -> None:
    url, key = configured["database_url"], configured["secret_key"]
    service = Service(tmp_path / "data", database_url=url, secret_key=key)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        service.start(output=writer)
        service.wait_until(lambda: service.status("/health/ready") == 200, "it is ready")
        assert service.stop() == 0
        assert not service.complaints
    finally:
        os.close(writer)
        service.kill_everything()


def test_a_site_that_the_file_names_is_where_the_blog_is(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SITE_URL=https://blog.example.org/notes\n")
    with Service(tmp_path / "data") as service, service.client() as client:
        assert "Sitemap: https://blog.example.org/notes/sitemap.xml" in client.get("/robots.txt").text


def test_secrets_may_be_in_files(configured: dict[str, object], tmp_path: Path) -> None:
    for name, value in configured.items():
        (tmp_path / name).write_text(f"{value}\n")
    (tmp_path / ".env").write_text(f"DATABASE_URL_FILE={tmp_path / 'database_url'}\n")
    with Service(tmp_path / "data", workers=2, secret_key_file=tmp_path / "secret_key") as service:
        signed_in = service.register()
        for _ in range(10):
            with service.client() as client:
                assert client.get("/users/me", headers=signed_in).status_code == 200
    assert not (tmp_path / "data").exists()


def test_an_exchange_of_keys_signs_nobody_out_and_ends_no_preview(tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.write_text(SECRET_KEY[::-1])
    with Service(tmp_path / "data", workers=2) as service:
        signed_in = service.register()
        with service.client() as client:
            article = client.post("/articles", json={**ARTICLE, "published": False}, headers=signed_in).json()["id"]
            shown = client.post(f"/articles/{article}/previews", json={"of": "article"}, headers=signed_in)
        link = f"/preview?token={shown.json()['token']}"
        assert service.stop() == 0

        # The key of before is where the blog keeps its own.
        service.settings = {"secret_key_file": new, "secret_key_previous_file": tmp_path / "data" / "secret_key"}
        service.start()
        service.wait_until_ready()
        for _ in range(10):  # of either worker
            with service.client() as client:
                assert client.get("/users/me", headers=signed_in).status_code == 200
                assert client.get(link).status_code == 200
        with service.client() as client:
            again = client.post("/auth/login", data={"username": "ada", "password": PASSWORD})
        assert service.stop() == 0
        said = service.said + service.log
        assert SECRET_KEY[::-1] not in said
        assert (tmp_path / "data" / "secret_key").read_text() not in said

        service.settings = {"secret_key_file": new}
        service.start()
        service.wait_until_ready()
        with service.client() as client:
            assert client.get("/users/me", headers=signed_in).status_code == 401
            assert client.get(link).status_code == 404
            signed_in = {"Authorization": f"Bearer {again.json()['access_token']}"}
            assert client.get("/users/me", headers=signed_in).status_code == 200


def test_two_services_share_a_data_folder(tmp_path: Path) -> None:
    one, other = (Service(tmp_path / "data") for _ in range(2))
    try:
        # At once, and on a folder where there is nothing yet.
        one.start()
        other.start()
        one.wait_until_ready()
        other.wait_until_ready()
        attached, owner = sorted((one, other), key=lambda service: "Starting PostgreSQL" in service.said)
        assert "Starting PostgreSQL" not in attached.said
        with owner.client() as here, attached.client() as there:
            # Who is signed in here is signed in there: they share the key, too.
            written = there.post("/articles", json=ARTICLE, headers=owner.register())
            assert written.status_code == 201
            assert here.get(written.headers["Location"]).json() == written.json() | {
                "publish_at": None,
                "has_working_copy": None,
            }
        assert attached.stop() == 0
        assert owner.status("/health/ready") == 200
    finally:
        one.kill_everything()
        other.kill_everything()


# Stopping


@pytest.mark.parametrize(("number", "group"), [(signal.SIGTERM, False), (signal.SIGINT, True)])
def test_a_signal_lets_requests_in_flight_finish(number: signal.Signals, group: bool, tmp_path: Path) -> None:
    logins = 8
    with (
        Service(tmp_path / "data", rate_limits="off") as service,
        ExitStack() as clients,
        ThreadPoolExecutor(logins) as threads,
    ):
        service.register()

        def log_in() -> httpx.Response:
            client = clients.enter_context(service.client())
            return client.post("/auth/login", data={"username": "ada", "password": PASSWORD})

        replies = [threads.submit(log_in) for _ in range(logins)]
        # They take a quarter of a second each, one after the other: once one is answered, all others have arrived.
        next(as_completed(replies, PATIENCE))
        waiting = sum(not reply.done() for reply in replies)
        began = time.monotonic()
        exit_code = service.stop(number, group=group)
        assert waiting >= logins // 2
        assert [reply.result(PATIENCE).status_code for reply in replies] == [200] * logins
        assert exit_code == 0
        assert time.monotonic() - began < SOON * 2
        service.wait_until_gone(within=SOON)
        assert service.said.endswith("\nStopped.\n")
        assert not service.complaints


def test_a_worker_that_does_not_stop_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    told = threading.Event()
    worker = multiprocessing.get_context("fork").Process(target=signal.pause)
    worker.start()
    _kill_workers_after(0.1, told.is_set)
    assert worker.is_alive()
    told.set()
    worker.join(PATIENCE)
    assert worker.exitcode == -signal.SIGKILL
    assert "has not stopped within 0.1 seconds" in caplog.text


def test_a_signal_is_heard_while_it_starts(tmp_path: Path) -> None:
    service = Service(tmp_path / "data", workers=2)
    try:
        service.start()
        service.wait_until(lambda: "Starting PostgreSQL" in service.said, "it starts PostgreSQL")
        assert service.stop(within=SOON) == -signal.SIGTERM
        service.wait_until_gone(within=SOON)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            service.start()
            service.wait_until(lambda: len(service.workers_alive()) == service.workers, "it starts workers")
            # A supervisor of services tells all of them at once, and so does a terminal.
            exit_code = service.stop(number, group=number != signal.SIGKILL, within=SOON * 2)
            assert exit_code == (-number if number == signal.SIGKILL else 0)
            service.wait_until_gone(within=SOON)
            assert not service.complaints
    finally:
        service.kill_everything()


def test_it_does_not_outlive_its_terminal(tmp_path: Path) -> None:
    service = Service(tmp_path / "data")
    keyboard, terminal = os.openpty()
    try:
        service.start(terminal=terminal)
        service.wait_until_ready()
        os.close(keyboard)
        assert service.wait(within=SOON) == 0
        service.wait_until_gone(within=SOON)
    finally:
        os.close(terminal)
        service.kill_everything()


def test_without_a_terminal_sighup_stops_nothing(service: Service) -> None:
    """A supervisor of services sends it, to one process or to all, and means "read your settings again"."""
    before = service.workers_alive()
    os.kill(service.pid, signal.SIGHUP)
    for process in service.processes():
        os.kill(process.pid, signal.SIGHUP)
    eventually(lambda: len(service.events("SIGHUP changes nothing")) >= 2, "it says what it made of it")
    with service.client() as client:
        client.get("/articles").raise_for_status()
    assert service.workers_alive() == before
    assert service.status("/health/ready") == 200
    assert service.stop() == 0
    service.wait_until_gone(within=SOON)


def test_without_a_terminal_sighup_does_not_end_its_start(tmp_path: Path) -> None:
    service = Service(tmp_path / "data")
    try:
        service.start()
        service.wait_until(lambda: "Starting PostgreSQL" in service.said, "it starts PostgreSQL")
        os.kill(service.pid, signal.SIGHUP)
        service.wait_until_ready()
    finally:
        service.kill_everything()


# Draining: told to stop, it is not ready any more, and still answers


@pytest.mark.parametrize("everybody", [False, True], ids=["the main process is told", "every process is told"])
def test_told_to_stop_it_drains_first(everybody: bool, tmp_path: Path) -> None:
    with Service(tmp_path / "data", workers=2, drain_seconds=3) as service, service.client() as client:
        signed_in = service.register()
        workers = service.workers_alive()
        client.get("/health/live").raise_for_status()
        (os.killpg if everybody else os.kill)(service.pid, signal.SIGTERM)
        told = time.monotonic()
        eventually(lambda: service.status("/health/ready") == 503, "it is not ready any more", within=1)
        answered = 0
        while time.monotonic() < told + 2:
            # Each on a connection of its own, so that both workers are asked.
            assert [service.status(path) for path in ("/health/ready", "/health/live", "/articles")] == [
                503,
                200,
                200,
            ]
            written = client.post("/articles", json=ARTICLE, headers=signed_in)
            assert (written.status_code, written.headers["Connection"]) == (201, "close")
            answered += 1
        assert answered > 5
        assert service.workers_alive() == workers
        assert service.wait() == 0
        assert 3 <= time.monotonic() - told < 3 + SOON
        service.wait_until_gone(within=SOON)
        assert len(service.events("Told to stop: /health/ready answers 503")) == 1


@pytest.mark.parametrize("then", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_draining(then: signal.Signals, tmp_path: Path) -> None:
    with Service(tmp_path / "data", workers=2, drain_seconds=60) as service:
        os.kill(service.pid, signal.SIGTERM)
        eventually(lambda: service.status("/health/ready") == 503, "it is not ready any more")
        assert service.stop(then, within=SOON) == 0
        service.wait_until_gone(within=SOON)


def test_an_interrupt_from_a_terminal_does_not_drain(tmp_path: Path) -> None:
    with Service(tmp_path / "data", workers=2, drain_seconds=60) as service:
        assert service.stop(signal.SIGINT, group=True, within=SOON) == 0
        service.wait_until_gone(within=SOON)


def test_what_is_killed_while_it_drains_leaves_nothing(tmp_path: Path) -> None:
    with Service(tmp_path / "data", workers=2, drain_seconds=60) as service:
        killed = min(service.workers_alive())
        os.kill(service.pid, signal.SIGTERM)
        eventually(lambda: service.status("/health/ready") == 503, "it is not ready any more")
        kill(killed)
        eventually(lambda: len(service.workers_alive() - {killed}) == 2, "the killed worker is replaced")
        eventually(lambda: {service.status("/health/ready") for _ in range(20)} == {503}, "none of them is ready")
        service.kill()
        service.wait_until_gone(within=SOON)


def test_whatever_is_killed_it_goes_on_or_leaves_nothing(service: Service) -> None:
    killed = min(service.workers_alive())
    kill(killed)

    def replaced() -> bool:
        workers = service.workers_alive()
        return len(workers) == 2 and killed not in workers

    eventually(replaced, "the killed worker is replaced")
    assert "Unexpected exit" not in service.said
    told = [
        record
        for line in service.complaints.splitlines()
        if "Unexpected exit" in (record := json.loads(line))["event"]
    ]
    assert [record["level"] for record in told] == ["error"]
    assert f"(process {killed}): SIGKILL killed it" in told[0]["event"]
    service.wait_until_ready()
    assert {service.status("/health/ready") for _ in range(20)} == {200}

    service.kill()
    service.wait_until_gone(within=SOON)
    service.start()
    service.wait_until_ready()


# The blog's own PostgreSQL: whoever runs it may stop, or it may


class Reader:
    """Somebody who reads and writes without pause, and remembers how they were answered."""

    def __init__(self, service: Service, signed_in: dict[str, str]) -> None:
        self._service, self._signed_in = service, signed_in
        self.statuses: set[int] = set()
        self.written: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(PATIENCE)

    def _ask(self) -> None:
        with self._service.client() as client:
            while not self._ended.wait(0.02):
                reply = client.post("/articles", json=ARTICLE, headers=self._signed_in)
                if reply.status_code == 201:
                    self.written.append(reply.headers["Location"])
                self.statuses |= {reply.status_code, client.get("/articles?limit=1").status_code}

    def finds_everything(self) -> bool:
        with self._service.client() as client:
            return all(client.get(place).status_code == 200 for place in self.written)


@pytest.mark.parametrize("ends", ["is stopped", "is killed"])
def test_who_is_attached_takes_the_database_over(ends: str, tmp_path: Path) -> None:
    owner, attached, third = (Service(tmp_path / "data", workers=2) for _ in range(3))
    try:
        with owner:
            signed_in = owner.register()
            attached.start()
            attached.wait_until_ready()
            with Reader(attached, signed_in) as reader:
                eventually(lambda: len(reader.written) > 5, "something is written")
                if ends == "is stopped":
                    assert owner.stop() == 0
                else:
                    owner.kill()
                owner.wait_until_its_group_is_gone(within=SOON)
                before = len(reader.written)
                eventually(lambda: len(reader.written) > before + 5, "something is written again", within=SOON * 2)
            assert reader.statuses <= {200, 201, 503}
            assert reader.finds_everything()
            assert [event["level"] for event in attached.events("stopped. This one starts it again")] == ["warning"]
            assert attached.events("PostgreSQL runs again")
            # It owns the server now: another that comes is attached to it, and takes it over in turn.
            third.start()
            third.wait_until_ready()
            assert "Starting PostgreSQL" not in third.said
            attached.kill()
            eventually(lambda: third.status("/health/ready") == 200, "the third has taken it over", within=SOON * 2)
            eventually(lambda: third.events("PostgreSQL runs again"), "it says so")
            assert third.stop() == 0
            third.wait_until_gone(within=SOON)
    finally:
        for service in (owner, attached, third):
            service.kill_everything()


def _is_ready(service: Service) -> bool:
    return service.status("/health/ready") == 200


def test_of_several_that_are_attached_one_takes_the_database_over(tmp_path: Path) -> None:
    owner, *attached = (Service(tmp_path / "data") for _ in range(4))
    try:
        with owner:
            for service in attached:
                service.start()
            for service in attached:
                service.wait_until_ready()
            owner.kill()
            for service in attached:
                eventually(partial(_is_ready, service), "it is ready", within=SOON * 2)
            eventually(
                lambda: sum(bool(service.events("PostgreSQL runs again")) for service in attached) == 1,
                "one of them has taken it over",
            )
            for service in attached:
                assert service.stop() == 0
            owner.wait_until_gone(within=SOON)
    finally:
        for service in (owner, *attached):
            service.kill_everything()


def test_who_cannot_take_the_database_over_says_so_and_stops(tmp_path: Path) -> None:
    owner, attached = (Service(tmp_path / "data") for _ in range(2))
    try:
        with owner:
            attached.start()
            attached.wait_until_ready()
            # What PostgreSQL refuses on its next start.
            with next(owner.folder.glob("postgresql-[0-9][0-9]/postgresql.conf")).open("a") as file:
                file.write("nonsense = on\n")
            owner.kill()
            assert attached.wait(within=PATIENCE) == 1
            assert attached.events("PostgreSQL cannot be taken over, so the service stops: PostgreSQL does not start")
            *_, last = attached.complaints.splitlines()
            assert last.startswith("blog: PostgreSQL does not start on ")
            attached.wait_until_gone(within=SOON)
    finally:
        for service in (owner, attached):
            service.kill_everything()


@pytest.mark.parametrize("whom", ["the server", "a process of the server", "what starts it again", "both"])
def test_a_death_of_its_own_database_stands_in_its_log(whom: str, tmp_path: Path) -> None:
    with Service(tmp_path / "data", workers=2) as service:
        _see_a_death(service, whom)
        assert service.stop() == 0
        service.wait_until_gone(within=SOON)


def _see_a_death(service: Service, whom: str) -> None:
    with Reader(service, service.register()) as reader:
        eventually(lambda: len(reader.written) > 5, "something is written")
        postmaster = service.postmaster()
        children = [process for process in processes() if process.parent == postmaster]
        supervisor = next(process for process in processes() if process.pid == postmaster).parent
        killed, words = {
            "the server": ([postmaster], "PostgreSQL has died (SIGKILL killed it). It is started again"),
            "a process of the server": (
                [next(process.pid for process in children if "checkpointer" in process.command)],
                "A process of PostgreSQL has died (checkpointer process (PID",
            ),
            "what starts it again": (
                [supervisor],
                "The process that starts PostgreSQL again when it dies was killed",
            ),
            "both": ([supervisor, postmaster], "The process that starts PostgreSQL again when it dies was killed"),
        }[whom]
        kill(*killed)
        eventually(lambda: service.events(words), "the log says so", within=SOON * 2)
        assert {event["level"] for event in service.events(words)} == {"error"}
        eventually(lambda: service.events("PostgreSQL runs again"), "and that it runs again", within=SOON * 2)
        before = len(reader.written)
        eventually(lambda: len(reader.written) > before + 5, "something is written again", within=SOON * 2)
    assert reader.statuses <= {200, 201, 503}
    assert reader.finds_everything()


SMALL_DISK = """
log="$1"/postgresql-*/pg_wal
mkdir "$1"/small && mount -t tmpfs -o size=40m none "$1"/small || exit
cp -a $log/. "$1"/small && mount --bind "$1"/small $log || exit
shift
exec "$@"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file system of its own more room")
def test_a_full_disk_stands_in_its_log_and_loses_nothing(tmp_path: Path) -> None:
    mounts = ["unshare", "--user", "--map-root-user", "--mount", "--propagation", "private", "sh", "-c"]
    if subprocess.run([*mounts, "mount -t tmpfs none /mnt"], capture_output=True, check=False).returncode:
        pytest.skip("this machine makes no namespaces for tests")
    with Service(tmp_path / "data") as service:
        signed_in = service.register()
        assert service.stop() == 0
        service.prefix = [*mounts, SMALL_DISK, "sh", str(service.folder)]
        service.start()
        service.wait_until_ready()
        article = {"title": "Large", "published": True}
        written, statuses = [], set()
        with service.client() as client:

            def is_full() -> bool:
                reply = client.post(
                    "/articles", json={**article, "content": os.urandom(99_000).hex()}, headers=signed_in
                )
                statuses.add(reply.status_code)
                if reply.status_code == 201:
                    written.append(reply.headers["Location"])
                return bool(service.events("It is started again until it stays up"))

            eventually(is_full, "the disk is full", within=2 * PATIENCE)
            (told, *_) = service.events("It is started again until it stays up")
            for words in ("PostgreSQL has died (could not", "No space left on device", "Make room", "postgresql.log"):
                assert words in told["event"]
            enter = ["nsenter", "--user", "--preserve-credentials", "--mount", "--target", str(service.pid)]
            more = ["mount", "-o", "remount,size=400m", str(service.folder / "small")]
            subprocess.run([*enter, *more], check=True, capture_output=True)
            eventually(lambda: service.status("/health/ready") == 200, "it goes on when there is room")
            assert statuses == {201, 503}
            assert {client.get(place).status_code for place in written} == {200}
        eventually(lambda: service.events("PostgreSQL runs again"), "it says so")
        # Not every second: what goes wrong again and again is said again after a minute.
        assert len(service.events("It is started again until it stays up")) < 3


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_what_killed_a_worker_is_named(number: signal.Signals, tmp_path: Path) -> None:
    with Service(tmp_path / "data", workers=2) as service:
        killed = max(service.workers_alive())
        os.kill(killed, number)
        (told,) = eventually(lambda: service.events("Unexpected exit"), "it says that a worker ended")
        assert told["event"].endswith(f" (process {killed}): {number.name} killed it.")


def test_a_worker_that_replaces_another_has_its_settings(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("APP_NAME=Notes\n")
    with Service(tmp_path / "data") as service:
        file.write_text("APP_NAME='Half of it\nDEBUG=perhaps\n")
        (killed,) = service.workers_alive()
        kill(killed)
        eventually(lambda: service.workers_alive() - {killed}, "the killed worker is replaced")
        service.wait_until_ready()
        with service.client() as client:
            assert "<title>Notes</title>" in client.get("/feed.atom").text


# Where a user has no home and no name, and the disk can only be read

READ_ONLY = """
for writable do
    [ "$writable" = -- ] && break
    mount --bind "$writable" "$writable" || exit
done
mount -o remount,bind,ro / || exit
while [ "$1" != -- ]; do shift; done
shift
cd "$PWD"
exec "$@"
"""
NOBODY_KNOWN = ["unshare", "--user", "--map-user=12345", "--map-group=12345", "--"]
HOMELESS = ["env", "-u", "HOME", "-u", "TMPDIR", "-u", "XDG_DATA_HOME"]


def read_only_but(*folders: Path) -> list[str]:
    """What runs a command where nothing can be written but what is in these folders."""
    mounts = ["unshare", "--user", "--map-root-user", "--mount", "--propagation", "private", "sh", "-c", READ_ONLY]
    prefix = [*mounts, "sh", *map(str, folders), "--", *NOBODY_KNOWN, *HOMELESS]
    script = 'touch "$HOME/x" /tmp/x /var/tmp/x 2>/dev/null && exit 1; id -u; test -z "$HOME"'
    tried = subprocess.run([*prefix, "sh", "-c", script], capture_output=True, encoding="utf-8", check=False)
    if (tried.returncode, tried.stdout) != (0, "12345\n"):
        pytest.skip(f"this machine makes no namespaces for tests: {tried.stderr}")
    return prefix


def test_a_user_without_a_home_is_asked_for_a_folder(tmp_path: Path) -> None:
    for command in ("serve", "db check", "db upgrade", "article list", "backup -"):
        result = blog(*command.split(), cwd=tmp_path, prefix=read_only_but())
        assert result.returncode == 2
        assert "Traceback" not in result.stderr
        first, *lines = result.stderr.splitlines()
        assert first.startswith("blog: the settings cannot be used")
        assert [line.split()[0] for line in lines] == ["BLOG_DATA_DIR"]
        assert "DATABASE_URL" in lines[0]


@pytest.mark.parametrize("workers", [1, 2])
def test_on_a_configured_database_it_needs_no_home_no_name_and_no_disk(
    workers: int, configured: dict[str, object], tmp_path: Path
) -> None:
    prefix = read_only_but()
    assert blog("db", "check", cwd=tmp_path, prefix=prefix, **configured).returncode == 0
    url, key = configured["database_url"], configured["secret_key"]
    with Service(
        tmp_path / "data", workers=workers, prefix=prefix, database_url=url, secret_key=key, blog_data_dir=""
    ) as service:
        signed_in = service.register()
        with service.client() as client:
            large = {**ARTICLE, "content": "The engine weaves. " * 4_000}
            assert client.post("/articles", json=large, headers=signed_in).status_code == 201
            assert "weaves" in client.get("/articles?include=content_html").text
        killed = min(service.workers_alive())
        kill(killed)
        eventually(lambda: len(service.workers_alive() - {killed}) == workers, "the killed worker is replaced")
        service.wait_until_ready()
        assert service.stop() == 0
        assert not [line for line in service.complaints.splitlines() if "Unexpected exit" not in line]


@pytest.mark.parametrize("sslmode", ["prefer", "disable"])
def test_a_home_of_somebody_else_is_none(sslmode: str, tmp_path: Path) -> None:
    """`setpriv` leaves the variable as it was, and the driver would stumble over files that it may not see."""
    home = tmp_path / "home"
    home.mkdir(mode=0)
    prefix = [*NOBODY_KNOWN]
    probe = subprocess.run([*prefix, "ls", str(home)], capture_output=True, check=False)
    if b"Permission denied" not in probe.stderr:
        pytest.skip("this machine makes no namespaces for tests")
    url = f"postgresql://ada@127.0.0.1:{free_port()}/blog?sslmode={sslmode}"
    for told, words in (({}, "BLOG_DATA_DIR is missing"), ({"database_url": url}, "Connect call failed")):
        result = blog("db", "check", cwd=tmp_path, prefix=prefix, home=home, **told)
        assert words in result.stderr
        assert "Traceback" not in result.stderr


def test_its_own_database_needs_one_folder_and_no_home_and_no_name(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with Service(data, workers=2, prefix=read_only_but(data)) as service:
        signed_in = service.register()
        assert service.stop() == 0
        service.wait_until_gone(within=SOON)
        service.start()
        service.wait_until_ready()
        with service.client() as client:
            assert client.get("/users/me", headers=signed_in).status_code == 200


# Refusing to start: what is wrong, in one sentence, and how to mend it


def assert_refused(result: subprocess.CompletedProcess[str], *words: str, exit_code: int = 1) -> None:
    assert result.returncode == exit_code, result
    assert result.stderr.startswith("blog: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as listener:
        # What the workers of another service set: they share their port with each other, and with nobody else.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        result = blog("serve", "--port", port, cwd=tmp_path, blog_data_dir=tmp_path / "data")
    assert_refused(result, f"port {port}", "in use", "--port")
    assert not (tmp_path / "data").exists()


def test_more_connections_than_its_own_postgresql_has_are_refused(tmp_path: Path) -> None:
    arguments = ["serve", "--port", free_port(), "--workers", 4]
    result = blog(*arguments, cwd=tmp_path, blog_data_dir=tmp_path / "data", database_pool_size=23)
    assert_refused(
        result, "4 workers with 23 connections", "want 92", "has 90", "DATABASE_POOL_SIZE to 22", "--workers"
    )
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    result = blog("serve", "--port", free_port(), cwd=tmp_path, blog_data_dir=tmp_path / "data")
    assert_refused(result, str(tmp_path / "data"), "BLOG_DATA_DIR", "DATABASE_URL")


def test_data_of_another_postgresql_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "data" / "postgresql-13"
    other.mkdir(parents=True)
    (other / "PG_VERSION").write_text("13\n")
    result = blog("serve", "--port", free_port(), cwd=tmp_path, blog_data_dir=tmp_path / "data")
    assert_refused(result, str(other), "PostgreSQL 13", "BLOG_DATA_DIR", "DATABASE_URL")
    assert [path.name for path in other.parent.glob("postgresql-*")] == [other.name]


def test_all_settings_that_are_wrong_are_named(tmp_path: Path) -> None:
    wrong = {"debug": "perhaps", "algorithm": "none", "database_pool_size": "0", "database_url": "mysql://host/db"}
    result = blog("serve", cwd=tmp_path, **wrong)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    first, *lines = result.stderr.splitlines()
    assert first.startswith("blog: the settings cannot be used")
    assert sorted(line.split()[0] for line in lines) == sorted([*map(str.upper, wrong), "SECRET_KEY"])


BROKEN = """
import importlib.abc, importlib.util, sys


class Breaker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "blog.entrypoints.http.app":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module

        def break_after(module):
            def build(container):
                raise LookupError("no such part")

            run(module)
            module.build = build

        spec.loader.exec_module = break_after
        return spec


sys.meta_path.insert(0, Breaker())
"""


def test_an_application_that_cannot_be_built_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(BROKEN)
    service = Service(tmp_path / "data", workers=2, pythonpath=tmp_path)
    try:
        service.start()
        assert service.wait() == 1
        assert service.complaints.startswith("blog: The service cannot start (LookupError: no such part).")
        assert service.complaints.count("\n") == 0
        assert "serves on" not in service.said
        service.wait_until_gone(within=SOON)
    finally:
        service.kill_everything()


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret_key": "\udcff" * 40},
        {"app_name": "Blog\x1b[2J"},
        {"blog_data_dir": "~no-such-user/blog"},
        {"blog_data_dir": "\udcff"},
        {"database_url": "postgresql://u@h/d?sslmode=bogus"},
        {"database_url": "postgresql://u@h/d?target_session_attrs=master"},
        {"database_url": "postgresql://u@/d?host=a:1:2&host=b:1"},
        {"database_url": "postgresql://u:%00@h/d"},
        {"database_url_file": "/dev/zero"},
        {"secret_key_file": "/no/such/file"},
        {"site_url": "http://[::1"},
        {"site_ulr": "http://a.example"},
    ],
)
@pytest.mark.parametrize("command", ["db check", "article list"])
def test_rubbish_in_the_environment_is_named(command: str, wrong: dict[str, object], tmp_path: Path) -> None:
    result = blog(*command.split(), cwd=tmp_path, **{"blog_data_dir": tmp_path / "data", **wrong})
    assert result.returncode == 2, result
    first, *lines = result.stderr.splitlines()
    assert first.startswith("blog: the settings cannot be used")
    assert [line.split()[0] for line in lines] == [name.upper() for name in wrong]


@pytest.mark.parametrize("name", ["pgsslmode", "pgtargetsessionattrs"])
def test_what_the_driver_does_not_take_from_the_environment_is_refused(name: str, tmp_path: Path) -> None:
    url = "postgresql://u@127.0.0.1:1/d"
    result = blog("db", "check", cwd=tmp_path, database_url=url, **{name: "bogus"})
    assert_refused(result, "PostgreSQL cannot be used like this")


def test_a_configured_database_needs_a_key(tmp_path: Path) -> None:
    result = blog("serve", cwd=tmp_path, database_url="postgresql://nobody@127.0.0.1:1/blog")
    assert result.returncode == 2
    assert "SECRET_KEY is missing" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "host", ["blog.invalid", "192.0.2.1", "h" * 64, "fe80::1%lo", "[::1]", " ", "224.0.0.1", "255.255.255.255"]
)
def test_a_host_that_is_not_of_this_machine_is_refused(host: str, tmp_path: Path) -> None:
    result = blog("serve", "--host", host, cwd=tmp_path, blog_data_dir=tmp_path / "data")
    assert_refused(result, host, "address of this machine: --host")


@pytest.mark.parametrize("command", ["serve", "db upgrade"])
@pytest.mark.parametrize(
    "place", ["a port that nobody listens on", "a host that nobody knows", "a database that is not there"]
)
def test_a_database_that_cannot_be_had_is_refused(command: str, place: str, empty: URL, tmp_path: Path) -> None:
    url, reason = {
        "a port that nobody listens on": (f"postgresql://ada:hush@127.0.0.1:{free_port()}/blog", "failed"),
        "a host that nobody knows": ("postgresql://ada:hush@blog.invalid/blog", "Correct the host"),
        "a database that is not there": (address(empty.set(database="nowhere")), '"nowhere" does not exist'),
    }[place]
    port = ["--port", free_port()] if command == "serve" else []
    result = blog(*command.split(), *port, cwd=tmp_path, database_url=url, secret_key=SECRET_KEY)
    assert_refused(result, "PostgreSQL", reason, "DATABASE_URL")
    assert "hush" not in result.stderr


@contextmanager
def refusing(sqlstate: str) -> Iterator[str]:
    """The address of a PostgreSQL that refuses whoever comes, with this SQLSTATE."""
    fields = f"SFATAL\0C{sqlstate}\0Mthe reason\0\0".encode()
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as thread:
        server.settimeout(PATIENCE)

        def refuse() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1024)
                client.sendall(b"E" + struct.pack("!I", 4 + len(fields)) + fields)

        refused = thread.submit(refuse)
        yield f"postgresql://ada:hush@127.0.0.1:{server.getsockname()[1]}/blog?sslmode=disable"
        refused.result()


@pytest.mark.parametrize(
    ("sqlstate", "remedy"),
    [
        ("28P01", "Correct the user and the password in DATABASE_URL."),
        ("3D000", "Create it, or name another in DATABASE_URL."),
        ("42501", "Have its user granted"),
        ("53300", "ask for fewer: --workers, DATABASE_POOL_SIZE."),
        ("53100", "Give it what it lacks."),
        ("55P03", "Run this again when whoever holds the lock is done."),
        ("57P03", "Run this again when it is up."),
        ("XX000", "name another in DATABASE_URL."),
    ],
)
def test_the_remedy_fits_the_reason(sqlstate: str, remedy: str, tmp_path: Path) -> None:
    with refusing(sqlstate) as url:
        result = blog("db", "check", cwd=tmp_path, database_url=url)
    assert_refused(result, "PostgreSQL refuses (the reason). ", remedy)


def test_a_database_that_says_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://ada:hush@127.0.0.1:{silent.getsockname()[1]}/blog"
        result = blog("db", "check", cwd=tmp_path, database_url=url, database_timeout_seconds=1)
    assert_refused(result, "PostgreSQL does not answer (it takes too long).", "DATABASE_URL")


async def test_a_database_that_is_busy_is_not_taken_for_one_that_is_away(
    configured: dict[str, object], empty: URL, tmp_path: Path
) -> None:
    engine = create_async_engine(empty, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text("LOCK TABLE alembic_version"))
        check = partial(blog, "db", "check", cwd=tmp_path, database_timeout_seconds=1, **configured)
        assert_refused(await asyncio.to_thread(check), "timeout", "DATABASE_TIMEOUT_SECONDS to more")


def test_a_configured_database_is_not_migrated_unasked(empty: URL, tmp_path: Path) -> None:
    settings = {"database_url": address(empty), "secret_key": SECRET_KEY}
    result = blog("serve", "--port", free_port(), cwd=tmp_path, **settings)
    assert_refused(result, "blog db upgrade")


# The other commands


def test_it_explains_itself(tmp_path: Path) -> None:
    version = blog("--version", cwd=tmp_path)
    assert (version.returncode, version.stdout) == (0, f"blog {__version__}\n")
    overview = blog("--help", cwd=tmp_path)
    assert overview.returncode == 0
    for command in ("serve", "db"):
        details = blog(command, "--help", cwd=tmp_path)
        assert details.returncode == 0
        assert command in overview.stdout
        assert f"usage: blog {command}" in details.stdout
    nothing = blog(cwd=tmp_path)
    assert (nothing.returncode, nothing.stdout) == (2, "")


def test_it_looks_after_a_configured_database(empty: URL, tmp_path: Path) -> None:
    settings = {"database_url": address(empty)}

    def db(*arguments: str) -> tuple[int, str]:
        result = blog("db", *arguments, cwd=tmp_path, **settings)
        assert not result.stderr
        return result.returncode, result.stdout.rstrip("\n")

    assert "(head)" in db("history")[1]
    behind = db("check")
    assert behind[0] == 1
    assert "blog db upgrade" in behind[1]
    exit_code, said = db("upgrade")
    assert exit_code == 0
    assert re.fullmatch(r"Applying \d+ migrations, 0001 to \d{4} …\nThe schema is current\.", said)
    assert db("upgrade") == (0, "The schema is current.")
    assert db("check") == (0, "The schema is current.")
    undecided = blog("db", "downgrade", cwd=tmp_path, **settings)
    assert (undecided.returncode, undecided.stdout) == (2, "")
    assert "usage: blog db downgrade" in undecided.stderr
    assert db("check") == (0, "The schema is current.")
    exit_code, said = db("downgrade", "-1")
    assert exit_code == 0
    assert re.fullmatch(r"Taking back \d{4} \(.+\), which leaves .+\.\nThe schema is behind\.", said)
    assert_refused(blog("db", "upgrade", "nonsense", cwd=tmp_path, **settings), "nonsense", "blog db history")


def test_a_terminal_that_is_not_of_utf_8_is_no_fault(tmp_path: Path) -> None:
    result = blog("db", "upgrade", cwd=tmp_path, blog_data_dir=tmp_path / "data", pythonioencoding="ascii")
    assert (result.returncode, result.stderr) == (0, "")
    assert "The schema is current." in result.stdout


def test_it_looks_after_its_own_database(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert blog("db", "upgrade", cwd=tmp_path, blog_data_dir=data).returncode == 0
    assert blog("db", "check", cwd=tmp_path, blog_data_dir=data).returncode == 0
    assert not Service(data).processes()

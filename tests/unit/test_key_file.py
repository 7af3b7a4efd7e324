"""The blog's own key, in a file of its data folder."""

import errno
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from blog.entrypoints.commands import Failure, _with_key
from blog.settings import Settings


def key(folder: Path, **others: str) -> str | None:
    return _with_key(Settings.load({"BLOG_DATA_DIR": str(folder), **others}, file=None)).secret_key


def test_it_is_made_once_and_for_nobody_else_to_read(tmp_path: Path) -> None:
    made = key(tmp_path, ALGORITHM="HS512")
    assert made == key(tmp_path) == (tmp_path / "secret_key").read_text()
    assert [file.name for file in tmp_path.iterdir()] == ["secret_key"]
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_a_key_that_is_set_needs_no_file(tmp_path: Path) -> None:
    assert key(tmp_path / "missing", SECRET_KEY="k" * 32) == "k" * 32
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (Path.mkdir, "(Is a directory). Make"),
        (lambda file: file.symlink_to("nowhere"), "(No such file or directory). Make"),
        (lambda file: file.parent.rmdir(), "(No such file or directory). Make"),
        (lambda file: file.write_bytes(b"\xff" * 64), "(not text). Make"),
        (Path.touch, "is empty or too short for HS256. Put it back, or remove it"),
        (lambda file: file.write_text("k" * 31), "is empty or too short for HS256. Put it back, or remove it"),
    ],
)
def test_a_file_that_holds_no_key_is_named(spoil: Callable[[Path], object], reason: str, tmp_path: Path) -> None:
    file = tmp_path / "data" / "secret_key"
    file.parent.mkdir()
    spoil(file)
    with pytest.raises(Failure, match=re.escape(f"{file} {reason}")):
        key(file.parent)


def test_a_disk_without_hard_links_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(Failure, match=r"secret_key \(Operation not permitted\)\. .* hard links, or set SECRET_KEY"):
        key(tmp_path)
    assert list(tmp_path.iterdir()) == []

"""Where settings are read from: the environment, a `.env` file, and the files that they name for secrets."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream
from dotenv.variables import Variable, parse_variables

from blog.settings.files import Unreadable, read_text
from blog.settings.names import misspelled, shown

WRITE = "write NAME=value"


@dataclass(slots=True)
class Found:
    """The text of each setting that is set, and what is wrong with where it was looked for."""

    texts: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    unreadable: bool = False
    """Whether a part of the file could not be read, so that a setting may seem to be missing that is not."""


@dataclass(frozen=True, slots=True)
class _Level:
    """One place where settings are, which wins over the next. What is blank is not set."""

    where: str
    values: Mapping[str, str]
    shared: bool
    """Whether other programs have their settings there, too."""

    def get(self, name: str) -> str:
        return self.values.get(name, "").strip()


def find(
    names: Collection[str], secrets: Collection[str], environment: Mapping[str, str], file: Path | None
) -> Found:
    """The settings of these names; each secret may also be in a file, which NAME_FILE names."""
    found = Found()
    known = {*names, *map(file_of, secrets)}
    levels = [_Level("the environment", environment, shared=True)]
    if file is not None:
        levels.append(_Level(str(file), _read_env_file(file, known, environment, found), shared=False))
    for level in levels:
        for name, right in misspelled(level.values, known, shared=level.shared).items():
            found.wrong.append(f"{shown(name)} in {level.where} is not a setting: write {right}, or take it out.")
    for name in names:
        for level in levels:
            if name in secrets and level.get(file_of(name)):
                _take_from_file(name, level, found)
                break
            if text := level.get(name):
                found.texts[name] = text
                break
    return found


def file_of(name: str) -> str:
    """The setting that names the file in which this one is."""
    return f"{name}_FILE"


def _take_from_file(name: str, level: _Level, found: Found) -> None:
    if level.get(name):
        found.wrong.append(f"{file_of(name)} and {name} are both set in {level.where}: take one of them out.")
        return
    path = level.get(file_of(name))
    try:
        if "\0" in path:
            raise ValueError("is no name of a file: take the NUL character out")
        text = read_text(Path(path)).strip()
        if not text:
            raise ValueError(f"is empty, {shown(path)}: write the value of {name} into it")
    except ValueError as error:
        found.wrong.append(f"{file_of(name)} names a file that {error}.")
    else:
        found.texts[name] = text


def _read_env_file(
    file: Path, known: Collection[str], environment: Mapping[str, str], found: Found
) -> dict[str, str]:
    """What a file of settings says; one that is not there says nothing."""
    try:
        text = read_text(file)
    except Unreadable as error:
        if not error.missing:
            found.wrong.append(
                f"{_absolute(file)} cannot be read ({error.reason}): "
                "make it a file in UTF-8 that this user may read, or move it away."
            )
            found.unreadable = True
        return {}
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    values: dict[str, str] = {}
    context = dict(environment)
    for name, value in _bindings(text, file, known, found):
        parts = list(parse_variables(value))
        values[name] = "".join(part.resolve(context) for part in parts)
        if all(part.name in context or part.default is not None for part in parts if isinstance(part, Variable)):
            context[name] = values[name]
        elif name in known:
            # Nothing would stand in its place, which may shorten a secret. What is in the braces may be a part of it.
            other = f"name with {file_of(name)} a file that has" if file_of(name) in known else "write"
            del values[name]
            found.wrong.append(
                f"{name} in {file} has a ${{…}} of something that is set neither above it nor in the environment: "
                f"set that, or {other} the value itself."
            )
    return values


def _bindings(text: str, file: Path, known: Collection[str], found: Found) -> Iterator[tuple[str, str]]:
    """Names and values. Lines that are none are named by their numbers: what is in them may be a secret."""
    lines: dict[str, int] = {}
    for binding in parse_stream(StringIO(text)):
        line = _line(binding)
        if binding.error or (binding.key is not None and binding.value is None):
            found.wrong.append(f"{file} line {line} cannot be read: {WRITE}{_about_quotes(binding)}.")
            found.unreadable = True
        elif binding.key is not None and binding.value is not None:
            if binding.key in known and binding.key in lines:
                found.wrong.append(
                    f"{binding.key} is set in {file} line {lines[binding.key]} and again in line {line}: "
                    "take one of them out."
                )
            lines[binding.key] = line
            yield binding.key, binding.value


def _line(binding: Binding) -> int:
    """The number of the line on which it begins, after empty lines that the parser counts to it."""
    text = binding.original.string
    before = text[: len(text) - len(text.lstrip())]
    return binding.original.line + len(re.findall(r"\r\n|\n|\r", before))


def _about_quotes(binding: Binding) -> str:
    _, equals, value = binding.original.string.partition("=")
    return ", with a quotation mark at both ends or at none" if equals and value.lstrip()[:1] in ("'", '"') else ""


def _absolute(file: Path) -> Path:
    try:
        return file.absolute()
    except OSError:  # The working directory is gone.
        return file

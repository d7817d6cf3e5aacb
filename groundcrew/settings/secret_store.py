"""Where `stored` secrets come from: the encrypted file of the project, or one command that prints
all of them."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from dotenv import dotenv_values
from pydantic import Field

from groundcrew.model import Settings
from groundcrew.settings import yaml
from groundcrew.settings.encrypted import file as encrypted_file
from groundcrew.settings.encrypted import identities
from groundcrew.settings.encrypted.errors import EncryptedFileError
from groundcrew.settings.errors import nearest

TIMEOUT = 60
"""Timeout of the command in seconds."""

Format = Literal["json", "yaml", "dotenv"]
MANY = 12
"""Names that an error lists at most."""


class SecretsSettings(Settings):
    """Where secrets with `stored` come from: the project's encrypted file, or a command."""

    file: str = Field(encrypted_file.NAME, min_length=1)
    """Path of the encrypted file (`groundcrew secrets edit`), relative to the project directory. It
    is not read if `command` is set."""

    command: str | None = Field(None, min_length=1)
    """Shell command on the operator's machine that prints many secrets at once (`sops -d
    --output-type json secrets.yml`); null: the encrypted file. It runs once in a run, in the
    project directory, and only if the run needs one of the secrets."""

    format: Format = "json"
    """What `command` prints: a JSON or YAML mapping, whose blocks become names with dots
    (`shop.API_KEY`), or dotenv lines (`API_KEY=value`)."""


class StoreError(Exception):
    """The store cannot be read: the key of its setting, and a message without any value."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.path = ("secrets", key)


class UnknownNameError(Exception):
    """The store does not have the secret; the message names the store."""


def value(name: str, settings: SecretsSettings, project: Path) -> str:
    """The secret of that name. Raises StoreError and UnknownNameError."""
    if settings.command is not None:
        values, error = _of_command(settings.command, settings.format, project)
        if error:
            raise StoreError("command", error)
        place = "the output of secrets.command"
    else:
        path = project / Path(settings.file).expanduser()
        values, error = _of_file(path)
        if error:
            raise StoreError("file", error)
        place = path.name
    if name not in values:
        raise UnknownNameError(f'{place} has no "{name}"{_hint(name, values)}')
    return values[name]


def _hint(name: str, values: Mapping[str, str]) -> str:
    hint = nearest(name, values)
    return hint if "did you mean" in hint or len(values) <= MANY else ""


def no_file(path: Path) -> str:
    """What an operator is told who has no encrypted file."""
    return f"there is no {path}: `groundcrew secrets init` begins one; or set secrets.command"


@cache
def _of_file(path: Path) -> tuple[dict[str, str], str]:
    """All values and an error, one of them empty."""
    if not path.exists():
        return {}, no_file(path)
    try:
        return encrypted_file.opened(encrypted_file.read(path), identities.keys()), ""
    except EncryptedFileError as error:
        return {}, str(error)


@cache
def _of_command(command: str, form: Format, project: Path) -> tuple[dict[str, str], str]:
    """All values and an error, one of them empty. The command runs once, even if it fails: several
    hosts use it, and it may ask the operator for a password. Its output is never part of an
    error."""
    program = program_of(command)
    if program and not is_installed(program, project):
        return {}, f"this machine has no {program}: install it, or fix the command"
    called = program or "the command"
    try:
        done = subprocess.run(  # noqa: S602 - the operator's own command
            command,
            shell=True,
            cwd=project,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {}, f"{called} took longer than {TIMEOUT} s"
    if done.returncode != 0:
        return {}, (
            f"{called} ended with exit status {done.returncode}. Its output may have secrets and "
            "is not shown: run the command by hand to see it"
        )
    try:
        return parsed(done.stdout.decode(), form), ""
    except ValueError:
        wanted = {"json": "a JSON object", "yaml": "a YAML mapping", "dotenv": "dotenv lines"}
        return {}, f"{called} did not print {wanted[form]} (secrets.format: {form})"


def program_of(command: str) -> str | None:
    """The program that a shell command begins with; None if that is not plain to see."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    for word in words:
        name, equals, _ = word.partition("=")
        if equals and name.isidentifier():
            continue
        return word if all(char.isalnum() or char in "._-/+~" for char in word) else None
    return None


def is_installed(program: str, project: Path) -> bool:
    """Whether a shell in the project's directory finds the program."""
    look = ["sh", "-c", 'command -v -- "$1" >/dev/null', "sh", program]
    expanded = str(Path(program).expanduser()) if program.startswith("~") else program
    return subprocess.run([*look[:-1], expanded], cwd=project, check=False).returncode == 0


def parsed(text: str, form: Format) -> dict[str, str]:
    """The values by name. Raises ValueError, whose message may have parts of the text."""
    if form == "dotenv":
        read = dotenv_values(stream=io.StringIO(text), interpolate=False)
        if text.strip() and not any(item is not None for item in read.values()):
            raise ValueError("no dotenv lines")
        return {key: item for key, item in read.items() if item is not None}
    try:
        data = (
            json.loads(text, parse_float=str, parse_int=str) if form == "json" else yaml.texts(text)
        )
    except yaml.YamlError as error:
        raise ValueError(str(error)) from None
    if not isinstance(data, dict):
        raise ValueError("no mapping")
    return dict(_flat(data, ""))


def _flat(data: Mapping[Any, Any], above: str) -> Iterator[tuple[str, str]]:
    """Texts by dotted name. Lists and nulls are no secrets."""
    for key, item in data.items():
        if isinstance(item, Mapping):
            yield from _flat(item, f"{above}{key}.")
        elif isinstance(item, bool):
            yield f"{above}{key}", yaml.spelled(item)
        elif isinstance(item, str):
            yield f"{above}{key}", item

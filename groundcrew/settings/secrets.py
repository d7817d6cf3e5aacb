"""Reads secrets on the operator's machine."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pydantic import SecretStr

from groundcrew.manifest.secret import KINDS, SecretSource
from groundcrew.settings import secret_store
from groundcrew.settings.secret_store import SecretsSettings
from groundcrew.settings.weak import is_weak

TIMEOUT = 60
"""Timeout of a command in seconds."""


NOT_GENERATED = "use env, file, command or stored"


class SecretMissingError(Exception):
    """A secret could not be read; the message names the source, never a value."""

    def __init__(self, message: str, path: tuple[str, ...] | None = None) -> None:
        super().__init__(message)
        self.path = path

    def at(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """The key to blame: that of the secret, unless what many secrets come from has failed."""
        return self.path or path


@dataclass(frozen=True)
class Machine:
    """Where secrets are read: the project on the operator's machine, and its store of secrets."""

    project: Path
    store: SecretsSettings = field(default_factory=SecretsSettings)


def check(source: SecretSource) -> None:
    """Raises SecretMissingError unless the source has exactly one kind."""
    if len(source.kinds) != 1:
        raise SecretMissingError(f"expected exactly one of: {', '.join(KINDS)}")


def of_operator(
    source: SecretSource, machine: Machine, needed: bool, never_generated: str
) -> SecretStr | None:
    """The value of a secret that hosts cannot generate; None if the run does not need it. Raises
    SecretMissingError, whose message begins with `never_generated` if the source is `generate`."""
    if source.generate:
        raise SecretMissingError(f"{never_generated}: {NOT_GENERATED}")
    if source.as_file:
        raise SecretMissingError("as_file is for the secrets of applications (app.NAME.secrets)")
    check(source)
    return resolve(source, machine) if needed else None


def resolve(source: SecretSource, machine: Machine) -> SecretStr:
    """The secret's value. Raises SecretMissingError if the source has no value or an invalid
    one."""
    check(source)
    if source.stored is not None:
        value = _stored(source.stored, machine)
    elif source.env is not None:
        value = os.environ.get(source.env, "")
        if source.env not in os.environ:
            raise SecretMissingError(f"required environment variable {source.env} is not set")
    elif source.file is not None:
        value = _file(machine.project / Path(source.file).expanduser())
    else:
        value = _command(source.command or "", machine.project)
    if not value:
        raise SecretMissingError("the secret is empty")
    if "\0" in value:
        raise SecretMissingError("the secret holds a NUL, which no environment variable can")
    if is_weak(value) and not source.allow_weak:
        raise SecretMissingError(
            "the secret is a well-known default, which attackers try first; choose another one, or "
            "set allow_weak: true"
        )
    return SecretStr(value)


def _stored(name: str, machine: Machine) -> str:
    try:
        return secret_store.value(name, machine.store, machine.project)
    except secret_store.StoreError as error:
        raise SecretMissingError(str(error), error.path) from None
    except secret_store.UnknownNameError as error:
        raise SecretMissingError(str(error)) from None


def _file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise SecretMissingError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretMissingError(f"{path} is not UTF-8 text") from None


def _command(command: str, project: Path) -> str:
    value, error = _run(command, project)
    if error:
        raise SecretMissingError(error)
    return value


@cache
def _run(command: str, project: Path) -> tuple[str, str]:
    """Output and error, one of them empty. A command runs once per run, even if it fails: several
    hosts use the same secret, and a command may ask the operator for a password."""
    try:
        done = subprocess.run(  # noqa: S602 - the operator's own command
            command,
            shell=True,
            cwd=project,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
        output = done.stdout.decode()
    except subprocess.TimeoutExpired:
        return "", f"the command took longer than {TIMEOUT} s"
    except UnicodeDecodeError:
        return "", "the command's output is not UTF-8 text"
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no error output"]
        return "", f"the command ended with exit code {done.returncode}: {lines[-1]}"
    return output.removesuffix("\n"), ""

"""Reads secrets on the operator's machine."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

from pydantic import SecretStr

from groundcrew.apps.model import SecretSource


class SecretMissingError(Exception):
    """A secret could not be read; the message names the source, never a value."""


def resolve(source: SecretSource, project: Path) -> SecretStr:
    """The secret's value. Raises SecretMissingError where the source has none."""
    given = [kind for kind in ("env", "file", "command") if getattr(source, kind) is not None]
    if len(given) != 1:
        raise SecretMissingError("expected exactly one of: env, file, command")
    if source.env is not None:
        value = os.environ.get(source.env)
        if value is None:
            raise SecretMissingError(f"required environment variable {source.env} is not set")
    elif source.file is not None:
        value = _file(project / Path(source.file).expanduser())
    else:
        value = _command(source.command or "", project)
    if not value:
        raise SecretMissingError("the secret is empty")
    return SecretStr(value)


def _file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise SecretMissingError(f"{path} cannot be read: {error.strerror}") from None


@cache
def _command(command: str, project: Path) -> str:
    try:
        done = subprocess.run(  # noqa: S602 - the operator's own command
            command,
            shell=True,
            cwd=project,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SecretMissingError("the command took longer than 60 s") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no error output"])[-1]
        raise SecretMissingError(f"the command ended with exit code {done.returncode}: {last}")
    return done.stdout.removesuffix("\n")

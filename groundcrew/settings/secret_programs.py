"""Whether the operator's machine has what secrets come from. Reads no secret, and runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from groundcrew.manifest.secret import SecretSource
from groundcrew.settings import secret_store
from groundcrew.settings.secret_store import SecretsSettings


def sources(settings: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, SecretSource]]:
    """The sources of all secrets in settings, by their keys."""
    if isinstance(settings, SecretSource):
        yield ".".join(path), settings
    elif isinstance(settings, BaseModel):
        for name in type(settings).model_fields:
            yield from sources(getattr(settings, name), (*path, name))
    elif isinstance(settings, Mapping):
        for name, value in settings.items():
            yield from sources(value, (*path, str(name)))
    elif isinstance(settings, Sequence) and not isinstance(settings, str | bytes):
        for number, value in enumerate(settings):
            yield from sources(value, (*path, str(number)))


def missing(settings: Any, store: SecretsSettings, project: Path) -> list[str] | None:
    """What the machine lacks, each with the setting that asks for it and the next step; None if no
    secret needs a program or the encrypted file."""
    every = dict(sources(settings))
    stored = [key for key, source in every.items() if source.stored is not None]
    commands = {key: source.command for key, source in every.items() if source.command is not None}
    if stored and store.command is not None:
        commands = {"secrets.command": store.command, **commands}
    if not stored and not commands:
        return None
    problems = [
        f"{key}: this machine has no {program}: install it, or fix the command"
        for key, command in commands.items()
        if (program := secret_store.program_of(command))
        and not secret_store.is_installed(program, project)
    ]
    if stored and store.command is None:
        path = project / Path(store.file).expanduser()
        if not path.exists():
            problems.append(f"secrets.file: {secret_store.no_file(path)}")
    return problems

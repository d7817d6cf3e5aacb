"""Reads the operator's secrets that roles need."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import SecretStr

from groundcrew.manifest.secret import SecretSource
from groundcrew.settings import secrets
from groundcrew.settings.errors import Problem


def read(
    sources: Mapping[tuple[str, ...], SecretSource],
    machine: secrets.Machine,
    problem: Callable[[tuple[str, ...], str], Problem],
    needed: bool,
) -> tuple[dict[tuple[str, ...], SecretStr], list[Problem]]:
    """The secrets by key, and all problems. They are only read if `needed`."""
    values, problems = {}, []
    for path, source in sources.items():
        try:
            why = "hosts do not generate it"
            value = secrets.of_operator(source, machine, needed, why)
            if value is not None:
                values[path] = value
        except secrets.SecretMissingError as error:
            problems.append(problem(error.at(path), str(error)))
    return values, problems

"""The passwords of `basic_auth` in applications' `nginx.locations`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import SecretStr

from groundcrew.apps.model import AppSettings
from groundcrew.settings import secrets
from groundcrew.settings.errors import Problem

Passwords = dict[tuple[str, str], SecretStr]
"""Key of `nginx.locations` and user -> password."""


def read_passwords(
    apps: Mapping[str, AppSettings],
    project: Path,
    problem: Callable[[tuple[str, ...], str], Problem],
    needed: bool = True,
) -> tuple[dict[str, Passwords], list[Problem]]:
    """The passwords of each application that has some; none of them are read unless `needed`."""
    values: dict[str, Passwords] = {}
    problems = []
    for name, app in apps.items():
        for key, rules in app.nginx.locations.items():
            for user, source in (rules.basic_auth or {}).items():
                try:
                    if source.generate:
                        raise secrets.SecretMissingError("a generated password nobody would know")
                    if not needed:
                        secrets.check(source)
                        continue
                    value = secrets.resolve(source, project)
                    values.setdefault(name, {})[key, user] = value
                except secrets.SecretMissingError as error:
                    place = ("app", name, "nginx", "locations", key, "basic_auth", user)
                    problems.append(problem(place, str(error)))
    return values, problems

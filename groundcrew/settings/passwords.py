"""Reads the passwords of `basic_auth` in applications' `nginx.locations`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import SecretStr

from groundcrew.manifest.model import AppSettings
from groundcrew.settings import secrets
from groundcrew.settings.errors import Problem

Passwords = dict[tuple[str, str], SecretStr]
"""Passwords by key of `nginx.locations` and user."""


def read_passwords(
    apps: Mapping[str, AppSettings],
    machine: secrets.Machine,
    problem: Callable[[tuple[str, ...], str], Problem],
    needed: bool = True,
) -> tuple[dict[str, Passwords], list[Problem]]:
    """The passwords of each application that has any, and all problems. They are only read if
    `needed`."""
    values: dict[str, Passwords] = {}
    problems = []
    for name, app in apps.items():
        for key, rules in app.nginx.locations.items():
            for user, source in (rules.basic_auth or {}).items():
                try:
                    why = "nobody would know a generated password"
                    value = secrets.of_operator(source, machine, needed, why)
                    if value is not None:
                        values.setdefault(name, {})[key, user] = value
                except secrets.SecretMissingError as error:
                    place = ("app", name, "nginx", "locations", key, "basic_auth", user)
                    problems.append(problem(error.at(place), str(error)))
    return values, problems

"""How much a run prints: `quiet`, `normal` or `verbose`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from groundcrew.settings.errors import Problem, SettingsError, nearest
from groundcrew.settings.selection import parameters

KEY = "output"
"""Setting of the command line: `--data output=quiet`."""

VARIABLE = "GROUNDCREW_OUTPUT"
DEBUG = ("debug", "debug_all", "debug_facts", "debug_operations")
"""pyinfra's options that ask for its own output, beside `-v`."""


class Mode(StrEnum):
    """How much a run prints."""

    QUIET = "quiet"
    """Warnings, failures, and the table at the end."""

    NORMAL = "normal"
    """Roles with their seconds and what changed."""

    VERBOSE = "verbose"
    """All that pyinfra prints, as well."""


def chosen(given: Mapping[str, Any], environment: Mapping[str, str]) -> Mode:
    """The mode of pyinfra's command line, else of the environment variable.

    pyinfra's own commands (`exec`, `fact`), its `-v` and its `--debug` are always verbose. Raises
    SettingsError if the environment variable has another value; the settings report a wrong `--data
    output`.
    """
    names = [str(name) for name in given.get("operations") or ()]
    if given.get("verbosity") or any(given.get(name) for name in DEBUG):
        return Mode.VERBOSE
    if not all(name.endswith(".py") for name in names):
        return Mode.VERBOSE
    values = dict(item.partition("=")[::2] for item in given.get("data") or ())
    if values.get(KEY) in set(Mode):
        return Mode(values[KEY])
    asked = environment.get(VARIABLE) or Mode.NORMAL
    if asked not in set(Mode):
        text = f'expected quiet, normal or verbose, but it is "{asked}"{nearest(asked, Mode)}'
        raise SettingsError([Problem(VARIABLE, "environment", text)])
    return Mode(asked)


def of_run() -> Mode:
    """The mode of this process's run. Raises SettingsError, as `chosen`."""
    return chosen(parameters(), os.environ)

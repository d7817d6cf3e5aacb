"""The state of applications and their releases, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypedDict

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class ReleaseState(TypedDict):
    """A release: whether it is completely built and has its Python, whether it failed or was taken
    back, whether its hooks have run, its source, and whether systemd holds its socket (None without
    a unit)."""

    built: bool
    bad: bool
    hooked: bool
    source: str
    held: bool | None


class UnitState(TypedDict):
    """A unit of the application, with systemd's values."""

    active: str
    sub: str
    enabled: str
    restarts: str
    memory: str


class TakenBack(TypedDict):
    """When an operator left a release by a rollback, and which operator."""

    time: str
    operator: str


class AppState(TypedDict):
    """The report of `groundcrew/remote/app_state.py`."""

    live: str | None
    held: bool
    socket_unit: bool
    current: str | None
    fallback: bool
    damaged: bool
    releases: dict[str, ReleaseState]
    served: list[str]
    taken_back: dict[str, TakenBack]
    units: dict[str, UnitState]
    memory_available: int
    lock: str


def nothing() -> AppState:
    """The state of an application that is not on the host."""
    return {
        "live": None,
        "held": False,
        "socket_unit": False,
        "current": None,
        "fallback": False,
        "damaged": False,
        "releases": {},
        "served": [],
        "taken_back": {},
        "units": {},
        "memory_available": 0,
        "lock": "",
    }


class Apps(FactBase[dict[str, AppState]]):
    """The state of `apps`, by name."""

    @staticmethod
    def default() -> dict[str, AppState]:
        """No state."""
        return {}

    def command(self, apps: Sequence[str]) -> StringCommand:
        """The command that runs the program on the host."""
        return remote.command("app_state", *apps)

    def process(self, output: list[str]) -> dict[str, AppState]:
        """Parses the program's line of JSON."""
        states: dict[str, AppState] = json.loads(output[-1])
        return states

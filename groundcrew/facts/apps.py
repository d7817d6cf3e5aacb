"""The releases of applications, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypedDict

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class ReleaseState(TypedDict):
    """A release directory: built to its end, failed or taken back, hooks run, what it is, whether
    systemd holds its socket (None without a unit)."""

    built: bool
    bad: bool
    hooked: bool
    source: str
    held: bool | None


class UnitState(TypedDict):
    """A unit of the application, in systemd's words."""

    active: str
    sub: str
    enabled: str
    restarts: str
    memory: str


class TakenBack(TypedDict):
    """When an operator has left a release by a rollback, and who."""

    time: str
    operator: str


class AppState(TypedDict):
    """What `groundcrew/remote/app_state.py` reports."""

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
    """The state of an application that is not there."""
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
    """Releases and units of `apps`, by name."""

    @staticmethod
    def default() -> dict[str, AppState]:
        """Nothing is known."""
        return {}

    def command(self, apps: Sequence[str]) -> StringCommand:
        """One program run."""
        return remote.command("app_state", *apps)

    def process(self, output: list[str]) -> dict[str, AppState]:
        """The program prints one line of JSON."""
        states: dict[str, AppState] = json.loads(output[-1])
        return states

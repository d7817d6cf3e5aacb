"""The releases of an application, in one round trip."""

from __future__ import annotations

import json
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


class App(FactBase[AppState]):
    """Releases and units of the application `app`."""

    @staticmethod
    def default() -> AppState:
        """Nothing is there."""
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

    def command(self, app: str) -> StringCommand:
        """One program run."""
        return remote.command("app_state", app)

    def process(self, output: list[str]) -> AppState:
        """The program prints one line of JSON."""
        state: AppState = json.loads(output[-1])
        return state

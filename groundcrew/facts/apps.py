"""The releases of an application, in one round trip."""

from __future__ import annotations

import json
from typing import TypedDict

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class ReleaseState(TypedDict):
    """A release directory: built to its end, and whether it has been marked bad."""

    built: bool
    bad: bool


class UnitState(TypedDict):
    """A release's unit, in systemd's words."""

    active: str
    sub: str
    enabled: str
    restarts: str


class AppState(TypedDict):
    """What `groundcrew/remote/app_state.py` reports."""

    live: str | None
    current: str | None
    releases: dict[str, ReleaseState]
    units: dict[str, UnitState]


class App(FactBase[AppState]):
    """Releases and units of the application `app`."""

    @staticmethod
    def default() -> AppState:
        """Nothing is there."""
        return {"live": None, "current": None, "releases": {}, "units": {}}

    def command(self, app: str) -> StringCommand:
        """One program run."""
        return remote.command("app_state", app)

    def process(self, output: list[str]) -> AppState:
        """The program prints one line of JSON."""
        state: AppState = json.loads(output[-1])
        return state

"""What of an application can be given to another one."""

from __future__ import annotations

import json
from typing import TypedDict

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class RenamedState(TypedDict):
    """The report of `groundcrew/remote/rename_app.py`: whether the old application has data, a file
    of the new one that is in the way, file systems mounted within the data of either, and units of
    the new one that run."""

    data: bool
    there: str | None
    mounts: list[str]
    running: list[str]


class Renamed(FactBase[RenamedState]):
    """The data of the application `was`, and what is in the way of making it that of `app`."""

    @staticmethod
    def default() -> RenamedState:
        """Nothing to move."""
        return {"data": False, "there": None, "mounts": [], "running": []}

    def command(self, was: str, app: str) -> StringCommand:
        """The command that runs the program on the host."""
        return remote.command("rename_app", was, app)

    def process(self, output: list[str]) -> RenamedState:
        """Parses the program's line of JSON."""
        state: RenamedState = json.loads(output[-1])
        return state

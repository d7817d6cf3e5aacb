"""The state of systemd units and the age of their configuration, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypedDict

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class UnitStates(TypedDict):
    """`units`: name asked for -> properties; `modified`: path -> Unix time of its last change."""

    units: dict[str, dict[str, str]]
    modified: dict[str, float]


class Units(FactBase[UnitStates]):
    """Properties of units, by the names asked for (aliases too), and the mtimes of `files`."""

    @staticmethod
    def default() -> UnitStates:
        """Unknown."""
        return {"units": {}, "modified": {}}

    def command(self, units: Sequence[str], files: Sequence[str] = ()) -> StringCommand:
        """The command that runs the program on the host."""
        request = json.dumps({"units": list(units), "files": list(files)})
        return remote.command("inspect_units", request, joint=True)

    def process(self, output: list[str]) -> UnitStates:
        """Parses the program's line of JSON."""
        states: UnitStates = json.loads(output[-1])
        return states


def timestamp(value: str) -> float:
    """Unix time of a timestamp as systemd prints it with `us+utc`; 0 for never."""
    if not value or value == "n/a":
        return 0.0
    moment = datetime.strptime(value, "%a %Y-%m-%d %H:%M:%S.%f UTC")
    return moment.replace(tzinfo=UTC).timestamp()

"""The state of systemd units and the age of their configuration, in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypedDict

from pyinfra.api import FactBase, QuoteString, StringCommand

PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "NeedDaemonReload",
    "CanReload",
    "ActiveEnterTimestamp",
    "StateChangeTimestamp",
)
SEPARATOR = "##files##"


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
        """`systemctl show` for all units, `stat` for all files; a missing file is left out."""
        self.asked = list(units)
        bits = ["systemctl", "show", "--timestamp=us+utc", f"--property={','.join(PROPERTIES)}"]
        command = [*bits, *(QuoteString(unit) for unit in units), f"&& echo '{SEPARATOR}'"]
        if files:
            paths = [QuoteString(path) for path in files]
            command += ["&& { stat --format='%.Y %n'", *paths, "2>/dev/null || true; }"]
        return StringCommand(*command)

    def process(self, output: list[str]) -> UnitStates:
        """Parses blocks of KEY=VALUE in the order requested, then one line per file."""
        split = output.index(SEPARATOR)
        blocks = "\n".join(output[:split]).strip().split("\n\n")
        units = {}
        for name, block in zip(self.asked, blocks, strict=True):
            units[name] = dict(line.split("=", 1) for line in block.splitlines())
        modified = {}
        for line in output[split + 1 :]:
            time, path = line.split(" ", 1)
            modified[path] = float(time)
        return {"units": units, "modified": modified}


def timestamp(value: str) -> float:
    """Unix time of a timestamp as systemd prints it with `us+utc`; 0 for never."""
    if not value or value == "n/a":
        return 0.0
    moment = datetime.strptime(value, "%a %Y-%m-%d %H:%M:%S.%f UTC")
    return moment.replace(tzinfo=UTC).timestamp()

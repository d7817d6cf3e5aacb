"""A host's Debian packages and their pending updates, in one round trip."""

from __future__ import annotations

import json
from typing import Any

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class Updates(FactBase[dict[str, Any] | None]):
    """The report of `groundcrew/remote/inspect_updates.py`; None if apt fails."""

    def command(self) -> StringCommand:
        """The command that runs the program on the host."""
        return remote.command("inspect_updates")

    def process(self, output: list[str]) -> dict[str, Any]:
        """Parses the program's line of JSON."""
        updates: dict[str, Any] = json.loads(output[-1])
        return updates

"""Debian's packages of a host and their pending updates, in one round trip."""

from __future__ import annotations

import json
from typing import Any

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class Updates(FactBase[dict[str, Any] | None]):
    """What `groundcrew/remote/inspect_updates.py` reports; None where apt gives no answer."""

    def command(self) -> StringCommand:
        """One program run."""
        return remote.command("inspect_updates")

    def process(self, output: list[str]) -> dict[str, Any]:
        """The program prints one line of JSON."""
        found: dict[str, Any] = json.loads(output[-1])
        return found

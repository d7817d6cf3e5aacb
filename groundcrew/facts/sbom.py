"""The bills of materials of releases, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class Sboms(FactBase[dict[str, Any]]):
    """Application -> the CycloneDX document of its `release`, by default the live one; None if
    there is none."""

    @staticmethod
    def default() -> dict[str, Any]:
        """No documents."""
        return {}

    def command(self, apps: Sequence[str], release: str | None) -> StringCommand:
        """The command that runs the program on the host."""
        return remote.command("app_sboms", json.dumps({"apps": list(apps), "release": release}))

    def process(self, output: list[str]) -> dict[str, Any]:
        """Parses the program's line of JSON."""
        sboms: dict[str, Any] = json.loads(output[-1])
        return sboms

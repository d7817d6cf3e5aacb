"""All that the checks see of a host, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class HostReport(FactBase[dict[str, Any]]):
    """The report of `groundcrew/remote/verify_host.py`, empty where it could not run."""

    @staticmethod
    def default() -> dict[str, Any]:
        """Nothing seen."""
        return {}

    def command(self, request: Mapping[str, Any]) -> StringCommand:
        """One program run."""
        return remote.command("verify_host", json.dumps(request))

    def process(self, output: list[str]) -> dict[str, Any]:
        """The program prints one line of JSON."""
        report: dict[str, Any] = json.loads(output[-1])
        return report

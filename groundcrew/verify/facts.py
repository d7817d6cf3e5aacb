"""Fact with everything that the checks read on a host, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote
from groundcrew.contract import Reads, modules, requests

OF_EVERY_HOST = "groundcrew.remote.host_sections"


class HostReport(FactBase[dict[str, Any]]):
    """The report of `groundcrew/remote/read_host.py`; empty if it could not run."""

    @staticmethod
    def default() -> dict[str, Any]:
        """An empty report."""
        return {}

    def command(self, reads: Sequence[Reads]) -> StringCommand:
        """The command that runs the program on the host."""
        return remote.command("read_host", json.dumps(requests(reads)), modules=modules(reads))

    def process(self, output: list[str]) -> dict[str, Any]:
        """Parses the program's output: one line of JSON."""
        report: dict[str, Any] = json.loads(output[-1])
        return report


def of_every_host(services: Sequence[str]) -> Reads:
    """What to read on every host."""
    sections = ("machine", "sshd", "services", "listening")
    return Reads(OF_EVERY_HOST, sections, {"services": sorted(services)})

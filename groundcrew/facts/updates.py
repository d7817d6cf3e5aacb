"""A host's Debian packages and their pending updates, in one round trip."""

from __future__ import annotations

import json
from typing import TypedDict

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class PendingUpdate(TypedDict):
    """An installed package, and the newer version in the package lists with its suites."""

    name: str
    installed: str
    available: str
    security: bool
    suites: list[str]


class SecurityList(TypedDict):
    """The package list of a security suite, with its Unix times."""

    suite: str
    date: float
    valid_until: float | None


class PackageReport(TypedDict):
    """The report of `groundcrew/remote/inspect_updates.py`: packages with their versions, those
    from no archive, and the host's Unix time."""

    packages: list[tuple[str, str]]
    updates: list[PendingUpdate]
    local: list[str]
    security: list[SecurityList]
    now: float


class Updates(FactBase[PackageReport | None]):
    """A host's packages and updates; None if apt fails."""

    def command(self) -> StringCommand:
        """The command that runs the program on the host."""
        return remote.command("inspect_updates")

    def process(self, output: list[str]) -> PackageReport:
        """Parses the program's line of JSON."""
        updates: PackageReport = json.loads(output[-1])
        return updates

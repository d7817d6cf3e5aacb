"""How a host and its applications are, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypedDict

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class UnitStatus(TypedDict):
    """A unit in systemd's words; numbers and Unix times that it does not know are None."""

    active: str
    sub: str
    result: str
    restarts: int | None
    memory: int | None
    tasks: int | None
    cpu: int | None
    since: int | None
    ended: int | None
    triggered: int | None
    next: int | None


class LogEntry(TypedDict, total=False):
    """A line of the release log."""

    time: str
    seconds: int
    action: str
    release: str
    operator: str
    result: str


class Note(TypedDict, total=False):
    """Who did something and when; of a lock, whether the one who has it is still there."""

    operator: str
    since: str
    held: bool


class ReleaseStatus(TypedDict):
    """A kept release: when it was built, what it is, what happened to it."""

    built: int | None
    bad: bool
    source: str
    last: LogEntry | None
    switched: LogEntry | None


class AppStatus(TypedDict):
    """An application."""

    live: str | None
    current: str | None
    maintenance: Note | None
    lock: Note | None
    releases: dict[str, ReleaseStatus]
    units: dict[str, UnitStatus]
    log: list[LogEntry]
    variables: list[str]
    logs: int


class Resources(TypedDict):
    """What a host has left; sizes in bytes, uptime in seconds."""

    load: list[float]
    cpus: int
    memory: int
    memory_available: int
    disk: int
    disk_free: int
    journal: int
    uptime: float


class HostStatus(TypedDict):
    """What `groundcrew/remote/app_status.py` reports."""

    time: int
    host: Resources
    nginx: UnitStatus | None
    apps: dict[str, AppStatus]


class Status(FactBase[HostStatus | None]):
    """Resources of the host, and the state of `apps` with `lines` entries of their logs."""

    def command(self, apps: Sequence[str], lines: int) -> StringCommand:
        """One program run."""
        return remote.command("app_status", json.dumps({"apps": list(apps), "lines": lines}))

    def process(self, output: list[str]) -> HostStatus:
        """The program prints one line of JSON."""
        report: HostStatus = json.loads(output[-1])
        return report

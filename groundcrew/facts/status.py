"""The state of a host and its applications, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class UnitStatus(TypedDict):
    """A unit with systemd's values; numbers and Unix times that systemd does not know are None."""

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
    """Which operator did something and when; for a lock, whether its holder is still connected."""

    operator: str
    since: str
    held: bool


class ReleaseStatus(TypedDict):
    """A kept release: when it was built, its source, and its last log entries."""

    built: int | None
    bad: bool
    source: str
    last: LogEntry | None
    switched: LogEntry | None


class AppStatus(TypedDict):
    """The state of an application."""

    live: str | None
    current: str | None
    maintenance: Note | None
    stopped: Note | None
    lock: Note | None
    releases: dict[str, ReleaseStatus]
    units: dict[str, UnitStatus]
    log: list[LogEntry]
    variables: list[str]
    logs: int


class Resources(TypedDict):
    """A host's resources; sizes in bytes, uptime in seconds."""

    load: list[float]
    cpus: int
    memory: int
    memory_available: int
    disk: int
    disk_free: int
    journal: int
    uptime: float


class HostStatus(TypedDict):
    """The report of `groundcrew/remote/app_status.py`."""

    time: int
    host: Resources
    apps: dict[str, AppStatus]


class Status(FactBase[HostStatus | None]):
    """Resources of the host, and the state of `apps` with the last `lines` entries of their release
    logs."""

    def command(
        self,
        apps: Sequence[str],
        lines: int,
        reads: Sequence[Mapping[str, Any]] = (),
        modules: Sequence[str] = (),
    ) -> StringCommand:
        """The command that runs the program on the host. `reads` are the data that roles read with
        functions of `modules`."""
        request = {"apps": list(apps), "lines": lines, "reads": list(reads)}
        return remote.command("app_status", json.dumps(request), modules=tuple(modules))

    def process(self, output: list[str]) -> HostStatus:
        """Parses the program's line of JSON."""
        report: HostStatus = json.loads(output[-1])
        return report

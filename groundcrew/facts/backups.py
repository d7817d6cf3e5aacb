"""What a host reports about its backups (`groundcrew/remote/backup.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict


class StoredSet(TypedDict):
    """The newest backup of a set at a target: the time up to which it is complete, what the server
    said that it contains, when it was stored, how long that took, its size and the part of it that
    is new, in bytes, and restic's name for it. The last five are missing if it was only
    begun."""

    until: float
    content: NotRequired[Mapping[str, Any]]
    at: NotRequired[float]
    seconds: NotRequired[float]
    bytes: NotRequired[int | None]
    added: NotRequired[int | None]
    snapshot: NotRequired[str]


class TargetState(TypedDict, total=False):
    """When old backups were last removed at a target, and its repositories checked; its free and
    whole size in bytes."""

    retention: float
    check: float
    space: tuple[int, int] | None


class DrilledApp(TypedDict):
    """An application in a drill: seconds between its newest backup and the drill; then either the
    release that was started and the seconds until it answered, or why none was."""

    rpo: int
    started: NotRequired[dict[str, str]]
    rto: NotRequired[float]
    not_started: NotRequired[str]


class DrilledSource(TypedDict):
    """A server in a drill: seconds between its newest backup and the drill, its version, and the
    moment to which its data was recovered, if it says so."""

    rpo: int
    version: str
    last: float | None


class Drill(TypedDict):
    """The last drill: its time, its target, what went wrong, and how long it took."""

    at: float
    target: str
    problems: list[str]
    sources: dict[str, DrilledSource]
    apps: dict[str, DrilledApp]
    seconds: float


class LastDrill(TypedDict):
    """The last drill with a target."""

    at: float
    good: bool


class RestoredApp(TypedDict):
    """The last restore: the application, and the mark of the data that it has replaced."""

    app: str
    mark: str


class BackupState(TypedDict, total=False):
    """What became of earlier backups. Sets and targets are named; `begun` has sets that may have
    been stored; `key` says for which key and repositories they were checked to fit; `failed` has
    the reasons of the last run of each kind."""

    sets: dict[str, dict[str, StoredSet]]
    begun: dict[str, dict[str, StoredSet]]
    key: str
    restored: RestoredApp
    targets: dict[str, TargetState]
    failed: dict[str, list[str]]
    drill: Drill
    drills: dict[str, LastDrill]
    last_good_drill: float


class KeptRestore(TypedDict):
    """A restore whose replaced data is kept, with the word that removes it; None if the restore has
    not ended."""

    app: str
    mark: str | None


class ProgramReport(TypedDict):
    """The report of `backup.py report`. `sets` are all sets, `servers` those of servers; `new` is
    true until everything has been stored once."""

    state: BackupState
    sets: list[str]
    servers: list[str]
    kept: list[KeptRestore]
    new: bool


class ListedBackup(TypedDict):
    """A backup, complete up to `until`."""

    target: str
    set: str
    until: float
    id: str


class Listing(TypedDict):
    """The report of `backup.py list`: this host's backups, and by target the hosts that have some
    there."""

    backups: list[ListedBackup]
    hosts: dict[str, list[str]]


class SqliteCopies(TypedDict):
    """The report of `groundcrew/remote/sqlite_copies.py`: databases that were copied, and those
    that were not, with the reason."""

    copied: list[str]
    failed: list[tuple[str, str]]


class Replacement(TypedDict):
    """A set that a restore replaces: as of `until`, from a target."""

    set: str
    target: str
    until: float
    replaces: str


class StepAnswer(TypedDict, total=False):
    """What a step of a restore answers. `mark` confirms the removal of what was replaced, a line
    for each part of which is in `replaced`; `stopped` and `started` are units."""

    mark: str | None
    replaced: list[str]
    stopped: list[str]
    started: list[str]
    removed: bool


class Moments(TypedDict):
    """The answer of `backup.py before`: the times up to which the sets are in the backups."""

    moments: list[float]

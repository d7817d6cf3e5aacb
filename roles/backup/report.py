"""What `on_host.py` reports."""

from __future__ import annotations

from typing import TypedDict

from groundcrew.facts.backups import BackupState, KeptRestore


class Planned(TypedDict):
    """Whether the host is set up for backups."""

    planned: bool


class Backups(Planned, total=False):
    """State of the backups. Only `planned` is there if that is false. `servers` are those of `sets`
    that belong to servers; `timers` and `running` are units; `made_up` is the fingerprint of the
    key, if the host has made it up; `same_disk` are targets on the disk of the data."""

    state: BackupState
    sets: list[str]
    servers: list[str]
    timers: list[str]
    running: list[str]
    kept: list[KeptRestore]
    made_up: str | None
    same_disk: list[str]


class Key(TypedDict):
    """The key of the backups, its fingerprint if the host has made it up, and the public SSH keys,
    by target."""

    key: str
    fingerprint: str | None
    ssh: dict[str, str]

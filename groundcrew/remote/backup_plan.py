"""What the backups of this host consist of, what became of them, and what runs at the moment.

A library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from groundcrew.remote.backup_store import Store
from groundcrew.remote.private_file import write_private

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.backups import BackupState

Data = dict[str, Any]
FOLDER = "/var/lib/groundcrew/backups"
PLAN = "/etc/groundcrew/backup/plan.json"
"""The plan, which groundcrew writes. Only root can read it."""

STATE = f"{FOLDER}/state.json"
METRICS = "/var/lib/groundcrew/metrics/backup.prom"
PROGRAM = "/usr/local/lib/groundcrew/backup.py"


class BusyError(Exception):
    """Another backup, restore or drill runs; the message says which."""


class Plan(NamedTuple):
    """What is backed up, and where to."""

    host: str
    key: str
    targets: tuple[Store, ...]
    sources: tuple[Data, ...]
    """Servers: {"title", "module", "request", "apps"}."""

    apps: Mapping[str, Data]
    """Applications: paths, what is left out, and what a drill asks."""

    paths: tuple[str, ...]
    """Files of the host itself."""

    keep: Mapping[str, int]
    check_share: str
    rpo: float
    rto: float
    start_anew: bool

    def target(self, name: str | None) -> Store:
        """A target by its name; the first if there is none."""
        targets = [item for item in self.targets if name in (None, item.name)]
        if not targets:
            known = ", ".join(item.name for item in self.targets)
            raise ValueError(f"there is no target {name} (known: {known})")
        return targets[0]

    def of_host(self, host: str, key: str | None = None) -> tuple[Store, ...]:
        """The same targets, with the repositories of another host."""
        return tuple(item._replace(host=host, key=key or self.key) for item in self.targets)


def read_plan(path: str = PLAN) -> Plan:
    """The plan of this host."""
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    stores = tuple(
        Store(name, target, data["host"], data["key"]) for name, target in data["targets"].items()
    )
    return Plan(
        data["host"], data["key"], stores, tuple(data["sources"]), data["apps"],
        tuple(data["paths"]), data["keep"], data["check_share"], data["rpo"], data["rto"],
        data["start_anew"],
    )  # fmt: skip


def read_state(path: str = STATE) -> BackupState:
    """What became of earlier backups; empty if there were none."""
    try:
        with open(path, encoding="utf-8") as file:
            state: BackupState = json.load(file)
    except FileNotFoundError:
        return {}
    return state


@contextmanager
def noted() -> Iterator[BackupState]:
    """The state, which is stored afterwards. Several programs may do this at the same time."""
    with lock("state", wait=True):
        state = read_state()
        yield state
        write_private(STATE, json.dumps(state, indent=1))
        write_private(METRICS, metrics(state), 0o644)


@contextmanager
def lock(name: str, *, wait: bool, shared: bool = False) -> Iterator[None]:
    """A lock that ends with this process. Raises BusyError if another one has it."""
    os.makedirs(FOLDER, mode=0o711, exist_ok=True)
    path = os.path.join(FOLDER, f"{name}.lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(descriptor, kind | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = os.pread(descriptor, 100, 0).decode(errors="replace").strip()
            raise BusyError(f"{holder or 'another program'} runs already") from None
        if not shared:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{name} (process {os.getpid()})\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def metrics(state: BackupState) -> str:
    """The state in the format of Prometheus' textfile collector."""
    lines = []

    def add(name: str, value: float | None, **labels: str) -> None:
        if value is not None:
            label_text = ",".join(f'{key}="{text}"' for key, text in labels.items())
            # Six digits, the default, would round a moment to hours.
            lines.append(f"groundcrew_backup_{name}{{{label_text}}} {value:.15g}")

    for set_name, targets in sorted(state.get("sets", {}).items()):
        for target, item in sorted(targets.items()):
            labels = {"set": set_name, "target": target}
            add("until_seconds", round(item["until"]), **labels)
            add("bytes", item.get("bytes"), **labels)
            add("seconds", item.get("seconds"), **labels)
    for target, kept in sorted(state.get("targets", {}).items()):
        add("retention_seconds", kept.get("retention"), target=target)
        add("check_seconds", kept.get("check"), target=target)
        free, total = kept.get("space") or (None, None)
        add("target_free_bytes", free, target=target)
        add("target_bytes", total, target=target)
    drill = state.get("drill")
    if drill:
        add("drill_seconds", drill["at"], target=drill["target"])
        add("drill_good", int(not drill["problems"]), target=drill["target"])
        for name, app in sorted(drill.get("apps", {}).items()):
            add("rpo_seconds", app.get("rpo"), app=name)
            add("rto_seconds", app.get("rto"), app=name)
    return "".join(f"{line}\n" for line in lines)


def now() -> float:
    """Seconds since 1970."""
    return time.time()

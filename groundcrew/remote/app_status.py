"""Reports the state of a host and its applications for people, in more detail than a release needs.

Runs on the host as root, as `python3 -c SCRIPT REQUEST`; REQUEST is JSON {"apps": [name], "lines":
number of entries of each release log, "reads": sections that roles request
(`groundcrew/remote/reads.py`), each section a key beside "apps"}. Prints one line of JSON: {"time":
Unix time, "host": {"load": [1, 5, 15 minutes], "cpus", "memory", "memory_available": bytes, "disk",
"disk_free": bytes of /srv, "journal": bytes, "uptime": seconds}, "apps": {NAME: {"live", "current":
release, "maintenance": {"operator", "since"} or null, "stopped": the same, "lock": {"operator",
"since", "held": bool} or null, "releases": {ID: {"built": Unix time or null, "bad", "source",
"last", "switched": entry of the log or null}}, "units": {UNIT: unit}, "log": [entry], "variables":
[name], "logs": bytes of nginx's}}}. A unit is {"active", "sub", "result", "restarts", "memory",
"tasks", "cpu": nanoseconds, "since", "ended", "triggered", "next": Unix time}; what systemd does
not know is null. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from groundcrew.remote.app_files import (
    link_name,
    live_release,
    metadata,
    release_folders,
    tail,
    text,
    unit_names,
)
from groundcrew.remote.history import read
from groundcrew.remote.printable import all_printable
from groundcrew.remote.reads import read_all
from groundcrew.remote.unit_status import units

if TYPE_CHECKING:
    # Types of the reports, shared with the facts; never sent to a host.
    from groundcrew.facts.status import (
        AppStatus,
        HostStatus,
        LogEntry,
        Note,
        ReleaseStatus,
        Resources,
        UnitStatus,
    )

LOG_BYTES = 1 << 20
LOGS = Path("/var/log/nginx")
JOURNALS = (Path("/var/log/journal"), Path("/run/log/journal"))


def log(path: Path) -> list[LogEntry]:
    """The entries of a release log, oldest first; only the last ones of a very long log."""
    entries: list[LogEntry] = []
    for line in tail(path, LOG_BYTES):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            entries.append(cast("LogEntry", entry))
    return entries


def releases(root: Path, entries: list[LogEntry]) -> dict[str, ReleaseStatus]:
    """Every kept release, with its last log entry and the entry of when it last went live."""
    statuses: dict[str, ReleaseStatus] = {}
    past = read(root / "history.json")
    for folder in release_folders(root):
        built = folder / "release.json"
        own = [entry for entry in entries if entry.get("release") == folder.name]
        switched = [entry for entry in own if str(entry.get("result")).startswith("live")]
        statuses[folder.name] = {
            "built": int(built.stat().st_mtime) if built.exists() else None,
            "bad": folder.name in past["failed"]
            or folder.name in past["taken_back"]
            or (bool(own) and folder.name not in past["served"] and not switched),
            "source": str(metadata(folder).get("source", "")),
            "last": own[-1] if own else None,
            "switched": switched[-1] if switched else None,
        }
    return statuses


def is_open(path: Path) -> bool:
    """Whether a process holds the file open. Only a run that holds the lock does."""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            descriptors = list((process / "fd").iterdir())
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                if os.readlink(descriptor) == str(path):
                    return True
            except OSError:
                continue
    return False


def note(path: Path) -> Note | None:
    """Who wrote the file, and when; None if it is missing or empty."""
    content = text(path).strip()
    if not content:
        return None
    try:
        value = json.loads(content)
        return {"operator": str(value["operator"]), "since": str(value["since"])}
    except (ValueError, KeyError, TypeError):
        return {"operator": "", "since": ""}


def app(name: str, lines: int, states: dict[str, UnitStatus]) -> AppStatus:
    """The state of one application."""
    root = Path("/srv") / name
    entries = log(root / "releases.log")
    lock = note(root / "lock")
    if lock:
        lock["held"] = is_open(root / "lock")
    return {
        "live": live_release(name)[0],
        "current": link_name(root / "current"),
        "maintenance": note(root / "maintenance" / "on"),
        "stopped": note(root / "maintenance" / "stopped"),
        "lock": lock,
        "releases": releases(root, entries),
        "units": {
            unit: state
            for unit, state in states.items()
            if unit.startswith((f"{name}@", f"{name}."))
        },
        "log": entries[-lines:],
        "variables": variables(root / "current" / "env"),
        "logs": bytes_of(LOGS.glob(f"{name}.*")),
    }


def variables(path: Path) -> list[str]:
    """Names of the live release's variables, without their values. A quote inside a value never
    matches: it is escaped with a backslash."""
    return re.findall(r'^([A-Za-z_]\w*)="', text(path), re.MULTILINE)


def bytes_of(paths: Iterable[Path]) -> int:
    """Disk space of files in bytes."""
    total = 0
    for path in paths:
        try:
            state = path.lstat()
        except OSError:
            continue
        total += state.st_blocks * 512
    return total


def host() -> Resources:
    """Load, memory, disk and uptime."""
    memory = {}
    for line in text(Path("/proc/meminfo")).splitlines():
        key, _, value = line.partition(":")
        memory[key] = int(value.split()[0]) * 1024
    disk = os.statvfs("/srv")
    return {
        "load": list(os.getloadavg()),
        "cpus": len(os.sched_getaffinity(0)),
        "memory": memory.get("MemTotal", 0),
        "memory_available": memory.get("MemAvailable", 0),
        "disk": disk.f_blocks * disk.f_frsize,
        "disk_free": disk.f_bavail * disk.f_frsize,
        "journal": sum(bytes_of(path.rglob("*.journal*")) for path in JOURNALS),
        "uptime": float((text(Path("/proc/uptime")) or "0").split()[0]),
    }


def main() -> int:
    """Prints the state of the applications requested in argv[1]."""
    request = json.loads(sys.argv[1])
    names = request["apps"]
    states = units([item for name in names for item in (*unit_names(name), f"{name}.socket")])
    report: HostStatus = {
        "time": int(time.time()),
        "host": host(),
        "apps": {name: app(name, request["lines"], states) for name in names},
    }
    sections: dict[str, Any] = {}
    read_all(request["reads"], sections)
    print(json.dumps(all_printable({**report, **sections})))
    return 0


if __name__ == "__main__":
    sys.exit(main())

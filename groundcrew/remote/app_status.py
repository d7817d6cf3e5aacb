"""Reports how a host and its applications are: for people, so with more than a release needs.

Runs on the host as root, as `python3 -c SCRIPT REQUEST`; REQUEST is JSON {"apps": [name], "lines":
number of entries of each release log}. Prints one line of JSON: {"time": Unix time, "host":
{"load": [1, 5, 15 minutes], "cpus", "memory", "memory_available": bytes, "disk", "disk_free": bytes
of /srv, "journal": bytes, "uptime": seconds}, "nginx": unit, "apps": {NAME: {"live", "current":
release, "maintenance": {"operator", "since"} or null, "lock": {"operator", "since", "held": bool}
or null, "releases": {ID: {"built": Unix time or null, "bad", "source", "last", "switched": entry of
the log or null}}, "units": {UNIT: unit}, "log": [entry], "variables": [name], "logs": bytes of
nginx's}}}. A unit is {"active", "sub", "result", "restarts", "memory", "tasks", "cpu": nanoseconds,
"since", "ended", "triggered", "next": Unix time}; what systemd does not know is null. Standard
library only, Python 3.9 or later.
"""

from __future__ import annotations

import calendar
import json
import os
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from groundcrew.remote.app_files import (
    link_name,
    live_release,
    metadata,
    release_folders,
    show_units,
    tail,
    text,
    unit_names,
)
from groundcrew.remote.history import read

LOG_BYTES = 1 << 20
LOGS = Path("/var/log/nginx")
JOURNALS = (Path("/var/log/journal"), Path("/run/log/journal"))
UNKNOWN = 1 << 60
STAMP = "%a %Y-%m-%d %H:%M:%S UTC"
PROPERTIES = {
    "active": "ActiveState",
    "sub": "SubState",
    "result": "Result",
    "restarts": "NRestarts",
    "memory": "MemoryCurrent",
    "tasks": "TasksCurrent",
    "cpu": "CPUUsageNSec",
    "since": "ActiveEnterTimestamp",
    "ended": "ExecMainExitTimestamp",
    "triggered": "LastTriggerUSec",
    "next": "NextElapseUSecRealtime",
}
NUMBERS = ("restarts", "memory", "tasks", "cpu")
TIMES = ("since", "ended", "triggered", "next")


def number(value: str) -> int | None:
    """A count; systemd says `[not set]`, or the largest number there is, for none."""
    return int(value) if value.isdigit() and int(value) < UNKNOWN else None


def moment(value: str) -> int | None:
    """Unix time of a timestamp in UTC."""
    try:
        return calendar.timegm(time.strptime(value, STAMP))
    except ValueError:
        return None


def units(patterns: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The units that are loaded, or run, and match."""
    return {
        pairs["Id"]: unit(pairs)
        for pairs in show_units(patterns, ["Id", "LoadState", *PROPERTIES.values()])
        if pairs.get("LoadState") == "loaded" or pairs.get("ActiveState") not in (None, "inactive")
    }


def unit(pairs: dict[str, str]) -> dict[str, Any]:
    """What a unit's properties say."""
    values: dict[str, Any] = {key: pairs.get(name, "") for key, name in PROPERTIES.items()}
    values.update({key: number(values[key]) for key in NUMBERS})
    values.update({key: moment(values[key]) for key in TIMES})
    return values


def log(path: Path) -> list[dict[str, Any]]:
    """The entries of a release log, oldest first; of a very long one only the end."""
    entries = []
    for line in tail(path, LOG_BYTES):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries


def releases(root: Path, entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every kept release, with the last thing that happened to it and when it last went live."""
    found = {}
    past = read(root / "history.json")
    for folder in release_folders(root):
        built = folder / "release.json"
        own = [entry for entry in entries if entry.get("release") == folder.name]
        switched = [entry for entry in own if str(entry.get("result")).startswith("live")]
        found[folder.name] = {
            "built": int(built.stat().st_mtime) if built.exists() else None,
            "bad": folder.name in past["failed"]
            or folder.name in past["taken_back"]
            or (bool(own) and folder.name not in past["served"] and not switched),
            "source": str(metadata(folder).get("source", "")),
            "last": own[-1] if own else None,
            "switched": switched[-1] if switched else None,
        }
    return found


def is_open(path: Path) -> bool:
    """Whether a process holds the file open: a run that has the lock does, and no other."""
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


def note(path: Path) -> dict[str, Any] | None:
    """Who wrote the file, and when; None where it is missing or empty."""
    content = text(path).strip()
    if not content:
        return None
    try:
        found = json.loads(content)
        return {"operator": str(found["operator"]), "since": str(found["since"])}
    except (ValueError, KeyError, TypeError):
        return {"operator": "", "since": ""}


def app(name: str, lines: int, states: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One application."""
    root = Path("/srv") / name
    entries = log(root / "releases.log")
    lock = note(root / "lock")
    if lock:
        lock["held"] = is_open(root / "lock")
    return {
        "live": live_release(name)[0],
        "current": link_name(root / "current"),
        "maintenance": note(root / "maintenance" / "on"),
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
    """Names of the live release's variables, without their values: in those, every quote has a
    backslash before it."""
    return re.findall(r'^([A-Za-z_]\w*)="', text(path), re.MULTILINE)


def bytes_of(paths: Iterable[Path]) -> int:
    """Disk space of files."""
    found = 0
    for path in paths:
        try:
            state = path.lstat()
        except OSError:
            continue
        found += state.st_blocks * 512
    return found


def host() -> dict[str, Any]:
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
    """Prints the state of the applications that the request in argv[1] names."""
    request = json.loads(sys.argv[1])
    names = request["apps"]
    states = units(
        [
            "nginx.service",
            *(item for name in names for item in (*unit_names(name), f"{name}.socket")),
        ]
    )
    report = {
        "time": int(time.time()),
        "host": host(),
        "nginx": states.get("nginx.service"),
        "apps": {name: app(name, request["lines"], states) for name in names},
    }
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Records which releases have served, in order, and which were taken back, in
/srv/NAME/history.json.

Only root writes it. A release is recorded when it is live and healthy. A rollback therefore returns
to a release that has served, regardless of names, the clock or the order of builds.

A library, sent to the host with the programs that import it. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

RELEASE = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}")
KEPT = 100
"""Maximum number of entries of each kind."""
History = dict[str, Any]


def read(path: Path) -> History:
    """The record: {"served": [release], "taken_back": {release: {"time", "operator"}}, "failed":
    [release]}. Malformed entries are left out."""
    try:
        history = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        history = {}
    if not isinstance(history, dict):
        history = {}
    back = history.get("taken_back")
    return {
        "served": _names(history.get("served")),
        "failed": _names(history.get("failed")),
        "taken_back": {
            name: {key: str(item.get(key, "")) for key in ("time", "operator")}
            for name, item in (back if isinstance(back, dict) else {}).items()
            if RELEASE.fullmatch(name) and isinstance(item, dict)
        },
    }


def _names(value: Any) -> list[str]:
    names = value if isinstance(value, list) else []
    return [name for name in names if isinstance(name, str) and RELEASE.fullmatch(name)]


def went_live(history: History, release: str) -> None:
    """Records that the release is live and healthy."""
    served = history["served"]
    if served[-1:] != [release]:
        served.append(release)
    history["taken_back"].pop(release, None)
    history["failed"] = [name for name in history["failed"] if name != release]


def was_taken_back(history: History, release: str, operator: str) -> None:
    """Records that an operator left the release: it is not released again unless asked for."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    history["taken_back"].pop(release, None)
    history["taken_back"][release] = {"time": now, "operator": operator}


def has_failed(history: History, release: str) -> None:
    """Records that the release did not stay healthy: rollbacks skip it, and the next run tries it
    again."""
    if release not in history["failed"]:
        history["failed"].append(release)


def write(path: Path, history: History) -> None:
    """Replaces the record, and syncs it to disk."""
    history = {
        "served": history["served"][-KEPT:],
        "failed": history["failed"][-KEPT:],
        "taken_back": dict(list(history["taken_back"].items())[-KEPT:]),
    }
    partial = path.with_name(f".{path.name}.new")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(history, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def note(path: Path, changes: dict[str, Any]) -> None:
    """Records changes: {"live", "taken_back", "failed": release, "operator"}."""
    history = read(path)
    before = json.dumps(history)
    if changes.get("taken_back"):
        was_taken_back(history, changes["taken_back"], changes.get("operator", ""))
    if changes.get("failed"):
        has_failed(history, changes["failed"])
    if changes.get("live"):
        went_live(history, changes["live"])
    if json.dumps(history) != before or not path.exists():
        write(path, history)

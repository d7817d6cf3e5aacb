"""Reads an application's files, links, releases and units on behalf of several programs.

A library, sent to the host with the programs that import it. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SYSTEM = Path("/etc/systemd/system")
UPSTREAMS = Path("/run/groundcrew/nginx")
RELEASE = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}")
"""Pattern of release names. No other directory is treated as a release."""


def text(path: Path) -> str:
    """A file's content; empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def tail(path: Path, limit: int) -> list[str]:
    """The lines of a file; only the last ones if it is longer than `limit` bytes."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - limit))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    return lines[1:] if size > limit else lines


def link_name(path: Path, suffix: str = "") -> str | None:
    """The last component of a link's target without `suffix`; None if there is no link."""
    try:
        name = os.path.basename(os.readlink(path))
    except OSError:
        return None
    return name[: -len(suffix)] if suffix and name.endswith(suffix) else name


def live_release(name: str) -> tuple[str | None, bool]:
    """The release that nginx's link points to, and whether systemd holds its socket."""
    live = link_name(UPSTREAMS / name / "current.sock", ".sock")
    held = live == "held"
    if held:
        live = link_name(Path("/srv") / name / "current")
    return (live if live and RELEASE.fullmatch(live) else None), held


def release_folders(root: Path) -> list[Path]:
    """The directories of all releases of the application in `root`, oldest first."""
    try:
        folders = list((root / "releases").iterdir())
    except OSError:
        return []
    return sorted(
        item
        for item in folders
        if RELEASE.fullmatch(item.name) and item.is_dir() and not item.is_symlink()
    )


def metadata(folder: Path) -> dict[str, Any]:
    """A release's metadata; empty if it is not completely built."""
    try:
        record = json.loads(text(folder / "release.json") or "{}")
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def unit_names(name: str) -> list[str]:
    """The units of the application's releases, workers and timers: patterns for those that systemd
    has loaded, and the names of those on disk."""
    files = [path.name for part in ("@", ".*@") for path in SYSTEM.glob(f"{name}{part}*")]
    files = [item for item in files if item.endswith((".service", ".timer"))]
    return [f"{name}@*", f"{name}.*@*", *files]


def show_units(names: Iterable[str], properties: Iterable[str]) -> list[dict[str, str]]:
    """Properties of the matching units, times in UTC."""
    done = subprocess.run(
        ["systemctl", "show", f"--property={','.join(properties)}", *names],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
    )
    blocks = done.stdout.strip().split("\n\n")
    return [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in blocks
        if block
    ]

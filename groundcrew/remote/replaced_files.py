"""Finds units whose processes still run code from files that an update has replaced.

A library, sent to the host with the programs that import it. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")
PLACES = ("/usr/", "/lib/", "/lib64/", "/bin/", "/sbin/", "/opt/groundcrew/")
"""Where packages, which only root installs, have their programs and libraries."""

DELETED = " (deleted)"
ROOT = 0
INIT = "init.scope"
"""The unit of systemd itself."""


def pending(proc: Path = PROC) -> dict[str, list[str]]:
    """Unit -> names of the replaced files that its processes still run. Logins of people are left
    out: they end."""
    top = _path(_text(proc / "1" / "cgroup")).removesuffix(f"/{INIT}")
    files: dict[str, set[str]] = {}
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        unit = unit_of(_path(_text(folder / "cgroup")), top)
        names = replaced(folder) if unit else set()
        if unit and names:
            files.setdefault(unit, set()).update(names)
    return {unit: sorted(names) for unit, names in sorted(files.items())}


def unit_of(path: str, top: str = "") -> str | None:
    """The system's unit of a control group; None for logins and containers of the host. `top` is
    the path of the root group, which is not empty in a container."""
    if not path.startswith(f"{top}/"):
        return None
    parts = path[len(top) + 1 :].split("/")
    if parts == [INIT]:
        return INIT
    if parts[0] != "system.slice":
        return None
    return next((part for part in parts if part.endswith(".service")), None)


def replaced(process: Path) -> set[str]:
    """Names of the replaced files whose code a process has in its memory."""
    names = set()
    # The kernel escapes line feeds in names, and nothing else that some count as the end of a line.
    for line in _text(process / "maps").split("\n"):
        fields = line.split(None, 5)
        if len(fields) < 6 or "x" not in fields[1] or not fields[5].endswith(DELETED):
            continue
        path = fields[5].removesuffix(DELETED)
        if path.startswith(PLACES) and _is_roots(process / "map_files" / fields[0]):
            names.add(os.path.basename(path))
    return names


def _is_roots(mapping: Path) -> bool:
    """Whether the mapped file belongs to root. In a name space of its own, a process can give a
    file of its own any path."""
    try:
        return mapping.stat().st_uid == ROOT
    except OSError:
        return False


def _path(text: str) -> str:
    """systemd's control group in /proc/PID/cgroup, of either version."""
    paths = {}
    for line in text.split("\n"):
        number, _, rest = line.partition(":")
        kind, _, path = rest.partition(":")
        paths[kind or number] = path
    return paths.get("name=systemd", paths.get("0", ""))


def _text(path: Path) -> str:
    """A file of /proc; empty if the process has ended."""
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""

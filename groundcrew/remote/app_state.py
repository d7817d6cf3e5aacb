"""Reports the releases of applications and the state of their units.

Runs on the host as `python3 -c SCRIPT NAME...`. Prints one line of JSON: {NAME: {"live": release
that serves, "current": release that /srv/NAME/current points to, "held", "socket_unit", "fallback":
bool, "damaged": whether the live release's code is not what was built, "releases": {ID: {"built":
whether it is complete and has its Python, "bad", "hooked": bool, "source": text, "held": whether
systemd holds its socket, null without a unit}}, "served": [releases, the last one last],
"taken_back": {ID: {"time", "operator"}}, "units": {UNIT: {"active", "sub", "enabled", "restarts",
"memory"}}, "memory_available": bytes, "lock": text}}. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from groundcrew.remote.app_files import (
    SYSTEM,
    UPSTREAMS,
    link_name,
    live_release,
    metadata,
    release_folders,
    show_units,
    text,
    unit_names,
)
from groundcrew.remote.history import History, read
from groundcrew.remote.parts import PART, DamagedError, check, same_files

if TYPE_CHECKING:
    # Types of the reports, shared with the facts; never sent to a host.
    from groundcrew.facts.apps import AppState, ReleaseState, UnitState

PROPERTIES = ("Id", "ActiveState", "SubState", "UnitFileState", "NRestarts", "MemoryCurrent")


def held(name: str, release: str) -> bool | None:
    """Whether systemd holds the socket of a release; None if it has no unit."""
    unit = text(SYSTEM / f"{name}@{release}.service")
    return f"\nSockets={name}.socket\n" in unit if unit else None


def releases(root: Path, past: History) -> dict[str, ReleaseState]:
    """The state of every release."""
    states: dict[str, ReleaseState] = {}
    for folder in release_folders(root):
        try:
            states[folder.name] = release_state(root, folder, past)
        except (OSError, ValueError, RecursionError):
            # One that cannot be read hides no other, and counts as not built: nothing leads to it.
            states[folder.name] = {
                "built": False, "bad": True, "hooked": False, "source": "", "held": None
            }  # fmt: skip
    return states


def release_state(root: Path, folder: Path, past: History) -> ReleaseState:
    """The state of one release."""
    known = metadata(folder)
    return {
        "built": bool(known) and not lost_its_python(folder, str(known.get("python", ""))),
        "bad": folder.name in past["failed"] or folder.name in past["taken_back"],
        "hooked": (folder / "hooks-done").exists(),
        "source": str(known.get("source", "")),
        "held": held(root.name, folder.name),
    }


def lost_its_python(folder: Path, version: str) -> bool:
    """Whether the interpreter of a release is gone or another one by now, after an upgrade of
    Debian: its packages are those of `version`, and it cannot start again."""
    link = folder / "venv" / "bin" / "python"
    if not version or not os.path.lexists(link):
        return False
    # A build has made the link. Path.exists raises OSError for a name that is too long; realpath
    # would raise RecursionError for far more links in a row than the kernel follows.
    if not os.path.exists(link):
        return True
    now = re.fullmatch(r"python(\d+\.\d+)", os.path.basename(os.path.realpath(link)))
    return bool(now and now[1] != ".".join(version.split(".")[:2]))


def damaged(root: Path, release: str | None) -> bool:
    """Whether the code of a release differs from what was built: truncated by a power cut or
    changed by hand."""
    code = metadata(root / "releases" / release).get("code") if release else None
    if not isinstance(code, str) or not PART.fullmatch(code):
        return False
    try:
        return not check(root / "code" / code) or not same_files(
            root / "code" / code / "app", root / "releases" / str(release) / "app"
        )
    except (DamagedError, OSError, ValueError, RecursionError):
        return True


def units(name: str) -> dict[str, UnitState]:
    """State of every unit of the application, whether loaded or only on disk."""
    return {
        pairs["Id"]: {
            "active": pairs.get("ActiveState", ""),
            "sub": pairs.get("SubState", ""),
            "enabled": enabled(pairs["Id"], pairs.get("UnitFileState", "")),
            "restarts": pairs.get("NRestarts", "0"),
            "memory": pairs.get("MemoryCurrent", ""),
        }
        for pairs in show_units(unit_names(name), PROPERTIES)
        if "Id" in pairs
    }


def enabled(unit: str, told: str) -> str:
    """Whether a unit starts at boot. What systemd tells may be as old as its last reload, and a
    switch makes none."""
    if told not in ("enabled", "disabled"):
        return told
    wanted = any(os.path.lexists(folder / unit) for folder in SYSTEM.glob("*.wants"))
    return "enabled" if wanted else "disabled"


def memory_available() -> int:
    """Available memory in bytes."""
    for line in text(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def state(name: str) -> AppState:
    """The state of one application."""
    root = Path("/srv") / name
    live, is_held = live_release(name)
    past = read(root / "history.json")
    return {
        "live": live,
        "held": is_held,
        "current": link_name(root / "current"),
        "socket_unit": (SYSTEM / f"{name}.socket").exists(),
        "fallback": (UPSTREAMS / name / "previous.sock").is_symlink(),
        "damaged": damaged(root, live),
        "releases": releases(root, past),
        "served": past["served"],
        "taken_back": past["taken_back"],
        "units": units(name),
        "memory_available": memory_available(),
        "lock": text(root / "lock").strip(),
    }


def main() -> int:
    """Prints the state of the applications named in the arguments."""
    states: dict[str, AppState] = {name: state(name) for name in sys.argv[1:]}
    print(json.dumps(states))
    return 0


if __name__ == "__main__":
    sys.exit(main())

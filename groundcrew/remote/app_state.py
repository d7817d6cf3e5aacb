"""Reports the releases of one application and what runs of them.

Runs on the host as `python3 -c SCRIPT NAME`. Prints one line of JSON: {"live": release that serves,
"current": release that /srv/NAME/current leads to, "held", "socket_unit", "fallback": bool,
"releases": {ID: {"built", "bad", "hooked": bool, "source": text}}, "units": {UNIT: {"active",
"sub", "enabled", "restarts", "memory"}}, "memory_available": bytes, "lock": text}. Standard library
only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PROPERTIES = "Id,ActiveState,SubState,UnitFileState,NRestarts,MemoryCurrent"


def link_name(path: Path, suffix: str = "") -> str | None:
    """The last part of what a link leads to, or None where there is no link."""
    try:
        return os.path.basename(os.readlink(path)).removesuffix(suffix)
    except OSError:
        return None


def text(path: Path) -> str:
    """A file's content, empty where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def releases(root: Path) -> dict[str, dict[str, Any]]:
    """Every release directory; one that was not built to its end has no release.json."""
    try:
        folders = sorted(item for item in (root / "releases").iterdir() if item.is_dir())
    except OSError:
        return {}
    found = {}
    for folder in folders:
        metadata = text(folder / "release.json")
        found[folder.name] = {
            "built": bool(metadata),
            "bad": (folder / "bad").exists(),
            "hooked": (folder / "hooks-done").exists(),
            "source": json.loads(metadata).get("source", "") if metadata else "",
        }
    return found


def units(name: str) -> dict[str, dict[str, str]]:
    """State of every unit of the application: those that are loaded, and those that are enabled."""
    system = Path("/etc/systemd/system")
    files = [path.name for part in ("@", ".*@") for path in system.glob(f"{name}{part}*")]
    names = [item for item in files if item.endswith((".service", ".timer"))]
    show = subprocess.run(
        ["systemctl", "show", f"--property={PROPERTIES}", f"{name}@*", f"{name}.*@*", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    found = {}
    for block in show.stdout.strip().split("\n\n"):
        pairs = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in pairs:
            found[pairs["Id"]] = {
                "active": pairs.get("ActiveState", ""),
                "sub": pairs.get("SubState", ""),
                "enabled": pairs.get("UnitFileState", ""),
                "restarts": pairs.get("NRestarts", "0"),
                "memory": pairs.get("MemoryCurrent", ""),
            }
    return found


def memory_available() -> int:
    """Bytes that programs can still have."""
    for line in text(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def main() -> int:
    """Prints the state of the application named in argv[1]."""
    name = sys.argv[1]
    root = Path("/srv") / name
    run = Path("/run") / name
    current = link_name(root / "current")
    live = link_name(run / "current.sock", ".sock")
    print(
        json.dumps(
            {
                "live": current if live == "held" else live,
                "held": live == "held",
                "current": current,
                "socket_unit": Path(f"/etc/systemd/system/{name}.socket").exists(),
                "fallback": (run / "previous.sock").is_symlink(),
                "releases": releases(root),
                "units": units(name),
                "memory_available": memory_available(),
                "lock": text(root / "lock").strip(),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

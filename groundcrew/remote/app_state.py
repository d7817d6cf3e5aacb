"""Reports the releases of one application and what runs of them.

Runs on the host as `python3 -c SCRIPT NAME`. Prints one line of JSON: {"live": release that
nginx's socket leads to, "current": release that /srv/NAME/current leads to, "releases": {ID:
{"built": bool, "bad": bool}}, "units": {ID: {"active", "sub", "enabled", "restarts"}}}.
Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def link_name(path: Path, suffix: str = "") -> str | None:
    """The last part of what a link leads to, or None where there is no link."""
    try:
        return os.path.basename(os.readlink(path)).removesuffix(suffix)
    except OSError:
        return None


def releases(root: Path) -> dict[str, dict[str, bool]]:
    """Every release directory; one that was not built to its end has no release.json."""
    try:
        folders = sorted(item for item in (root / "releases").iterdir() if item.is_dir())
    except OSError:
        return {}
    return {
        folder.name: {
            "built": (folder / "release.json").exists(),
            "bad": (folder / "bad").exists(),
        }
        for folder in folders
    }


def units(name: str) -> dict[str, dict[str, str]]:
    """State of every unit of the application that systemd has loaded."""
    show = subprocess.run(
        [
            "systemctl",
            "show",
            "--property=Id,ActiveState,SubState,UnitFileState,NRestarts",
            f"{name}@*.service",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    found = {}
    for block in show.stdout.strip().split("\n\n"):
        pairs = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in pairs:
            found[pairs["Id"].split("@", 1)[1].removesuffix(".service")] = {
                "active": pairs.get("ActiveState", ""),
                "sub": pairs.get("SubState", ""),
                "enabled": pairs.get("UnitFileState", ""),
                "restarts": pairs.get("NRestarts", "0"),
            }
    return found


def main() -> int:
    """Prints the state of the application named in argv[1]."""
    name = sys.argv[1]
    root = Path("/srv") / name
    print(
        json.dumps(
            {
                "live": link_name(Path("/run") / name / "current.sock", ".sock"),
                "current": link_name(root / "current"),
                "releases": releases(root),
                "units": units(name),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

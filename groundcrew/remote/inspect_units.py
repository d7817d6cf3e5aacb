"""Reports the state of systemd units and the age of their files.

Runs on the host as `python3 -c SCRIPT REQUEST...`; each REQUEST is JSON {"units": [names], "files":
[paths]}. Prints a line of JSON for each: {"units": {name asked for: properties}, "modified": {path:
Unix time of its last change}}; a missing file is left out. systemd is asked once for all. Standard
library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from groundcrew.remote.commands import last_line, run

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.systemd import UnitStates

PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "NeedDaemonReload",
    "CanReload",
    "ActiveEnterTimestamp",
    "StateChangeTimestamp",
)


def states(names: list[str]) -> dict[str, dict[str, str]]:
    """Properties of units by the names asked for, aliases too. Raises OSError with systemd's
    message."""
    if not names:
        return {}
    properties = f"--property={','.join(PROPERTIES)}"
    shown = run("systemctl", "show", "--timestamp=us+utc", properties, "--", *names)
    blocks = shown.stdout.strip().split("\n\n")
    if shown.returncode != 0 or len(blocks) != len(names):
        raise OSError(last_line(shown.stderr) or "systemd does not answer for all units")
    return {
        name: dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for name, block in zip(names, blocks)  # noqa: B905 - Python 3.9
    }


def modified(paths: list[str]) -> dict[str, float]:
    """The times of those that exist; links are not followed."""
    times = {}
    for path in paths:
        try:
            times[path] = os.lstat(path).st_mtime
        except OSError:
            continue
    return times


def main(requests: list[str]) -> int:
    """Prints the reports; returns the exit status."""
    asked = [json.loads(request) for request in requests]
    try:
        known = states(list(dict.fromkeys(name for item in asked for name in item["units"])))
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for item in asked:
        report: UnitStates = {
            "units": {name: known[name] for name in item["units"]},
            "modified": modified(item["files"]),
        }
        print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

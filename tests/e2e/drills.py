"""Backups and drills by the program on a lab host, and backups that it has not made."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.e2e.harness import LabHost, inside

PROGRAM = "/usr/local/lib/groundcrew/backup.py"
STATE = "/var/lib/groundcrew/backups/state.json"
KEY = "/etc/groundcrew/backup/key"
COPIES = "/var/lib/groundcrew/backups/copies"
ADOPT = f"""
import json, sys
name, target, made, until = sys.argv[1:]
state = json.load(open("{STATE}"))
state["sets"][name][target].update(snapshot=made, until=float(until))
json.dump(state, open("{STATE}", "w"))
"""
LEFT = (
    "ip netns list; ls -d /var/lib/groundcrew/backups/drill /var/lib/groundcrew/backups/restore "
    "2>/dev/null; systemctl list-units --all --plain --no-legend "
    "'groundcrew-drill-*' 'groundcrew-restore-*' 'groundcrew-copy-*'; "
    "ls /run/systemd/system | grep ^groundcrew-drill- ; pgrep -a restic; true"
)


def program(host: LabHost, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs the program on the host."""
    return subprocess.run(
        ["docker", "exec", host.container, "python3", "-IS", PROGRAM, *words],
        check=False, capture_output=True, text=True, timeout=900,
    )  # fmt: skip


def backed_up(host: LabHost, kind: str = "daily") -> tuple[int, str]:
    """Exit status and errors of a backup."""
    done = program(host, "run", kind)
    return done.returncode, done.stderr


def state(host: LabHost) -> dict[str, Any]:
    """What the host has noted about its backups."""
    return dict(json.loads(inside(host, f"cat {STATE}")))


def drilled(host: LabHost, target: str) -> tuple[int, list[str]]:
    """Exit status and problems of a drill with a target."""
    done = program(host, "drill", target)
    return done.returncode, state(host)["drill"]["problems"]


def restic(repository: str) -> str:
    """The beginning of a command of restic for a repository of the host."""
    return f"restic -q --repo {repository} --password-file {KEY}"


def store_by_hand(host: LabHost, repository: str, name: str, paths: str) -> tuple[str, str]:
    """Stores a backup that the program has not made. Returns its ID and its time."""
    until = inside(host, "date +%s.5").strip()
    told = inside(
        host,
        f"{restic(repository)} --json backup --host x --tag set={name} --tag until={until} {paths}",
    )
    return json.loads(told.splitlines()[-1])["snapshot_id"], until


def adopt(host: LabHost, name: str, target: str, made: tuple[str, str]) -> None:
    """Makes the host believe that it has made a backup itself."""
    inside(host, f"python3 - {name} {target} {made[0]} {made[1]}", ADOPT)


def left(host: LabHost) -> str:
    """What drills and restores have left: namespaces, directories, units, processes."""
    return inside(host, LEFT)

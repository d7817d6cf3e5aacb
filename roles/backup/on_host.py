"""What verify and status read about backups. Runs on the host as root. Standard library and
`groundcrew.remote` only, Python 3.9 or later.

Request of `backup`: {"directories": {name of a target: path}}.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from groundcrew.remote.commands import run

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.backups import ProgramReport
    from groundcrew.roles.backup.report import Backups, Key

Data = dict[str, Any]
PROGRAM = "/usr/local/lib/groundcrew/backup.py"
KEY = "/etc/groundcrew/backup/key"
MADE_UP = "/var/lib/groundcrew/backups/key"


def backup(request: Data) -> Backups:
    """State of the backups, the timers, and the restores that keep replaced data."""
    result = run("/usr/bin/python3", "-IS", PROGRAM, "report")
    if result.returncode != 0:
        return {"planned": False}
    of_program: ProgramReport = json.loads(result.stdout)
    shown = run("systemctl", "list-timers", "--all", "--plain", "--no-legend",
                "groundcrew-backup-*.timer").stdout  # fmt: skip
    running = run("systemctl", "list-units", "--plain", "--no-legend", "--state=activating",
                  "groundcrew-backup-*.service").stdout  # fmt: skip
    return {
        "planned": True,
        "state": of_program["state"],
        "sets": of_program["sets"],
        "servers": of_program["servers"],
        "timers": [word for line in shown.splitlines() for word in line.split()
                   if word.endswith(".timer")],
        "running": [line.split()[0] for line in running.splitlines() if line.strip()],
        "kept": of_program["kept"],
        "made_up": fingerprint(MADE_UP),
        "same_disk": [name for name, path in request["directories"].items() if same_disk(path)],
    }  # fmt: skip


def fingerprint(path: str) -> str | None:
    """Eight characters that tell a key from others, and nothing about it; None if the host has made
    up none, or uses another one."""
    try:
        with open(path, encoding="utf-8") as made, open(KEY, encoding="utf-8") as used:
            text = made.read().strip()
            if text != used.read().strip():
                return None
    except OSError:
        return None
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def same_disk(path: str) -> bool:
    """Whether a directory is on the file system of the data."""
    return os.path.exists(path) and os.stat(path).st_dev == os.stat("/srv").st_dev


def show_key(_: Data) -> Key:
    """The key and its fingerprint, and the public SSH keys that the host has made up."""
    with open(KEY, encoding="utf-8") as file:
        key = file.read().strip()
    return {"key": key, "fingerprint": fingerprint(MADE_UP), "ssh": public_keys({})}


def public_keys(_: Data) -> dict[str, str]:
    """Target -> the public SSH key that the host has made up for it."""
    folder = os.path.dirname(KEY)
    keys = {}
    for name in sorted(os.listdir(folder)):
        if name.startswith("made-") and name.endswith(".ssh.pub"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                keys[name[len("made-") : -len(".ssh.pub")]] = file.read().strip()
    return keys


def pending(request: Data) -> list[str]:
    """What is missing before backups can be made: a line each."""
    lines = missing(request)
    for timer in request["timers"]:
        shown = run("systemctl", "show", "--property=ActiveState,UnitFileState,NeedDaemonReload",
                    timer).stdout  # fmt: skip
        values = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        good = (values.get("ActiveState"), values.get("UnitFileState")) == ("active", "enabled")
        if not good or values.get("NeedDaemonReload") == "yes":
            lines.append(f"{timer} is not active")
    for kind in request["unwanted"]:
        unit = f"groundcrew-backup-{kind}.timer"
        if run("systemctl", "is-active", unit).stdout.strip() == "active":
            lines.append(f"{unit} is active")
    return lines


def missing(request: Data) -> list[str]:
    """The SSH keys that have not been made up yet: a line each."""
    return [f"no SSH key {path}" for path in request["identities"] if not os.path.exists(path)]


def identities(request: Data) -> list[str]:
    """Makes up SSH keys. Raises OSError."""
    for path in request["identities"]:
        if not os.path.exists(path):
            result = run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", request["host"],
                         "-f", path)  # fmt: skip
            if result.returncode != 0:
                raise OSError(result.stderr.strip())
    return missing(request)


def begin(request: Data) -> list[str]:
    """Makes up SSH keys and starts the timers. Raises OSError."""
    identities(request)
    run("systemctl", "daemon-reload")
    for kind in request["unwanted"]:
        run("systemctl", "disable", "--quiet", "--now", f"groundcrew-backup-{kind}.timer")
    for timer in request["timers"]:
        run("systemctl", "enable", "--quiet", timer)
        result = run("systemctl", "restart", timer)
        if result.returncode != 0:
            raise OSError(f"{timer} does not start: {result.stderr.strip()}")
    return pending(request)


def has_backups(_: Data) -> bool:
    """Whether everything that is backed up has been stored at every target at least once."""
    result = run("/usr/bin/python3", "-IS", PROGRAM, "report")
    if result.returncode != 0:
        raise OSError(result.stderr.strip())
    report: ProgramReport = json.loads(result.stdout)
    return not report["new"]

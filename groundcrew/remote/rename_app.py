"""Gives the data of one application to another: its shared directories and its generated secrets.

Runs on the host as root. `python3 -c SCRIPT OLD NEW` only looks, and prints the report as one line
of JSON (see groundcrew/facts/renaming.py). Without arguments, it moves what a JSON payload on stdin
asks for: {"was": OLD, "app": NEW, "run": of the new application, as in
groundcrew/remote/run_lock.py}. The old application must be stopped. Interrupted, it can be run
again. Standard library only, Python 3.9 or later.

`/srv/NAME` and its entries belong to root. What is below `shared` belongs to the application: only
chown and find work there, which follow no links and go to any depth.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from groundcrew.remote.run_lock import RunIsGoneError, step
from groundcrew.remote.stop_app import running, units

if TYPE_CHECKING:
    # Types of the reports, shared with the facts; never sent to a host.
    from groundcrew.facts.renaming import RenamedState

SRV = Path("/srv")
MOUNTS = Path("/proc/self/mountinfo")
GROUPS = ("", "-web", "-build")
"""An application's groups: its name with one of these."""


class RenameError(Exception):
    """The data cannot be moved; the message says why."""


def shared(app: str) -> Path:
    """The directory of an application's data."""
    return SRV / app / "shared"


def secrets(app: str) -> Path:
    """The directory of an application's generated secrets."""
    return SRV / app / "secrets"


def other_secret(was: str, app: str) -> str | None:
    """A secret of the new application that has the name of one of the old one and other content;
    None if there is none."""
    mine = sorted(secrets(was).iterdir()) if secrets(was).is_dir() else []
    for item in mine:
        there = secrets(app) / item.name
        # Replacing one by the same content loses nothing.
        if os.path.lexists(there) and there.read_bytes() != item.read_bytes():
            return str(there)
    return None


def first_file(folder: Path) -> str | None:
    """Something below a directory that is no directory; None if there is nothing, or no such
    directory."""
    if not folder.is_dir():
        return None
    return run("find", str(folder), "!", "-type", "d", "-print", "-quit").strip() or None


def mounts(folder: Path) -> list[str]:
    """The file systems mounted on a directory or below it."""
    points = [line.split()[4] for line in MOUNTS.read_text(encoding="utf-8").splitlines()]
    return sorted({item for item in points if f"{item}/".startswith(f"{folder}/")})


def look(was: str, app: str) -> RenamedState:
    """What there is to move, and what is in the way."""
    has_secrets = secrets(was).is_dir() and any(secrets(was).iterdir())
    has_files = first_file(shared(was)) is not None
    # Without the old directory, a run that was interrupted has moved it: what is there is its data.
    places = [shared(was), shared(app)] if shared(was).is_dir() else []
    there = first_file(shared(app)) if places else None
    return {
        "data": has_files or has_secrets,
        "there": there or other_secret(was, app),
        "mounts": sorted({point for place in places for point in mounts(place)}),
        "running": running(units(app)),
    }


def move(was: str, app: str) -> None:
    """Moves the data. Raises RenameError, OSError or CalledProcessError."""
    state = look(was, app)
    if state["mounts"] or state["running"]:
        raise RenameError("something has begun to run or was mounted meanwhile")
    if state["there"]:
        raise RenameError(f"{app} has data of its own: {state['there']}")
    source, target = shared(was), shared(app)
    if first_file(source) is not None:
        give(source, was, app)
        if target.exists():
            # Directories that a deploy has made.
            run("find", str(target), "-depth", "-type", "d", "-empty", "-delete")
        os.rename(source, target)
    if secrets(was).is_dir():
        secrets(app).mkdir(mode=0o700, exist_ok=True)
        for item in sorted(secrets(was).iterdir()):
            os.replace(item, secrets(app) / item.name)


def give(folder: Path, was: str, app: str) -> None:
    """Makes the new application's user and groups owners of what belongs to the old one's."""
    user, new = pwd.getpwnam(was).pw_uid, pwd.getpwnam(app).pw_uid
    run("chown", "-hR", f"--from={user}", str(new), str(folder))
    for suffix in GROUPS:
        group, other = grp.getgrnam(was + suffix).gr_gid, grp.getgrnam(app + suffix).gr_gid
        run("chown", "-hR", f"--from=:{group}", f":{other}", str(folder))


def run(*command: str) -> str:
    """The output of a command. Raises CalledProcessError; its errors are shown."""
    return subprocess.run(
        command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        errors="replace",
    ).stdout  # fmt: skip


def main() -> int:
    """Looks, and moves if that is asked for."""
    if len(sys.argv) > 1:
        print(json.dumps(look(*sys.argv[1:])))
        return 0
    payload = json.load(sys.stdin)
    was, app = payload["was"], payload["app"]
    try:
        with step(payload["run"]):
            move(was, app)
    except (
        RenameError, RunIsGoneError, KeyError, OSError, subprocess.CalledProcessError
    ) as error:  # fmt: skip
        print(f"{was}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

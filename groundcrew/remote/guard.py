"""Changes files that could lock the operator out, with a dead man's switch armed first.

Runs on the host as `python3 -c SCRIPT` with a JSON payload on stdin:
{"name", "seconds", "program": text of apply_files.py, "way_back": text of guard_back.py,
 "boot_unit": text of the unit that runs it at boot, "entries", "validate",
 "snapshot": [COMMAND...], "activate": [COMMAND...], "restore": [COMMAND...],
 "reactivate": [COMMAND...]}

Before anything changes, the undo data is on disk, a unit is enabled that restores everything at the
next boot, and a service is started that sleeps for `seconds` and then restores it. `put_back`
describes how these and the operators agree on who decides. The commands of `snapshot`, `restore`
and `reactivate` run in the state directory; `reactivate` is skipped at boot.

The service sleeps because a systemd timer would restart its countdown at every daemon-reload.
Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from groundcrew.remote.put_back import (
    STATE,
    GuardError,
    alone,
    check_owned,
    claim,
    decide,
    failures,
    load,
    run,
    settle,
    sleeper,
    state_of,
    sync,
)

PROGRAM = STATE.parent / "put_back.py"
UNITS = Path("/etc/systemd/system")
UNIT = UNITS / "groundcrew-guard.service"
ENABLED = UNITS / "sysinit.target.wants" / UNIT.name


def make_directory(path: Path, mode: int) -> None:
    """Creates a directory that only root can change, and syncs it. Raises GuardError if others can
    change it."""
    if not path.exists():
        path.mkdir(mode)
        sync(path.parent)
    check_owned(path)


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Replaces a file atomically, and syncs it."""
    staged = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fchmod(stream.fileno(), mode)
        os.fsync(stream.fileno())
    staged.replace(path)
    sync(path.parent)


def write_where_it_differs(path: Path, text: str, mode: int) -> None:
    """Writes a file unless it already has this content."""
    if path.is_symlink() or not path.is_file() or path.read_text() != text:
        write(path, text, mode)


def install(payload: dict[str, Any]) -> None:
    """Installs the program that restores changes, and the unit that runs it at boot."""
    make_directory(STATE.parent, 0o755)
    make_directory(STATE, 0o700)
    STATE.chmod(0o700)
    write_where_it_differs(PROGRAM, payload["way_back"], 0o600)
    write_where_it_differs(UNIT, payload["boot_unit"], 0o644)
    # Enabled without systemctl, which would reload systemd: the unit is only needed at the next
    # boot.
    make_directory(ENABLED.parent, 0o755)
    if not ENABLED.is_symlink() or os.readlink(ENABLED) != str(UNIT):
        ENABLED.unlink(missing_ok=True)
        ENABLED.symlink_to(UNIT)
        sync(ENABLED.parent)


def arm(state: Path, seconds: int) -> None:
    """Starts the sleeper, replacing one that already runs."""
    unit = sleeper(state)
    run(f"systemctl stop {unit} 2>/dev/null || true", Path("/"))
    wake_up = f"sleep {seconds} && exec python3 -IS {PROGRAM} late {state.name}"
    # The service counts as started once its runtime directory exists, which shows that it is armed.
    options = f"--service-type=exec --property=RuntimeDirectory={unit.removesuffix('.service')}"
    run(
        f"systemd-run --quiet --collect {options} --unit={unit} /bin/sh -c {shlex.quote(wake_up)}",
        Path("/"),
    )


def prepare(payload: dict[str, Any], directory: Path, fresh: bool) -> ModuleType:
    """Writes the undo data and syncs it; returns the program that changes files.

    The initial state recorded by an unfinished change of the same name is kept.
    """
    write(directory / "apply_files.py", payload["program"])
    program = load(directory / "apply_files.py")
    undo = [] if fresh else json.loads((directory / "undo.json").read_text())["entries"]
    known = {entry["path"] for entry in undo}
    undo += [
        program.snapshot(entry["path"])
        for entry in payload["entries"]
        if entry["path"] not in known
    ]
    if fresh:
        for command in payload["snapshot"]:
            run(f"umask 077; {command}", directory)
        sync_all(directory)
    way = {name: payload[name] for name in ("restore", "reactivate")}
    write(directory / "undo.json", json.dumps({"entries": undo, **way}))
    return program


def sync_all(directory: Path) -> None:
    """Syncs all files in a directory and below it, so that they survive a power cut."""
    for root, _, names in os.walk(directory):
        for name in names:
            path = Path(root, name)
            if path.is_file() and not path.is_symlink():
                sync(path)
        sync(Path(root))


def begin(payload: dict[str, Any], state: Path) -> ModuleType:
    """Arms the sleeper once the undo data is on disk; returns the program that changes files.

    If this fails, nothing has been changed, and an unfinished change has been restored.
    """
    install(payload)
    settle(state)
    mine = claim(state, "guard")
    fresh = mine is None
    if mine is None:
        mine = state.with_name(f"{state.name}.new")
        try:
            mine.mkdir(0o700)
        except FileExistsError:
            raise GuardError(f"{mine}: another run makes the same change just now") from None
    try:
        with alone(mine) as there:
            if not there:
                raise GuardError(f"{state}: another run, or the host, decided meanwhile; run again")
            # Armed first: if this process dies, the sleeper still restores the old state.
            arm(state, payload["seconds"])
            program = prepare(payload, mine, fresh)
            mine.rename(state)
            sync(state.parent)
    except BaseException:
        # If the directory exists again, it belongs to another run.
        if not state.exists():
            failures([f"systemctl stop {sleeper(state)} 2>/dev/null || true"], Path("/"))
        settle(state)
        raise
    return program


def main() -> int:
    """Arms the switch, makes the change and activates it."""
    payload = json.load(sys.stdin)
    try:
        state = state_of(payload["name"])
        program = begin(payload, state)
    except (GuardError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\nNothing was changed.\n")
        return 1
    try:
        program.Change(payload["entries"]).apply(payload["validate"])
        for command in payload["activate"]:
            run(command, state)
    except (GuardError, program.ChangeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        try:
            decide(state, "back")
        except (GuardError, OSError, ValueError) as second:
            sys.stderr.write(f"{second}\n")
        else:
            sys.stderr.write("Everything was put back.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Changes files that could lock the operator out, with a dead man's switch armed first.

Runs on the host as `python3 -c SCRIPT` with a JSON payload on stdin:
{"name", "seconds", "program": text of apply_files.py, "entries", "validate",
 "snapshot": [COMMAND...], "activate": [COMMAND...], "revert": [COMMAND...]}

Before anything changes, a service is started that sleeps for `seconds` and then runs `revert.sh`:
it puts the files back and runs the `revert` commands. Whoever is to decide first renames the state
directory, which only one can: the sleeper when it wakes up, or the operator who keeps the change or
puts it back. The commands of `snapshot` and `revert` run in the state directory.

It is a sleeper and no timer because systemd starts a timer's countdown anew at a daemon-reload.
Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

STATE = Path("/run/groundcrew/guard")

REVERT = """#!/bin/sh
# Puts back the change "{name}"; see groundcrew/remote/guard.py.
directory=$(dirname "$0")
cd "$directory" || exit 1
python3 -IS apply_files.py < undo.json
{commands}
cd / && rm -rf "$directory"
"""


class GuardError(Exception):
    """The change was not made; the message says why."""


def run(command: str, directory: Path) -> None:
    """Runs a shell command, raising GuardError with its output unless it exits 0."""
    result = subprocess.run(
        command,
        shell=True,
        check=False,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if result.returncode != 0:
        raise GuardError(f"`{command}` failed:\n{(result.stdout + result.stderr).rstrip()}")


def load(path: Path) -> ModuleType:
    """Imports a program from a file."""
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise GuardError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_private(path: Path, text: str) -> None:
    """Writes a file that only root can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)


def earlier_undo(state: Path) -> list[dict[str, Any]]:
    """What an unfinished change of the same name would put back: its beginning is ours too."""
    try:
        entries: list[dict[str, Any]] = json.loads((state / "undo.json").read_text())["entries"]
    except FileNotFoundError:
        return []
    return entries


def prepare(payload: dict[str, Any], state: Path, fresh: bool) -> ModuleType:
    """Writes the way back into the state directory; returns the program that changes files."""
    undo = earlier_undo(state)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    (state / "apply_files.py").write_text(payload["program"])
    program = load(state / "apply_files.py")
    known = {entry["path"] for entry in undo}
    for entry in payload["entries"]:
        if entry["path"] not in known:
            undo.append(program.snapshot(entry["path"]))
    write_private(state / "undo.json", json.dumps({"entries": undo}))
    commands = "\n".join(payload["revert"])
    (state / "revert.sh").write_text(REVERT.format(name=payload["name"], commands=commands))
    if fresh:
        for command in payload["snapshot"]:
            run(command, state)
    return program


def claim(state: Path) -> Path | None:
    """Takes the state directory, so that nobody else decides; None if there is none to take."""
    mine = state.with_name(f"{state.name}.{os.getpid()}")
    try:
        state.rename(mine)
    except FileNotFoundError:
        return None
    return mine


def take_over(state: Path, unit: str) -> bool:
    """Stops the sleeper of an unfinished change; whether there was one."""
    mine = claim(state)
    if mine is None:
        await_decided(state)
        return False
    run(f"systemctl stop {unit}", Path("/"))
    mine.rename(state)
    return True


def await_decided(state: Path) -> None:
    """Waits for a sleeper that is putting back an earlier change; clears what a crash left over."""
    for _ in range(50):
        if not list(state.parent.glob(f"{state.name}.*")):
            return
        time.sleep(0.2)
    for leftover in state.parent.glob(f"{state.name}.*"):
        shutil.rmtree(leftover, ignore_errors=True)


def arm(unit: str, seconds: int, state: Path) -> None:
    """Starts the sleeper."""
    late = f"{state}.late"
    wake_up = f"sleep {seconds} && mv -T {state} {late} && exec sh {late}/revert.sh"
    run(f"systemd-run --quiet --collect --unit={unit} /bin/sh -c {shlex.quote(wake_up)}", state)


def put_back(state: Path, unit: str) -> None:
    """Puts back the change at once, unless the sleeper is about to."""
    mine = claim(state)
    if mine is not None:
        run(f"systemctl stop {unit}; sh {mine}/revert.sh", Path("/"))


def main() -> int:
    """Arms the switch, makes the change and activates it."""
    payload = json.load(sys.stdin)
    state = STATE / payload["name"]
    unit = f"groundcrew-guard-{payload['name']}.service"
    fresh = not take_over(state, unit)
    try:
        program = prepare(payload, state, fresh)
        arm(unit, payload["seconds"], state)
    except (GuardError, OSError, ValueError) as error:
        if fresh:
            shutil.rmtree(state, ignore_errors=True)
        sys.stderr.write(f"{error}\nNothing was changed.\n")
        return 1
    try:
        program.Change(payload["entries"]).apply(payload["validate"])
        for command in payload["activate"]:
            run(command, state)
    except (GuardError, program.ChangeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        put_back(state, unit)
        sys.stderr.write("Everything was put back.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Changes files that could lock the operator out, with a dead man's switch armed first.

Runs on the host as `python3 -c SCRIPT` with a JSON payload on stdin:
{"name", "seconds", "program": text of apply_files.py, "entries", "validate",
 "snapshot": [COMMAND...], "activate": [COMMAND...], "revert": [COMMAND...]}

Before anything changes, a systemd timer is armed that runs `revert.sh` after `seconds`: it puts the
files back and runs the `revert` commands. Whoever then finds the host reachable renames the state
directory away, which is what disarms the switch; whichever rename comes first, wins. The commands
of `snapshot` and `revert` run in the state directory.
Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

STATE = Path("/run/groundcrew/guard")

REVERT = """#!/bin/sh
# Puts back the change "{name}"; see groundcrew/remote/guard.py.
mine={state}.reverting.$$
mv -T {state} "$mine" 2>/dev/null || exit 0
cd "$mine" || exit 1
python3 -IS apply_files.py < undo.json
{commands}
cd / && rm -rf "$mine"
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


def prepare(payload: dict[str, Any], state: Path) -> ModuleType:
    """Writes the way back into the state directory; returns the program that changes files."""
    undo = earlier_undo(state)
    resumed = state.is_dir()
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    (state / "apply_files.py").write_text(payload["program"])
    program = load(state / "apply_files.py")
    known = {entry["path"] for entry in undo}
    for entry in payload["entries"]:
        if entry["path"] not in known:
            undo.append(program.snapshot(entry["path"]))
    write_private(state / "undo.json", json.dumps({"entries": undo}))
    commands = "\n".join(payload["revert"])
    script = REVERT.format(name=payload["name"], state=state, commands=commands)
    (state / "revert.sh").write_text(script)
    if not resumed:
        for command in payload["snapshot"]:
            run(command, state)
    return program


def arm(name: str, seconds: int, state: Path) -> None:
    """Starts the timer, anew if one of an unfinished change still runs."""
    unit = f"groundcrew-guard-{name}"
    run(f"systemctl stop {unit}.timer 2>/dev/null || true", state)
    run(
        f"systemd-run --quiet --collect --unit={unit} --on-active={seconds} "
        f"--timer-property=AccuracySec=1s /bin/sh {state}/revert.sh",
        state,
    )


def main() -> int:
    """Arms the switch, makes the change and activates it."""
    payload = json.load(sys.stdin)
    name = payload["name"]
    state = STATE / name
    resumed = state.is_dir()
    try:
        program = prepare(payload, state)
        arm(name, payload["seconds"], state)
    except (GuardError, OSError, ValueError) as error:
        if not resumed:
            shutil.rmtree(state, ignore_errors=True)
        sys.stderr.write(f"{error}\nNothing was changed.\n")
        return 1
    try:
        program.Change(payload["entries"]).apply(payload["validate"])
        for command in payload["activate"]:
            run(command, state)
    except (GuardError, program.ChangeError, OSError) as error:
        sys.stderr.write(f"{error}\nEverything was put back.\n")
        run(f"systemctl stop groundcrew-guard-{name}.timer; sh {state}/revert.sh", Path("/"))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

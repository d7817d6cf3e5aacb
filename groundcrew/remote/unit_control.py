"""Keeps a unit running with its current files, for modules that manage a server on the host.

A library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from groundcrew.remote.commands import last_line, run

SECONDS = 60.0
"""Time that a server has to answer after a start."""


class UnitError(Exception):
    """A unit does not run; the message has the end of its journal."""


def unit_differences(unit: str, files: Sequence[str]) -> list[str]:
    """Why a unit must be started or restarted: it does not run, is not started at boot, or one of
    its files is newer than its start."""
    names = "ActiveState,UnitFileState,ActiveEnterTimestampMonotonic"
    shown = run("systemctl", "show", f"--property={names}", unit).stdout
    state = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    if state.get("ActiveState") != "active":
        return [f"{unit} does not run"]
    problems = []
    if state.get("UnitFileState") not in ("enabled", "enabled-runtime", "static", "alias"):
        problems.append(f"{unit} does not start at boot")
    running = time.monotonic() - int(state["ActiveEnterTimestampMonotonic"]) / 1e6
    started = time.time() - running
    changed = [path for path in files if os.path.exists(path) and os.stat(path).st_mtime > started]
    if changed:
        problems.append(f"{unit} has not read {', '.join(changed)}")
    return problems


def bring_up(unit: str, answers: Callable[[], bool]) -> None:
    """Restarts a unit, has it started at boot, and waits until it answers. Raises UnitError."""
    run("systemctl", "daemon-reload")
    run("systemctl", "enable", "--quiet", unit)
    # A unit that gave up earlier gets another chance.
    run("systemctl", "reset-failed", unit)
    result = run("systemctl", "restart", unit)
    if result.returncode != 0:
        raise UnitError(f"{last_line(result.stderr)}\n{journal(unit)}")
    deadline = time.monotonic() + SECONDS
    while not answers():
        if time.monotonic() > deadline:
            raise UnitError(f"{unit} does not answer\n{journal(unit)}")
        time.sleep(0.1)


def journal(unit: str) -> str:
    """The last lines that a unit has logged."""
    return run("journalctl", "--no-pager", "--no-hostname", "-n", "15", "-u", unit).stdout.strip()

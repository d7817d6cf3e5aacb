"""Checks whether units that were just started stay up, and reads their output.

A library, sent to the host with the programs that import it. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import re
import subprocess
from typing import Optional

from groundcrew.remote.commands import ending
from groundcrew.remote.printable import printable


def trouble(units: list[str]) -> Optional[str]:  # noqa: UP045 - Python 3.9
    """Why a unit will not become healthy any more; None if all may."""
    if not units:
        return None
    properties = "--property=Id,ActiveState,SubState,NRestarts,Result,Job"
    shown = subprocess.run(
        ["systemctl", "show", properties, *units], capture_output=True, text=True, check=False
    ).stdout
    for block in shown.strip().split("\n\n"):
        state = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        unit, active, result = (state.get(key, "") for key in ("Id", "ActiveState", "Result"))
        if state.get("SubState", "").startswith("auto-restart"):
            # systemd counts a restart only when it happens; until then the previous release serves.
            return f"unit {unit} has died ({result})"
        # A unit whose start waits for its turn, on a busy host, is inactive too.
        if active == "failed" or (active == "inactive" and not state.get("Job")):
            return f"unit {unit} is {active} ({result})"
        if int(state.get("NRestarts") or 0) > 0:
            return f"unit {unit} was restarted {state['NRestarts']} times ({result})"
    return None


def journal(units: list[str], lines: int = 40) -> str:
    """The last lines of the units' journal; of very long ones, the end."""
    command = ["journalctl", "--no-pager", "--output=cat", f"--lines={lines}"]
    return printable(ending([*command, *(f"--unit={unit}" for unit in units)]))


TRACEBACK = "Traceback (most recent call last):"
TELLING = re.compile(
    r"Failed to find attribute .*|Failed to parse .*|.*Error loading ASGI app\. .*"
    r"|.*no python application found.*|.*: error: .*|.*: not found$"
)
"""Error messages of servers and shells that fit on one line."""
EXCEPTION = re.compile(r"(?!(?:DEBUG|INFO|WARNING|ERROR|CRITICAL):)[A-Za-z_][\w.<>]*(?:: .*)?$")
"""The line that ends a traceback. The lines of other processes may come between."""
SERVERS = re.compile(
    r"gunicorn\.errors\.|SystemExit|KeyboardInterrupt|asyncio\.\w*\.?CancelledError"
)
"""Exceptions of a server that exits, which do not name the cause."""
SYSTEMD = re.compile(r"\S+\.(service|socket): ")
"""systemd's messages about a unit, which may interrupt a traceback."""
LONGEST = 1000
"""Characters of such a line that are told."""
KILLED = "killed by the OOM killer"


def shown(text: str, lines: int) -> str:
    """The last lines of a journal for display. The heads of tracebacks are left out: they look as
    if groundcrew had crashed."""
    kept = [line for line in text.splitlines() if TRACEBACK not in line]
    return "\n".join(kept[-lines:])


def own_words(text: str) -> Optional[str]:  # noqa: UP045 - Python 3.9
    """The line of a journal that best explains why an application ended: the last exception, or its
    server's message; None if there is neither."""
    lines = [line for line in text.splitlines() if not SYSTEMD.match(line)]
    if KILLED in text:
        return "it was killed: it needs more memory than `limits.memory_max` allows or the host has"
    for start in range(len(lines) - 1, -1, -1):
        if TRACEBACK in lines[start]:
            exception = next(filter(EXCEPTION.match, lines[start + 1 :]), None)
            if exception is not None and not SERVERS.match(exception):
                return exception[:LONGEST]
    telling = next((line for line in reversed(lines) if TELLING.match(line.strip())), None)
    return telling[:LONGEST] if telling else None

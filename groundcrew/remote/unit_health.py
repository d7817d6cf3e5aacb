"""Whether units that were just started stay up, and what they have said.

Part of the programs that import it: it is sent with them. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import re
import subprocess
from typing import Optional

from groundcrew.remote.printable import printable


def trouble(units: list[str]) -> Optional[str]:  # noqa: UP045 - Python 3.9
    """Why a unit will not become healthy any more, or None."""
    if not units:
        return None
    properties = "--property=Id,ActiveState,SubState,NRestarts,Result"
    shown = subprocess.run(
        ["systemctl", "show", properties, *units], capture_output=True, text=True, check=False
    ).stdout
    for block in shown.strip().split("\n\n"):
        state = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        unit, active, result = (state.get(key, "") for key in ("Id", "ActiveState", "Result"))
        if state.get("SubState", "").startswith("auto-restart"):
            # Not counted as a restart before it happens; until then the release before answers.
            return f"unit {unit} has died ({result})"
        if active in ("failed", "inactive"):
            return f"unit {unit} is {active} ({result})"
        if int(state.get("NRestarts") or 0) > 0:
            return f"unit {unit} was restarted {state['NRestarts']} times ({result})"
    return None


def journal(units: list[str], lines: int = 40) -> str:
    """The units' last lines."""
    done = subprocess.run(
        ["journalctl", "--no-pager", "--output=cat", f"--lines={lines}"]
        + [f"--unit={unit}" for unit in units],
        capture_output=True,
        text=True,
        check=False,
        errors="replace",
    )
    return printable(done.stdout)


TRACEBACK = "Traceback (most recent call last):"
TELLING = re.compile(
    r"Failed to find attribute .*|Failed to parse .*|.*Error loading ASGI app\. .*"
    r"|.*no python application found.*|.*: error: .*|.*: not found$"
)
"""What servers and shells say in a line of its own."""
SERVERS = re.compile(
    r"gunicorn\.errors\.|SystemExit|KeyboardInterrupt|asyncio\.\w*\.?CancelledError"
)
"""Exceptions of a server that ends, which say nothing of why."""
KILLED = "killed by the OOM killer"


def own_words(text: str) -> Optional[str]:  # noqa: UP045 - Python 3.9
    """The line of a journal that tells best why an application ended: the last exception, or what
    its server says; None where neither is there."""
    lines = text.splitlines()
    if KILLED in text:
        return "it was killed: it needs more memory than `limits.memory_max`, or the host, has"
    for start in range(len(lines) - 1, -1, -1):
        if TRACEBACK in lines[start]:
            after = (line for line in lines[start + 1 :] if line and not line[0].isspace())
            found = next(after, None)
            if found is not None and not SERVERS.match(found):
                return found
    return next((line for line in reversed(lines) if TELLING.match(line.strip())), None)

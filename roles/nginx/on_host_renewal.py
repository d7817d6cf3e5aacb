"""Replaces nginx's processes by new ones that share its listening sockets. Runs on the host.

<https://nginx.org/en/docs/control.html#upgrade>: the new main process starts beside the old one;
then the old workers finish their requests and end. The ports are open all the time, and systemd
follows the file with the main process's number.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from groundcrew.remote.commands import run
from groundcrew.remote.renewal_state import RenewalError

PID = Path("/run/nginx.pid")
OLD_PID = Path("/run/nginx.pid.oldbin")
PROC = Path("/proc")
START = 15.0
"""Seconds that the new processes have to start."""

FINISH = 120.0
"""Seconds to wait for requests of the old workers. They go on afterwards."""

SETTLE = 1.0


def renew(unit: str) -> None:
    """Replaces the processes. Raises RenewalError; the old ones serve then."""
    told = run("/usr/sbin/nginx", "-t", "-q")
    if told.returncode != 0:
        raise RenewalError(f"its configuration is refused: {told.stderr.strip()}")
    old = _number(PID)
    if not old:
        raise RenewalError(f"{unit} does not run")
    os.kill(old, signal.SIGUSR2)
    _wait(START, lambda: _number(OLD_PID) == old and bool(children(_new(old))))
    time.sleep(SETTLE)
    new = _new(old)
    if not children(new):
        if new:
            os.kill(new, signal.SIGQUIT)
        raise RenewalError("new processes do not start; the old ones go on serving")
    os.kill(old, signal.SIGWINCH)
    # The new main process is a child of the old one too.
    _wait(FINISH, lambda: children(old) in ([], [new]))
    os.kill(old, signal.SIGQUIT)
    _wait(START, lambda: _main(unit) == new)
    if _main(unit) != new:
        raise RenewalError(f"systemd takes another process than {new} for the main one")


def _new(old: int) -> int:
    """The new main process; 0 as long as there is none."""
    number = _number(PID)
    return number if number != old else 0


def _number(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def children(process: int) -> list[int]:
    """The processes that a process has started; workers, in the case of nginx."""
    try:
        text = (PROC / str(process) / "task" / str(process) / "children").read_text()
    except OSError:
        return []
    return [int(number) for number in text.split()]


def _main(unit: str) -> int:
    told = run("systemctl", "show", "--value", "--property=MainPID", unit).stdout.strip()
    return int(told) if told.isdigit() else 0


def _wait(seconds: float, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.1)

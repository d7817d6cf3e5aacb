"""Shows what a run waits for if it takes longer than a moment.

On a terminal one line is rewritten; elsewhere, such as in a CI log, a line is printed from time to
time.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from groundcrew import terminal
from groundcrew.console.failures import STORY, Running

TICK = 0.2
LONG = 5.0
"""Seconds after which the elapsed time is shown."""

EVERY = 15.0
"""Seconds between lines if they are not rewritten."""

WHEEL = "-/|\\"


def show(
    stop_event: Any, progress_queue: Sequence[str], quiet: Callable[[], bool] = lambda: False
) -> None:
    """Shows progress until `stop_event` is set, unless the run is quiet; pyinfra runs it in
    parallel."""
    if os.environ.get("PYINFRA_PROGRESS") == "off" or quiet():
        return
    rewritten = sys.stdout.isatty() and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    began = last = time.monotonic()
    turns = 0
    while not stop_event.is_set():
        now = time.monotonic()
        waited = progress_queue[-1] if progress_queue else ""
        if rewritten:
            turns += 1
            line = text(STORY.running, waited, began, now)
            wheel = WHEEL[turns % len(WHEEL)]
            shown = terminal.shortened(f"  {wheel} {line}", shutil.get_terminal_size().columns - 1)
            # The next output clears the line first.
            sys.stderr.write(f"{shown}\r")
            sys.stderr.flush()
            sys.stderr.write("\033[K")
        elif now - last >= EVERY:
            last = now
            sys.stderr.write(f"  ... {text(STORY.running, waited, began, now)}\n")
        stop_event.wait(timeout=TICK)


def text(running: Mapping[str, Running], waited: str, began: float, now: float) -> str:
    """What the run waits for: the steps, their hosts and the elapsed time."""
    steps: dict[str, list[str]] = {}
    for host, item in running.items():
        steps.setdefault(item.step, []).append(host)
    if not steps:
        return _since(waited, began, now)
    since = min(item.since for item in running.values())
    told = "; ".join(f"{step} ({_hosts(hosts)})" for step, hosts in steps.items())
    return _since(told, since, now)


def _since(told: str, began: float, now: float) -> str:
    seconds = int(now - began)
    if seconds < LONG:
        return told
    spent = f"{seconds} s" if seconds < 60 else f"{seconds // 60} min {seconds % 60} s"
    return f"{spent}: {told}"


def _hosts(hosts: Sequence[str]) -> str:
    return ", ".join(hosts[:3]) + (f", {len(hosts) - 3} more" if len(hosts) > 3 else "")

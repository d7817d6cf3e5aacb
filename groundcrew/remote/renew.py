"""Restarts what still runs code that updates have replaced, without dropping a request.

Runs on the host as root, as `python3 -IS /usr/local/lib/groundcrew/renew.py`; a timer and
`playbooks/renew.py` start it, in `groundcrew-renew.service`. Prints what it does. Exit 1 if
something could not be renewed. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, Optional

from groundcrew.remote.printable import printable
from groundcrew.remote.renewal_app import renew, unfinished
from groundcrew.remote.renewal_state import (
    RenewalError,
    Task,
    app_names,
    packages,
    read_app,
    read_plan,
    read_state,
    tasks,
    waiting,
    write_metric,
    write_state,
)
from groundcrew.remote.replaced_files import INIT
from groundcrew.remote.unit_health import trouble

Data = dict[str, Any]
Outcome = Iterator[tuple[str, Optional[str]]]  # noqa: UP045 - Python 3.9
DPKG_LOCK = "/var/lib/dpkg/lock-frontend"
LOOK = 5.0
SETTLE = 2.0


def main() -> int:
    """Renews what there is to renew."""
    plan, state = read_plan(), read_state()
    stop_at = time.monotonic() + plan["window"]
    if not _packages_settle(stop_at):
        print("packages are being installed: nothing was restarted")
        return 0
    now, failed = packages(), []
    for unit, why in _all(plan, state, now, stop_at):
        line = printable(f"{unit}: {why or 'renewed'}")
        print(line, flush=True)
        state["units"][unit] = {"packages": now, "why": why}
        write_state(state)
        failed += [line] if why else []
    left = waiting()
    write_metric(len(left))
    for unit in set(state["units"]) - set(left) - _unfinished():
        if state["units"][unit]["packages"] != now or state["units"][unit]["why"]:
            del state["units"][unit]
    write_state(state)
    # Once more, where they are not overlooked.
    for line in failed:
        print(line, file=sys.stderr, flush=True)
    return int(bool(failed))


def _all(plan: Data, state: Data, now: str, stop_at: float) -> Outcome:
    """Renews unit by unit, and yields each with the reason if that failed."""
    apps = app_names()
    all_tasks = tasks(waiting(), plan, apps, state, now)
    for item in all_tasks:
        if item.why_not:
            print(f"{item.unit}: left alone: {item.why_not}", flush=True)
    wanted = [item for item in all_tasks if not item.why_not]
    late = [item for item in wanted if item.how.get("drops") or item.unit == INIT]
    yield from _each([item for item in wanted if not item.app and item not in late], stop_at)
    for name in apps:
        yield from _app(name, [item.unit for item in wanted if item.app == name], stop_at)
    yield from _each(late, stop_at)


def _app(name: str, units: list[str], stop_at: float) -> Outcome:
    app = read_app(name)
    begun = unfinished(app)
    names = list(dict.fromkeys([*([begun] if begun else []), *units]))
    if names:
        yield from renew(app, names, stop_at)


def _unfinished() -> set[str]:
    units = (unfinished(read_app(name)) for name in app_names())
    return {unit for unit in units if unit}


def _each(items: list[Task], stop_at: float) -> Outcome:
    for item in items:
        if time.monotonic() > stop_at:
            return
        try:
            _renew(item)
            yield item.unit, None
        except (RenewalError, OSError, subprocess.SubprocessError) as error:
            yield item.unit, str(error)


def _renew(item: Task) -> None:
    """Renews a unit as its role says. Raises RenewalError."""
    if item.how["module"]:
        importlib.import_module(item.how["module"]).renew(item.unit)
        return
    command = item.how["command"] or ["systemctl", "restart", item.unit]
    done = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RenewalError(done.stderr.strip() or f"{command[0]} exits with {done.returncode}")
    time.sleep(SETTLE)
    reason = trouble([item.unit]) if item.unit != INIT else None
    if reason:
        raise RenewalError(reason)


def _packages_settle(stop_at: float) -> bool:
    """Waits until no program installs packages; returns whether that was in time."""
    descriptor = os.open(DPKG_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        while True:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() + LOOK > stop_at:
                    return False
                time.sleep(LOOK)
            else:
                return True
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())

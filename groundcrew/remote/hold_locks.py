"""Holds the locks of a run's applications for as long as the operator is connected.

Runs on the host as root, as `python3 -c SCRIPT HOLDER`; HOLDER is the text written to the lock
files, which identifies the run. Reads lines from standard input, `take NAME` and `free NAME`, and
answers each with a line of JSON: {"state": "locked", "left": text of a run that vanished},
{"state": "held", "by": text}, {"state": "busy"} if steps of a run that is gone do not end,
{"state": "freed"} or {"state": "error", "why"}. When its input ends, the locks are released; the
texts remain and tell the next run who vanished. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import sys
import time
from typing import TYPE_CHECKING

from groundcrew.remote.run_lock import holder, open_own

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.locks import LockAnswer

NAME = re.compile(r"[a-z][a-z0-9-]{0,23}")
PATIENCE = 60.0
"""Seconds to wait for the steps of a run that is gone; they check several times a second."""
held: dict[str, int] = {}


def take(name: str, text: str) -> LockAnswer:
    """Takes a lock, and waits for the steps of the run that held it before."""
    path = f"/srv/{name}/lock"
    lock = open_own(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return {"state": "held", "by": holder(path)}
    left = holder(path)
    write(lock, text)
    if not alone(f"/srv/{name}/steps"):
        write(lock, left)
        os.close(lock)
        return {"state": "busy"}
    held[name] = lock
    return {"state": "locked", "left": left}


def alone(path: str) -> bool:
    """Waits for steps of other runs; returns whether none is left."""
    steps = open_own(path)
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            try:
                fcntl.flock(steps, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.05)
            else:
                return True
    finally:
        os.close(steps)


def write(lock: int, text: str) -> None:
    """Replaces the text of a lock file."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, text.encode(), 0)


def free(name: str) -> LockAnswer:
    """Releases a lock."""
    lock = held.pop(name, None)
    if lock is not None:
        write(lock, "")
        os.close(lock)
    return {"state": "freed"}


def answer(line: str, text: str) -> LockAnswer:
    """Handles one request line."""
    word, _, name = line.strip().partition(" ")
    if not NAME.fullmatch(name):
        return {"state": "error", "why": f"no name of an application: {name!r}"}
    try:
        return take(name, text) if word == "take" else free(name)
    except OSError as error:
        return {"state": "error", "why": str(error)}


def main() -> int:
    """Answers requests until the input ends."""
    for line in sys.stdin:
        print(json.dumps(answer(line, sys.argv[1])), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

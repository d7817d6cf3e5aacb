"""Names, labels and the state directory of this checkout's lab.

A checkout has one lab, or several independent ones: the environment variable GROUNDCREW_LAB selects
one by name (any text; default: the lab without a name). Labs of a checkout share keys and images.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groundcrew.lab.process import say
from groundcrew.project import ROOT, program

STATE = ROOT / ".groundcrew" / "lab"

NAME = os.environ.get("GROUNDCREW_LAB", "")
OWNER = f"{ROOT}#{NAME}" if NAME else str(ROOT)

# Two checkouts on one machine must never touch each other's hosts.
SHORT_HASH = hashlib.sha256(OWNER.encode()).hexdigest()[:8]
PREFIX = f"groundcrew-{SHORT_HASH}"
NETWORK = PREFIX

LABEL = "groundcrew.lab"
CHECKOUT_LABEL = f"{LABEL}.checkout"
OURS = f"{CHECKOUT_LABEL}={OWNER}"


def state_directory() -> Path:
    """Return the directory for keys and logs, created with access for its owner only."""
    STATE.mkdir(parents=True, exist_ok=True)
    STATE.chmod(0o700)
    return STATE


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold this checkout's lock `name`: several `bin/lab` may run at the same time."""
    with (state_directory() / f"{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another {program('lab')}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield

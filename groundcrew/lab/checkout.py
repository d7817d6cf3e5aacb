"""What is this checkout's own: its directory for lab files, its names and labels in the engine.

A checkout has one lab, or several that know nothing of each other: the environment variable
GROUNDCREW_LAB names the one that is meant (any text; default: the lab without a name). Their keys
and images are common.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groundcrew.lab.process import say

ROOT = Path(__file__).resolve().parents[2]
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
    """Return the directory for keys and logs, made readable by its owner only."""
    STATE.mkdir(parents=True, exist_ok=True)
    STATE.chmod(0o700)
    return STATE


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold this checkout's lock `name`: several `bin/lab` may be started at once."""
    with (state_directory() / f"{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another bin/lab")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield

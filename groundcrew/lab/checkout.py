"""What is this checkout's own: its directory for lab files, its names and labels in the engine."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groundcrew.lab.process import say

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".groundcrew" / "lab"

# Two checkouts on one machine must never touch each other's hosts.
SHORT_HASH = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
PREFIX = f"groundcrew-{SHORT_HASH}"
NETWORK = PREFIX

LABEL = "groundcrew.lab"
CHECKOUT_LABEL = f"{LABEL}.checkout"
OURS = f"{CHECKOUT_LABEL}={ROOT}"


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

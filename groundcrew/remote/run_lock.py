"""Ties the steps of a run on a host to the run's lock.

Every step of a run holds a shared lock on the application's `steps` file while it works, and checks
the lock file: once another run has written its name there, the step stops without further changes.
The next run waits until no step is left before it changes anything.

A library, sent to the host with the programs that import it. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import Any, Optional

Run = Optional[dict[str, Any]]  # noqa: UP045 - Python 3.9
"""{"lock": path, "steps": path, "holder": the text in the lock}; None if there is no lock."""


class RunIsGoneError(Exception):
    """Another run has taken over."""

    def __init__(self) -> None:
        super().__init__("another run has taken over; nothing more was done here")


def open_own(path: str) -> int:
    """Opens a file that only root may open; creates it if it is missing. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def holder(path: str) -> str:
    """The text of the run that holds the lock or held it last; empty if the last run released
    it."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def taken_over(run: Run) -> bool:
    """Whether another run holds the lock now. If this run has merely ended, its steps are still
    completed."""
    return run is not None and holder(run["lock"]) not in ("", run["holder"].strip())


@contextlib.contextmanager
def step(run: Run) -> Iterator[None]:
    """Holds a shared lock on the application's `steps` file while the context is active. Raises
    RunIsGoneError."""
    if run is None:
        yield
        return
    descriptor = open_own(run["steps"])
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if taken_over(run):
            raise RunIsGoneError
        yield
    finally:
        os.close(descriptor)

"""Units that a role wants running, told to the role that starts them all at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """A unit that runs and is enabled, restarted when one of its files is newer than its start."""

    unit: str
    files: tuple[str, ...] = ()

"""Describes units of a role to the role that starts all units at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """A unit that must be running and enabled. It is restarted if one of its files is newer than
    its start."""

    unit: str
    files: tuple[str, ...] = ()

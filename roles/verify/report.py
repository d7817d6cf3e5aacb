"""What `on_host.py` reports."""

from __future__ import annotations

from typing import Any, TypedDict


class LiveRelease(TypedDict):
    """The live release of an application, None if there is none, and its units."""

    release: str | None
    units: list[str]


class Process(TypedDict):
    """A process of a unit."""

    pid: int
    user: str
    name: str


class SocketAnswer(TypedDict, total=False):
    """The status of the health path on a socket, or why there is none."""

    status: int
    error: str


class Connections(TypedDict, total=False):
    """Connections that were opened and that stayed open, or why they could not be counted."""

    new: int
    kept: int
    error: str


FollowerValues = dict[str, Any]
"""Properties of a unit, as `systemctl show` prints them, and `seconds` since it became active."""

"""What verify reads on every host (`groundcrew/remote/host_sections.py`)."""

from __future__ import annotations

from typing import TypedDict

UnitValues = dict[str, str]
"""Properties of a unit, as `systemctl show` prints them."""


class Failure(TypedDict):
    """Why a section could not be read. `Seen.section` raises NotCheckedError with it."""

    error: str


class Machine(TypedDict):
    """Whether the host is a container, and its global IPv6 addresses."""

    container: bool
    ipv6: list[str]


class ListeningSocket(TypedDict):
    """A listening TCP socket, with the names of its processes."""

    address: str
    port: int
    process: str

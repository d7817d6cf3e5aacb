"""Which parts of an application's releases a host has."""

from __future__ import annotations

from typing import TypedDict


class PartsState(TypedDict):
    """The report of `groundcrew/remote/inspect_parts.py` on one application."""

    system: str | None
    missing: list[str]
    there: list[str]


class Packed(TypedDict):
    """The report of `groundcrew/remote/pack_parts.py`: size in bytes and SHA-256 of the archive."""

    path: str
    size: int
    sha256: str


class Received(TypedDict):
    """An archive on a host for `groundcrew/remote/build_release.py`."""

    archive: str
    sha256: str
    parts: list[str]

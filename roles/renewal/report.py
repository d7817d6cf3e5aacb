"""What `on_host.py` reports."""

from __future__ import annotations

from typing import TypedDict


class LeftAlone(TypedDict):
    """Names of replaced files that a unit runs, and why it is not restarted."""

    files: list[str]
    why: str


class Renewals(TypedDict):
    """Units that run replaced files: `waiting` for their restart, with the names of the files;
    `left` as they are; and `failed` to restart, with the reason. `planned` is false on a host that
    is not set up for renewals."""

    planned: bool
    waiting: dict[str, list[str]]
    left: dict[str, LeftAlone]
    failed: dict[str, str]

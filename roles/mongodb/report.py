"""What `on_host.py` reports."""

from __future__ import annotations

from typing import TypedDict


class Server(TypedDict):
    """Differences from what the settings ask for, whether anybody is let in without a login, and
    figures: connections in use, cache in use and allowed, memory, and sizes of databases, in bytes.
    `unbound` are databases that no application needs, `rotating` accounts whose rotation has not
    ended."""

    differences: list[str]
    open: bool
    version: str
    used: int
    cache: int | None
    cache_allowed: int | None
    memory: int | None
    databases: dict[str, int]
    unbound: list[str]
    rotating: list[str]

"""What `on_host.py` reports."""

from __future__ import annotations

from typing import TypedDict


class Database(TypedDict):
    """Size of a database in bytes, and its connections."""

    size: int
    used: int


class Server(TypedDict):
    """Differences from what the settings ask for, and figures: connections in use and allowed, slow
    queries, share of reads in percent that needed no disk, memory in bytes. `unbound` are databases
    that no application needs, `rotating` accounts whose rotation has not ended."""

    differences: list[str]
    databases: dict[str, Database]
    version: str
    used: int
    allowed: int
    slow: int
    hit_rate: float | None
    memory: int | None
    unbound: list[str]
    rotating: list[str]

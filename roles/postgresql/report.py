"""What `on_host.py` and `on_host_replica.py` report."""

from __future__ import annotations

from typing import TypedDict

from groundcrew.facts.replication import Follows, ReplicaLag


class Database(TypedDict):
    """Size of a database in bytes, and its connections."""

    size: int
    used: int


class Figures(TypedDict):
    """Figures of a server: connections in use and allowed, share of reads in percent that needed no
    disk, statements that are slow on average, memory in bytes. What the server has not
    counted is None."""

    unit: str
    version: str
    used: int
    allowed: int
    hit_rate: float | None
    databases: dict[str, Database] | None
    slow: int | None
    memory: int | None


class Server(Figures):
    """Also differences from what the settings ask for. `unbound` are databases that no application
    needs, `rotating` accounts whose rotation has not ended. `replica` is None if it is none."""

    differences: list[str]
    unbound: list[str]
    rotating: list[str]
    replicas: list[ReplicaLag]
    replica: Follows | None

"""What `on_host.py` and `on_host_replica.py` report."""

from __future__ import annotations

from typing import TypedDict

from groundcrew.facts.replication import Follows, ReplicaLag


class Instance(TypedDict, total=False):
    """Figures of an instance: memory in use and allowed, in bytes; connections; keys, and those
    that were evicted; share of reads in percent that were successful; whether it stores its data,
    and whether its last write succeeded. `rotating` are accounts whose rotation has not ended.
    If it does not answer, only `error` is there, and `replica` if it is one."""

    error: str
    version: str
    used: int
    allowed: int
    clients: int
    maxclients: int
    evicted: int
    refused: int
    keys: int
    hit_rate: float | None
    stored: bool
    last_write: str
    rotating: list[str]
    replicas: list[ReplicaLag]
    replica: Follows


class Instances(TypedDict):
    """Differences from what the settings ask for, and the instances by name."""

    differences: list[str]
    instances: dict[str, Instance]

"""What the `on_host*.py` programs report."""

from __future__ import annotations

from typing import TypedDict


class Membership(TypedDict):
    """A host's part of a swarm: its state in Docker's words, whether it is a manager, its address,
    and the managers that it knows, as ADDRESS:PORT."""

    state: str
    manager: bool
    address: str
    managers: list[str]


class Tokens(TypedDict):
    """What hosts need to join. Secrets."""

    worker: str
    manager: str


class Member(TypedDict):
    """A host of the swarm, in Docker's words. `reachability` is that of a manager, else empty."""

    name: str
    role: str
    state: str
    availability: str
    reachability: str


class Service(TypedDict):
    """A service: what it was made from, the number of containers that run and should, and how far
    its last update is, in Docker's words; empty texts for what there is not."""

    name: str
    digest: str
    release: str
    image: str
    running: int
    wanted: int
    update: str
    message: str
    version: int


class Swarm(TypedDict):
    """The engine of a host: its version, drivers for storage and logs, its part of the swarm, and
    whether the packet filter has its rules. Only a manager has `hosts` and `services`."""

    version: str
    storage: str
    log: str
    state: str
    address: str
    manager: bool
    rules: bool
    hosts: list[Member]
    services: list[Service]


class Image(TypedDict):
    """An image by its tag and ID."""

    tag: str
    id: str


class Accounts(TypedDict):
    """The files of accounts that a base has."""

    passwd: str
    group: str


class Images(TypedDict):
    """The live release of an application, its image, that of its balancer, and the application's
    user and group; None for what is not there."""

    release: str | None
    image: Image | None
    balancer: Image | None
    user: list[int]


class Saved(TypedDict):
    """The file of an image: its SHA-256, and its size in bytes."""

    digest: str
    size: int


class Stack(TypedDict):
    """What the swarm has of an application: names of secrets and configurations, and services."""

    secrets: list[str]
    configs: list[str]
    services: list[Service]


class Progress(TypedDict):
    """The services of an application. For those that are late: why containers ended, newest first,
    how many have failed, and the last lines of output if that were too many."""

    services: list[Service]
    reasons: dict[str, list[str]]
    failures: dict[str, int]
    output: dict[str, str]

"""A host's resources before anything is changed on it, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypedDict

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class Owner(TypedDict):
    """A process."""

    pid: int | None
    name: str
    unit: str


class Place(TypedDict):
    """The file system of a directory; sizes in bytes."""

    free: int
    inodes: int | None
    writable: bool
    executable: bool


class ResourceState(TypedDict):
    """The report of `groundcrew/remote/inspect_resources.py`, which documents the keys."""

    system: str
    release: str
    cpus: int
    memory: int
    time: float
    paths: dict[str, Place]
    ports: dict[str, list[Owner]]
    interpreter: str | None
    pythons: dict[str, str | None]
    names: dict[str, list[str]]
    connect: dict[str, str]
    passwd: list[str]
    group: list[str]
    running: dict[str, list[Owner]]


class Resources(FactBase[ResourceState | None]):
    """The resources named in the request."""

    def command(self, request: Mapping[str, Any]) -> StringCommand:
        """The command that runs the program on the host."""
        return remote.command("inspect_resources", json.dumps(request))

    def process(self, output: list[str]) -> ResourceState:
        """Parses the program's line of JSON."""
        state: ResourceState = json.loads(output[-1])
        return state

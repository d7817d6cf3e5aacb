"""What `on_host.py` is asked for, and what it reports."""

from __future__ import annotations

from typing import Any, TypedDict


class AppRequest(TypedDict):
    """An application: link to the live release, unit name with {} for the release, directory of
    sockets, name of a socket -> socket, flag file of maintenance, and what to request from its
    health path. `scheme` is the visitors' scheme; `reuse` says whether its connections are kept."""

    name: str
    current: str
    unit: str
    runtime: str
    sockets: dict[str, str]
    maintenance: str
    user: str
    path: str
    host: str
    port: int
    tls: bool
    scheme: str
    reuse: bool


class Request(TypedDict):
    """Applications, units of roles through which they are served, other units of roles, seconds for
    which units must not restart, and the number of requests in a row that show that connections are
    reused."""

    apps: list[AppRequest]
    serving_units: list[str]
    own_units: list[str]
    settle: float
    reuse_requests: int


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

"""What `on_host.py` and `on_host_address.py` report."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Server(TypedDict):
    """A host of an application, as HAProxy sees it: requests in progress and in all, and seconds in
    this state. `out`: somebody has said that it gets none. `more` are the requests that it got
    while verify sent some."""

    backend: str
    server: str
    status: str
    check: str
    weight: int
    current: int
    requests: int
    since: int
    out: bool
    more: NotRequired[int]


class Balancer(TypedDict):
    """Version, whether the processes have loaded the file on disk, seconds since their start, and
    connections. `errors` are why requests that verify sent failed, by backend."""

    version: str
    loaded: bool
    uptime: int
    connections: int
    servers: list[Server]
    errors: NotRequired[dict[str, str]]


class Holders(TypedDict):
    """Who holds the shared address, as one balancer sees it: the addresses that this one holds, and
    the hardware addresses of other machines that hold the first one. `others` is None for IPv6."""

    held: list[str]
    others: list[str] | None


class SharedAddress(Holders):
    """`unit` is the state of keepalived's unit, empty if there is none. `names` are the addresses
    to which the DNS leads the applications' names; empty unless they were asked for."""

    unit: str
    names: dict[str, list[str]]

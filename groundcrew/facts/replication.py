"""What a host reports about the replicas of its servers, and the steps of a promotion."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class Lag(TypedDict):
    """How far a replica is behind, in bytes and seconds. Both may be missing if it receives
    nothing."""

    streaming: bool
    bytes: NotRequired[int | None]
    seconds: NotRequired[float]


class ReplicaLag(Lag):
    """What a primary reports about one of its replicas. `slot` is the state of what the server
    keeps for it, and `kept` its size in bytes, if the server has such a thing."""

    host: str
    slot: NotRequired[str | None]
    kept: NotRequired[int | None]


class OwnLag(Lag):
    """What a replica reports about itself. `recovering` is false once it is a primary; `last` is
    the time of the last change that it has. `ready` adds whether its primary answers it, if it
    still is a replica."""

    recovering: bool
    last: NotRequired[str | None]
    reachable: NotRequired[bool]


class Follows(OwnLag):
    """A replica in the reports of verify: its primary, and directories with data that it has moved
    aside."""

    of: str
    aside: list[str]


class Retired(TypedDict):
    """The report of `retire`. What `target` is depends on the server."""

    target: Any


class Promoted(TypedDict):
    """The report of `promote`: `reason` if `promoted` is false, else the other two. `already` says
    that it was no replica before."""

    promoted: bool
    reason: NotRequired[str]
    already: NotRequired[bool]
    last: NotRequired[str | None]

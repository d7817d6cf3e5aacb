"""What programs of a host, which work without an operator, are told about an application."""

from __future__ import annotations

from typing import Any

from groundcrew.releases.steps.probes import socket_probe
from groundcrew.releases.steps.retiring import LEAST_DRAIN
from groundcrew.releases.target import Target


def renewal_payload(target: Target) -> dict[str, Any]:
    """What `groundcrew/remote/renewal_app.py` and `watch_health.py` need to know. The host itself
    knows the live release."""
    poll = target.app.health.poll
    paths = target.paths
    probe = socket_probe(target, "", None)
    drain = target.drain if target.app.release.drain is None else target.app.release.drain
    return {
        "name": paths.name,
        "user": paths.user,
        "group": paths.socket_group,
        "runtime": paths.runtime,
        "drain": max(LEAST_DRAIN, drain),
        "poll": poll and poll.model_dump(),
        "probe": {**probe, "sockets": [], "units": [], "on_failure": None},
    }

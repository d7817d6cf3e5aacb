"""What the program that stops and removes releases is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from groundcrew.releases.target import Run, Target

LEAST_DRAIN = 1
"""Seconds after which a connection that nginx was opening during the switch has been accepted."""


def retire_payload(
    target: Target,
    live: str,
    stop: Sequence[str],
    remove: Sequence[str],
    *,
    let_go: bool = False,
    watch: Sequence[str] = (),
    run: Run = None,
) -> dict[str, Any]:
    """Payload of `groundcrew/remote/retire_releases.py`. `stop` are replaced releases to stop once
    their requests are finished, `remove` those to delete, and `watch` the workers that have just
    been started."""
    paths = target.paths
    return {
        "name": paths.name,
        "live": live,
        "stop": {release: target.units(release) for release in stop},
        "sockets": [socket for release in stop for socket in target.sockets(release)],
        "drain": 0 if target.holds(live) else drain_seconds(target),
        # The check window has passed by then.
        "least": 0 if target.holds(live) else max(0, LEAST_DRAIN - target.app.release.check_window),
        "watch": list(watch),
        "window": target.app.release.check_window,
        "fallback": paths.fallback,
        "remove": {
            release: {
                "sockets": [paths.socket(release, number) for number in target.instances(release)]
            }
            for release in remove
        },
        "socket_unit": paths.socket_unit if let_go else None,
        "held": paths.held,
        "run": run,
    }


def drain_seconds(target: Target) -> int:
    """Maximum time in seconds that a replaced release keeps running after the check window."""
    told = target.app.release.drain
    seconds = target.drain if told is None else told
    return max(LEAST_DRAIN, seconds - target.app.release.check_window)

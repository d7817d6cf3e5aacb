"""What verify and status read about requests for applications' health. Runs on the host."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from groundcrew.remote.watch_health import HOUR, read_state

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.roles.app.report import Health

Data = dict[str, Any]


def health(request: Data) -> dict[str, dict[str, Health]]:
    """Application -> unit -> why it is not healthy, or null, and its restarts within an hour;
    nothing about one that is stopped."""
    return {
        name: {}
        if os.path.exists(f"/srv/{name}/maintenance/stopped")
        else {
            unit: {
                "why": state["why"],
                "restarts": [at for at in state["restarts"] if at > time.time() - HOUR],
            }
            for unit, state in read_state(name).items()
        }
        for name in request["apps"]
    }

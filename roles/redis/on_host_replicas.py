"""What an instance says of replication: how far behind replicas are.

Runs on the host as root, as part of this role's other programs. Standard library and
`groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.replication import OwnLag, ReplicaLag

Data = dict[str, Any]
SAYS_SOMETHING = 10.0
"""Seconds after which a primary that has no changes says so (`repl-ping-replica-period`)."""


def information(text: str) -> dict[str, str]:
    """The values of INFO."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {key: value.strip() for key, value in pairs}


def followers(values: Mapping[str, str], replicas: Sequence[Data]) -> list[ReplicaLag]:
    """How far behind each replica is, from what its primary says (`INFO`). Replicas acknowledge
    once a second what they have received."""
    by_address = {}
    for key, value in values.items():
        if key.startswith("slave") and "=" in value:
            said = dict(part.split("=", 1) for part in value.split(","))
            by_address[said["ip"]] = said
    lines: list[ReplicaLag] = []
    for item in replicas:
        said = by_address.get(item["address"], {})
        behind = int(values.get("master_repl_offset", 0)) - int(said.get("offset", 0))
        lines.append(
            {
                "host": item["host"],
                "streaming": said.get("state") == "online",
                "bytes": max(0, behind) if said else None,
                "seconds": float(said.get("lag", 0)),
            }
        )
    return lines


def lag(values: Mapping[str, str]) -> OwnLag:
    """Whether a replica receives something and how far behind it is, from what it says (`INFO`).
    `last` is the time at which it last heard of its primary."""
    if values.get("role") != "slave":
        return {"recovering": False, "streaming": False, "last": None}
    up = values.get("master_link_status") == "up" and values["master_sync_in_progress"] == "0"
    silent = max(0.0, float(values["master_last_io_seconds_ago"])) if up else 0.0
    down = int(values.get("master_link_down_since_seconds", -1))
    done = int(values["slave_repl_offset"])
    since = time.gmtime(time.time() - (silent if up else down))
    known = up or down >= 0
    return {
        "recovering": True,
        "streaming": up,
        "bytes": max(0, int(values.get("slave_read_repl_offset", done)) - done),
        "seconds": silent if silent > SAYS_SOMETHING else 0.0,
        "last": time.strftime("%Y-%m-%d %H:%M:%S UTC", since) if known else None,
    }

"""The steps with which a replica of Redis becomes the primary, see
`groundcrew/bindings/promotion.py`.

Each function runs on a host as root, gets a request and returns JSON. Standard library and
`groundcrew.remote` only, Python 3.9 or later.
Request: {"server", "name", "socket", "configuration", "link": PATHS, "primary": see
`roles/redis/on_host_replica.py`}; for `promote` also "target", "timeout".
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from groundcrew.roles.redis.on_host import ServerError, connect
from groundcrew.roles.redis.on_host_link import NOBODY, mark_promoted, mark_retired, unmark
from groundcrew.roles.redis.on_host_replica import accept_writes, answers, replication
from groundcrew.roles.redis.on_host_replicas import lag

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.replication import OwnLag, Promoted, Retired

Data = dict[str, Any]


def ready(request: Data) -> OwnLag:
    """Whether the replica still is one, and how far behind."""
    with connect(request) as client:
        state = lag(replication(client))
    if not state["recovering"]:
        return state
    return {**state, "reachable": state["streaming"] or answers(request["primary"])}


def retire(request: Data) -> Retired:
    """Lets the primary accept no more writes, and returns how far its log of changes is. Other
    programs can still read."""
    with connect(request) as client:
        if replication(client)["role"] != "master":
            raise ServerError("it is a replica itself")
        mark_retired(request["link"], request["server"])
        client.ask("CONFIG", "SET", "min-replicas-max-lag", 10)
        # From here on, every write is refused; what was accepted is counted already.
        client.ask("CONFIG", "SET", "min-replicas-to-write", NOBODY)
        values = replication(client)
    return {"target": {"log": values["master_replid"], "end": int(values["master_repl_offset"])}}


def resume(request: Data) -> dict[str, str]:
    """Lets the primary accept writes again. Only if no replica has been promoted."""
    unmark(request["link"])
    with connect(request) as client:
        accept_writes(client, request["configuration"])
    return {}


def promote(request: Data) -> Promoted:
    """Waits until the replica has `target`, and makes it accept writes."""
    with connect(request) as client:
        state = lag(replication(client))
        if state["recovering"]:
            if request["target"] and not _passes(client, request["target"], request["timeout"]):
                return {"promoted": False, "reason": "it has not received everything in time"}
            # If the host restarts between the two, it is no replica any more.
            mark_promoted(request["link"], request["server"])
            accept_writes(client, request["configuration"])
            client.ask("REPLICAOF", "NO", "ONE")
        client.ask("CONFIG", "SET", "masterauth", "")
        client.ask("CONFIG", "SET", "masteruser", "")
    return {"promoted": True, "already": not state["recovering"], "last": state["last"]}


def _passes(client: Any, target: Data, patience: float) -> bool:
    """Whether the replica has applied all of its primary's log up to `target` within so many
    seconds."""
    deadline = time.monotonic() + patience
    while True:
        values = replication(client)
        same = lag(values)["streaming"] and values["master_replid"] == target["log"]
        if same and int(values["slave_repl_offset"]) >= target["end"]:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)

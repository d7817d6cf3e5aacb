"""The steps with which a replica of PostgreSQL becomes the primary.

Each function runs on a host as root, gets a request and returns JSON. Standard library and
`groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from groundcrew.roles.postgresql.on_host_commands import as_postgres
from groundcrew.roles.postgresql.on_host_replica import answers, lag, state
from groundcrew.roles.postgresql.on_host_server import (
    ServerError,
    cluster,
    data_directory,
    psql,
    systemctl,
)

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.replication import OwnLag, Promoted, Retired

Data = dict[str, Any]
PROMOTED = 60
"""Seconds within which a server accepts writes after it has been told to."""


def ready(request: Data) -> OwnLag:
    """Whether the replica still is one, and how far behind. `reachable`: whether its primary
    answers it."""
    replica = lag()
    if not replica["recovering"]:
        return replica
    return {**replica, "reachable": replica["streaming"] or answers(request["primary"])}


def retire(request: Data) -> Retired:
    """Stops the primary once its replicas have everything, and lets it never accept writes again as
    it is: whenever it is started, it waits for a primary. Returns the place in its log that a
    replica must have passed. It can be repeated."""
    del request
    try:
        replica = state()
        if replica["recovering"] and replica["conninfo"]:
            raise ServerError("it is a replica itself")
        if not replica["recovering"]:
            psql("ALTER SYSTEM RESET primary_conninfo; ALTER SYSTEM RESET primary_slot_name;")
    except ServerError:
        # If it does not run, nobody can write.
        if _running():
            raise
    as_postgres("touch", _signal())
    try:
        systemctl("stop")
    except ServerError:
        as_postgres("rm", "-f", "--", _signal())
        raise
    return {"target": _last_checkpoint()}


def resume(request: Data) -> dict[str, str]:
    """Starts the primary again as what it was. Only if no replica has been promoted."""
    del request
    as_postgres("rm", "-f", "--", _signal())
    systemctl("start", patience=300)
    return {}


def promote(request: Data) -> Promoted:
    """Waits until the replica has passed `target`, and makes it accept writes. `promoted` is false
    only if it has certainly not been told to."""
    replica = lag()
    if replica["recovering"]:
        if request["target"] and not _passes(request["target"], request["timeout"]):
            return {"promoted": False, "reason": "it has not received everything in time"}
        psql(f"SELECT pg_promote(true, {PROMOTED})")
        deadline = time.monotonic() + PROMOTED
        while state()["recovering"]:
            if time.monotonic() > deadline:
                raise ServerError("it has been told to accept writes, but does not yet")
            time.sleep(0.2)
    psql(
        "ALTER SYSTEM RESET primary_conninfo; ALTER SYSTEM RESET primary_slot_name; "
        "SELECT pg_reload_conf();"
    )
    with suppress(FileNotFoundError):
        os.unlink(request["primary"]["passfile"])
    return {"promoted": True, "already": not replica["recovering"], "last": replica["last"]}


def _passes(target: str, patience: float) -> bool:
    """Whether the replica has replayed the record at `target` within so many seconds."""
    deadline = time.monotonic() + patience
    question = f"SELECT pg_last_wal_replay_lsn() > '{target}'::pg_lsn"
    while psql(question) != "t":
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _signal() -> str:
    return os.path.join(data_directory(), "standby.signal")


def _running() -> bool:
    return os.path.exists(os.path.join(data_directory(), "postmaster.pid"))


def _last_checkpoint() -> str:
    """Where the checkpoint begins with which the server has stopped: its last record."""
    version, _ = cluster()
    told = subprocess.run(
        [
            "/usr/sbin/runuser", "-u", "postgres", "--",
            f"/usr/lib/postgresql/{version}/bin/pg_controldata", data_directory(),
        ],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
    ).stdout  # fmt: skip
    match = re.search(r"^Latest checkpoint location: +([0-9A-F]+/[0-9A-F]+)$", told, re.MULTILINE)
    if match is None:
        raise ServerError("pg_controldata does not say where the server has stopped")
    return match.group(1)

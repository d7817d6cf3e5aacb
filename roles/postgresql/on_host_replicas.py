"""What a primary has for its replicas: logins and replication slots, and how far behind they are.

Runs on the host as root, as part of this role's other programs. Standard library and
`groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from groundcrew.remote.credentials import logins
from groundcrew.roles.postgresql.on_host_server import literal, name, psql

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.replication import ReplicaLag

Data = dict[str, Any]
OURS = re.compile(r"replica_[a-z0-9_]+_[0-9a-f]{6}")
"""Names of slots, and of logins without their last letter."""

LAG = """
SELECT coalesce(json_object_agg(s.slot_name, json_build_object(
  'streaming', coalesce(r.state IN ('streaming', 'catchup'), false),
  'bytes', greatest(0, pg_wal_lsn_diff(
      pg_current_wal_lsn(), coalesce(r.replay_lsn, s.restart_lsn))),
  'seconds', coalesce(extract(epoch FROM r.replay_lag), 0),
  'kept', pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn),
  'slot', s.wal_status)), '{}')
FROM pg_replication_slots s LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid
"""


def replica_changes(request: Data, state: Data) -> list[tuple[str, str]]:
    """What differs in the slots and rights of replicas: a line for people, and the statement that
    changes it."""
    differing: list[tuple[str, str]] = []
    roles, slots = state["roles"], state.get("slots", {})
    wanted = {item["account"] for item in request.get("replicas", [])}
    for item in request.get("replicas", []):
        for login in logins(item["store"], item["account"]):
            role = roles.get(login.user, {})
            if not role.get("replication") or role.get("login") != login.enabled:
                word = "LOGIN" if login.enabled else "NOLOGIN"
                statement = f"ALTER ROLE {name(login.user)} REPLICATION {word}"
                differing.append((f"{login.user}: REPLICATION {word}", statement))
        differing += _slot(item["account"], slots.get(item["account"]))
    for user, role in sorted(roles.items()):
        account = user[:-2]
        open_to = role.get("replication") and role.get("login")
        if open_to and OURS.fullmatch(account) and account not in wanted:
            statement = f"ALTER ROLE {name(user)} NOLOGIN"
            differing.append((f"{user} belongs to no replica any more", statement))
    for slot, value in sorted(slots.items()):
        # A slot that nobody uses would keep what nobody will fetch.
        if OURS.fullmatch(slot) and slot not in wanted and not value["active"]:
            differing.append((f"the slot {slot} belongs to no replica any more", _drop(slot)))
    return differing


def _slot(slot: str, value: Data | None) -> list[tuple[str, str]]:
    create = f"SELECT pg_create_physical_replication_slot({literal(slot)})"
    if value is None:
        return [(f"no slot {slot}", create)]
    if value["state"] == "lost":
        text = f"the slot {slot} no longer has what the replica lacks"
        return [(text, f"{_drop(slot)}; {create}")]
    return []


def _drop(slot: str) -> str:
    return f"SELECT pg_drop_replication_slot({literal(slot)})"


def followers(replicas: list[Data]) -> list[ReplicaLag]:
    """How far behind each replica is."""
    lags = json.loads(psql(LAG)) if replicas else {}
    missing = {"streaming": False, "bytes": None, "seconds": 0, "kept": None, "slot": None}
    answers = [(item["host"], lags.get(item["account"], missing)) for item in replicas]
    return [
        {
            "host": name,
            "streaming": answer["streaming"],
            "bytes": answer["bytes"],
            "seconds": answer["seconds"],
            "kept": answer["kept"],
            "slot": answer["slot"],
        }
        for name, answer in answers
    ]

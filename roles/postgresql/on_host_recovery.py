"""Up to where a scratch server recovers, and what it needs for that. Pure.

Runs on the host as part of this role's other programs. Standard library and `groundcrew.remote`
only, Python 3.9 or later.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from groundcrew.remote.backup_source import SourceError

Data = dict[str, Any]
AT_LEAST = (
    "max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions",
    "max_locks_per_transaction",
)  # fmt: skip
"""Parameters that recovery needs to be at least those of the server whose WAL it reads."""


def choose_backup(state: Data, at: float | None) -> Data:
    """The newest backup that had ended at a time."""
    backups: list[Data] = [item for item in state.get("backup", []) if not item.get("error")]
    if not backups:
        raise SourceError("there is no complete backup of the server in the copies")
    if at is None:
        return backups[-1]
    fitting = [item for item in backups if item["timestamp"]["stop"] < at]
    if not fitting:
        raise SourceError(f"the copies begin at {_time(backups[0]['timestamp']['stop'])} UTC")
    return fitting[-1]


def recovery_target(note: Data, at: float | None) -> list[str]:
    """How pgBackRest is told where recovery ends. Raises SourceError for a time that the copies do
    not reach."""
    if at is None:
        return ["--type=default"]
    if not note or at > note["until"]:
        end = f"at {_time(note['until'])} UTC" if note else "before that"
        raise SourceError(f"the copies end {end}")
    if at <= note["marked"]:
        return ["--type=time", f"--target={_time(at)}+00", "--target-action=promote"]
    # Nothing was committed between the mark and that time.
    return ["--type=lsn", f"--target={note['position']}", "--target-action=promote"]


def _time(seconds: float) -> str:
    whole, micro = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(whole))}.{micro:06d}"


def access_rules(request: Data) -> str:
    """Who may connect to a scratch server: the administrator and the applications' logins."""
    lines = ["local all postgres peer"]
    for item in request["accounts"]:
        who = f"{item['database']} {item['account']}_a,{item['account']}_b"
        lines.append(f"local {who} scram-sha-256")
        lines.append(f"host {who} 127.0.0.1/32 scram-sha-256")
    return "\n".join([*lines, ""])


def least(controlled: str, live: Mapping[str, int]) -> dict[str, str]:
    """The parameters that recovery needs, from what pg_controldata prints and from the live
    server, whichever is larger."""
    values_by_name = {}
    for key in AT_LEAST:
        # pg_controldata shortens one of the names.
        told = key.replace("max_prepared_transactions", "max_prepared_xacts")
        told = told.replace("max_locks_per_transaction", "max_locks_per_xact")
        match = re.search(rf"^{told} setting: +([0-9]+)$", controlled, re.MULTILINE)
        values = [int(match.group(1))] if match else []
        values += [live[key]] if key in live else []
        if values:
            values_by_name[key] = str(max(values))
    return values_by_name


def reason(log: str) -> str:
    """The lines of a server's log that say why it has ended."""
    lines = [line for line in log.splitlines() if "FATAL" in line or "PANIC" in line]
    return " ".join(lines[-3:] or log.splitlines()[-5:]) or "its log says nothing"

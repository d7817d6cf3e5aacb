"""Archives what was committed, up to a mark in the WAL.

Runs on the host as root, as part of this role's other programs. Standard library and
`groundcrew.remote` only, Python 3.9 or later.

A mark is a pair of transactions that change nothing. Recovery to a time stops at the first
transaction after it, so that it needs one; recovery to the position between the two has everything
that was committed before. While no transaction takes a number after a mark, nothing has to be
archived: the mark stands for the present too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from groundcrew.remote.backup_source import SourceError
from groundcrew.roles.postgresql.on_host_commands import as_postgres
from groundcrew.roles.postgresql.on_host_repository import (
    Repository,
    archive_of,
    position_of,
    refuse_gaps,
    segment_name,
)
from groundcrew.roles.postgresql.on_host_server import ServerError, cluster, psql

Data = dict[str, Any]
PATIENCE = 75
"""Seconds without progress after which archiving has failed. After three attempts, the server waits
a minute."""

NOW = """
SELECT json_build_object(
  'now', extract(epoch FROM clock_timestamp()),
  'oldest', pg_snapshot_xmin(pg_current_snapshot())::text,
  'next', pg_snapshot_xmax(pg_current_snapshot())::text,
  'timeline', (SELECT timeline_id FROM pg_control_checkpoint()),
  'system', (SELECT system_identifier::text FROM pg_control_system()),
  'size', (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'));
"""
MARK = "SELECT pg_current_xact_id();\nSELECT pg_current_wal_insert_lsn();\n"
ARCHIVER = "SELECT row_to_json(s) FROM pg_stat_archiver s"


def archive_all(repository: Repository, state: Data) -> float:
    """Archives what was committed until now. Returns the time in seconds since 1970. `state` is
    that of the repository."""
    now: Data = json.loads(psql(NOW))
    note = repository.note()
    if not still_counts(note, now):
        note = _mark(now)
    archive, _ = archive_of(state, state["db"][-1]["id"])
    present = _await(repository, archive, note["segment"])
    first = state["backup"][-1]["archive"]["start"]
    refuse_gaps(present, first, note["segment"], now["size"])
    note["until"] = now["now"]
    repository.write_note(note)
    return float(note["until"])


def still_counts(note: Data, now: Data) -> bool:
    """Whether no transaction has taken a number since the mark."""
    return bool(
        note and note["system"] == now["system"] and note["next"] == now["next"] == now["oldest"]
    )


def _mark(now: Data) -> Data:
    """Sets a mark, and ends the WAL segment behind it."""
    told = psql(f"{MARK}{MARK}{NOW}SELECT pg_switch_wal();")
    first, between, second, end, after, _ = told.splitlines()
    later: Data = json.loads(after)
    # Between the two marks, another transaction may have been committed.
    alone = int(second) == int(first) + 1 and int(later["next"]) == int(second) + 1
    return {
        "system": now["system"],
        "marked": now["now"],
        "position": between,
        "next": later["next"] if alone else None,
        "segment": segment_name(later["timeline"], position_of(end) - 1, now["size"]),
    }


def _await(repository: Repository, archive: str, segment: str) -> set[str]:
    """Returns the archived segments when one of them is `segment`. Raises SourceError if archiving
    makes no progress."""
    seen, deadline = None, time.monotonic() + PATIENCE
    while True:
        # The statistics count what the archiver has dropped too: only the file is sure.
        present = repository.segments(archive)
        if segment in present:
            return present
        archiver: Data = json.loads(psql(ARCHIVER))
        if archiver["archived_count"] != seen:
            seen, deadline = archiver["archived_count"], time.monotonic() + PATIENCE
        if time.monotonic() > deadline:
            raise SourceError(_failure(segment, archiver))
        time.sleep(0.5)


def _failure(segment: str, archiver: Data) -> str:
    text = f"the WAL segment {segment} has not been archived after {PATIENCE} s"
    if archiver["last_failed_wal"]:
        text += (
            f"; {archiver['failed_count']} attempts have failed, the last one at "
            f"{archiver['last_failed_time']} with {archiver['last_failed_wal']}"
        )
    said = _log()
    return f"{text}: {said}" if said else text


def _log() -> str:
    """The last error of `archive_command` in the server's log."""
    version, name = cluster()
    path = f"/var/log/postgresql/postgresql-{version}-{name}.log"
    try:
        lines = as_postgres("tail", "-n", "200", "--", path).splitlines()
    except ServerError:
        return ""
    return last_error(lines)


def last_error(lines: Sequence[str]) -> str:
    """pgBackRest's last message in a server's log. Its further lines are indented."""
    starts = [n for n, line in enumerate(lines) if line.startswith(("ERROR: [", "WARN: "))]
    if not starts:
        return ""
    more = takewhile(lambda line: line.startswith(" "), lines[starts[-1] + 1 :])
    return " ".join(" ".join([lines[starts[-1]], *more]).split())

"""The data of PostgreSQL for backups; see `groundcrew/remote/backup_source.py`.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
Request: that of `on_host.py`. pgBackRest keeps a repository of backups and WAL on this host; the
repository is what is stored elsewhere.
"""

from __future__ import annotations

from typing import Any

from groundcrew.remote.backup_source import Saved, SourceError
from groundcrew.roles.postgresql.on_host_content import compare, content_of
from groundcrew.roles.postgresql.on_host_exchange import forget, put_back
from groundcrew.roles.postgresql.on_host_logs import archive_all
from groundcrew.roles.postgresql.on_host_repository import (
    REPOSITORY,
    Repository,
    archive_of,
    live_repository,
    refuse_gaps,
)
from groundcrew.roles.postgresql.on_host_scratch import close_scratch, open_scratch
from groundcrew.roles.postgresql.on_host_server import is_standby, psql

Data = dict[str, Any]
KINDS = {"full": "full", "daily": "diff", "logs": "full"}
"""Kind of what is saved -> type of pgBackRest's backup. Logs need one if there is none."""

SEGMENT_SIZE = "SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'"

__all__ = ["close_scratch", "compare", "forget", "missing", "open_scratch", "put_back", "save"]


def save(request: Data, kind: str) -> Saved:
    """See `groundcrew/remote/backup_source.py`."""
    if is_standby():
        raise SourceError("it is a replica: its primary is backed up")
    repository = live_repository(request)
    state = repository.state()
    usable = is_usable(state, psql("SELECT system_identifier FROM pg_control_system()"))
    if kind != "logs" or not usable:
        _prepare(repository)
        repository.run("backup", f"--type={KINDS[kind]}")
        state = repository.state()
    # All of it was committed before the copies end.
    content = content_of(request)
    return Saved((REPOSITORY,), archive_all(repository, state), content)


def missing(request: Data) -> list[str]:
    """See `groundcrew/remote/backup_source.py`."""
    repository = live_repository(request)
    state, note = repository.state(), repository.note()
    if is_standby() or not note or not state.get("backup"):
        return []
    archive, _ = archive_of(state, state["db"][-1]["id"])
    first, size = state["backup"][-1]["archive"]["start"], int(psql(SEGMENT_SIZE))
    refuse_gaps(repository.segments(archive), first, note["segment"], size)
    return []


def is_usable(state: Data, system: str) -> bool:
    """Whether WAL of the server `system` can be added to the newest backup of a repository."""
    backups, databases = state.get("backup", []), state.get("db", [])
    return bool(
        backups
        and str(databases[-1]["system-id"]) == system
        and backups[-1]["database"]["id"] == databases[-1]["id"]
        and not backups[-1].get("error")
    )


def _prepare(repository: Repository) -> None:
    """Makes the repository ready for the server, which may be another one than before."""
    try:
        repository.run("stanza-create")
    except SourceError as error:
        try:
            repository.run("stanza-upgrade")
        except SourceError:
            raise error from None

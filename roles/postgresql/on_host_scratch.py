"""A scratch server with the data of a repository.

Runs on the host as root, as part of this role's other programs. Standard library and
`groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from groundcrew.remote.backup_source import (
    Opened,
    Scratch,
    SourceError,
    make_folder,
    start_unit,
    stop_unit,
)
from groundcrew.remote.commands import ending, run
from groundcrew.roles.postgresql.on_host import changes, server
from groundcrew.roles.postgresql.on_host_commands import as_postgres
from groundcrew.roles.postgresql.on_host_copies import give_copy
from groundcrew.roles.postgresql.on_host_recovery import (
    access_rules,
    choose_backup,
    least,
    reason,
    recovery_target,
)
from groundcrew.roles.postgresql.on_host_repository import (
    REPOSITORY,
    Repository,
    archive_of,
    number,
    position_of,
    refuse_gaps,
)
from groundcrew.roles.postgresql.on_host_server import ServerError, psql

Data = dict[str, Any]
RECOVERED = 1800
"""Seconds without progress after which recovery has failed."""
PARTS = ("repository", "work", "data", "tablespaces", "run")
"""Directories of postgres in the directory of a scratch server."""
VALUES = """
SELECT json_object_agg(name, setting::int) FROM pg_settings WHERE name IN
  ('max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions',
   'max_locks_per_transaction')
"""
END = """
SELECT json_build_object(
  'position', pg_last_wal_replay_lsn(),
  'last', extract(epoch FROM pg_last_xact_replay_timestamp()),
  'size', (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'),
  'version', current_setting('server_version'))
"""


def units(scratch: Scratch) -> list[str]:
    """Units that a scratch server has."""
    return [f"{scratch.name}-postgresql{part}.service" for part in ("", "-restore")]


def reach(request: Data, scratch: Scratch) -> dict[str, str]:
    """The environment with which clients reach the scratch server."""
    return {"PGHOST": f"{scratch.folder}/run", "PGPORT": str(request["port"])}


def open_scratch(request: Data, restored: str, scratch: Scratch, at: float | None) -> Opened:
    """See `groundcrew/remote/backup_source.py`."""
    close_scratch(request, scratch)
    owner = pwd.getpwnam("postgres")
    os.chmod(scratch.folder, 0o711)  # noqa: S103 - postgres passes through it
    _refuse_closed(scratch)
    give_copy(
        os.path.join(restored, REPOSITORY.lstrip("/")),
        f"{scratch.folder}/repository",
        (owner.pw_uid, owner.pw_gid),
    )
    for part in PARTS[1:]:
        make_folder(f"{scratch.folder}/{part}", 0o700, (owner.pw_uid, owner.pw_gid))
    # Whoever may connect is said by the access rules, as on the live server.
    os.chmod(f"{scratch.folder}/run", 0o755)  # noqa: S103 - applications connect
    repository = _repository(scratch)
    state = repository.state()
    backup = choose_backup(state, at)
    version = next(
        item["version"] for item in state["db"] if item["id"] == backup["database"]["id"]
    )
    programs = f"/usr/lib/postgresql/{version}/bin"
    if not os.path.exists(f"{programs}/postgres"):
        raise SourceError(f"the backup needs PostgreSQL {version}, which is not installed")
    target = recovery_target(repository.note(), at)
    _restore(repository, scratch, backup, target)
    since = time.time()
    _start(request, scratch, programs)
    reached = _recovered(request, scratch, since)
    if at is None:
        _refuse_early_end(repository, state, backup, reached)
    _converge_logins(request, scratch)
    until = reached["last"]
    if until is not None and at is not None:
        # The server counts the beginning of a backup as a transaction.
        until = min(until, at)
    return Opened({"/run/postgresql": f"{scratch.folder}/run"}, until, reached["version"])


def close_scratch(request: Data, scratch: Scratch) -> None:
    """See `groundcrew/remote/backup_source.py`."""
    del request
    for unit in units(scratch):
        stop_unit(unit)
    for part in (*PARTS, "dump"):
        with suppress(FileNotFoundError):
            shutil.rmtree(f"{scratch.folder}/{part}")
    for name in ("pgbackrest.conf", "postgresql.conf", "pg_hba.conf"):
        with suppress(FileNotFoundError):
            os.unlink(f"{scratch.folder}/{name}")


def _refuse_closed(scratch: Scratch) -> None:
    try:
        as_postgres("test", "-x", scratch.folder)
    except ServerError as error:
        raise SourceError(f"postgres cannot enter {scratch.folder}") from error


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o644)


def _repository(scratch: Scratch) -> Repository:
    folder = f"{scratch.folder}/repository"
    values = {
        "repo1-path": folder,
        "lock-path": f"{scratch.folder}/work/lock",
        "spool-path": f"{scratch.folder}/work/spool",
        "log-level-file": "off",
        "log-level-console": "off",
        "log-level-stderr": "warn",
    }
    lines = [f"{key}={value}" for key, value in values.items()]
    _write(f"{scratch.folder}/pgbackrest.conf", "\n".join(["[global]", *lines, ""]))
    return Repository(f"{scratch.folder}/pgbackrest.conf", folder, f"{scratch.folder}/data")


def _restore(repository: Repository, scratch: Scratch, backup: Data, target: Sequence[str]) -> None:
    """Restores the files, in a unit of its own."""
    since, done = time.time(), f"{scratch.folder}/work/restored"
    command = [
        *repository.command(), f"--pg1-path={repository.data}", *target, f"--set={backup['label']}",
        f"--tablespace-map-all={scratch.folder}/tablespaces", "restore",
    ]  # fmt: skip
    unit = start_unit(
        scratch, "postgresql-restore", ["/bin/sh", "-c", '"$@" && touch "$0"', done, *command],
        "postgres", [f"{scratch.folder}/{part}" for part in ("work", "data", "tablespaces")],
    )  # fmt: skip
    while _runs(unit):
        time.sleep(0.5)
    if not os.path.lexists(done):
        raise SourceError(f"the backup {backup['label']} cannot be restored: {_said(unit, since)}")


def _runs(unit: str) -> bool:
    state = run("systemctl", "show", "--property=ActiveState", "--value", unit).stdout.strip()
    return state in ("active", "activating", "deactivating", "reloading")


def _said(unit: str, since: float, lines: int = 12) -> str:
    """The last lines of a unit in the journal. Earlier units had the same name."""
    command = ["journalctl", "--no-pager", "--output=cat", f"--lines={lines}", f"--unit={unit}"]
    said = ending([*command, f"--since=@{since:.0f}"]).strip()
    return "" if said == "-- No entries --" else said


def _start(request: Data, scratch: Scratch, programs: str) -> None:
    folder = scratch.folder
    _write(f"{folder}/pg_hba.conf", access_rules(request))
    controlled = as_postgres(f"{programs}/pg_controldata", f"{folder}/data", more={"LC_ALL": "C"})
    values = {
        **least(controlled, _live_values()),
        "archive_mode": "off",
        "config_file": f"{folder}/postgresql.conf",
        "data_directory": f"{folder}/data",
        "external_pid_file": "",
        "hba_file": f"{folder}/pg_hba.conf",
        "ident_file": "/dev/null",
        "huge_pages": "off",
        "jit": "off",
        "lc_messages": "C",
        "listen_addresses": "127.0.0.1",
        "logging_collector": "off",
        "log_destination": "stderr",
        "log_min_duration_statement": "-1",
        "log_statement": "none",
        "password_encryption": "scram-sha-256",
        "port": str(request["port"]),
        "primary_conninfo": "",
        "primary_slot_name": "",
        "shared_buffers": "64MB",
        "shared_preload_libraries": request["preload"],
        "ssl": "off",
        "synchronous_standby_names": "",
        "timezone": "UTC",
        "unix_socket_directories": f"{folder}/run",
    }
    _write(f"{folder}/postgresql.conf", "")
    # The data has a configuration file of its own, which only arguments take precedence over.
    arguments = [f"--{key}={value}" for key, value in values.items()]
    start_unit(
        scratch, "postgresql", [f"{programs}/postgres", *arguments], "postgres",
        [f"{folder}/{part}" for part in PARTS[1:]], {"KillMode": "mixed", "KillSignal": "SIGINT"},
    )  # fmt: skip


def _live_values() -> dict[str, int]:
    try:
        values: dict[str, int] = json.loads(psql(VALUES))
    except ServerError:
        # The data may be needed because the live server does not run.
        return {}
    return values


def _recovered(request: Data, scratch: Scratch, since: float) -> Data:
    """Returns when the server accepts writes: where its recovery has ended."""
    unit, reached = units(scratch)[0], reach(request, scratch)
    seen, deadline = "", time.monotonic() + RECOVERED
    while True:
        if not _runs(unit):
            raise SourceError(f"the scratch server has ended: {reason(_said(unit, since, 30))}")
        progress = _said(unit, since, 1)
        with suppress(ServerError):
            told = psql("SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn()", server=reached)
            if told.startswith("f"):
                end: Data = json.loads(psql(END, server=reached))
                return end
            progress = told
        if progress != seen:
            seen, deadline = progress, time.monotonic() + RECOVERED
        if time.monotonic() > deadline:
            raise SourceError(f"recovery makes no progress: {_said(unit, since, 5)}")
        time.sleep(0.5)


def _refuse_early_end(repository: Repository, state: Data, backup: Data, end: Data) -> None:
    """Raises SourceError if recovery has not read all WAL of the repository."""
    archive, newest = archive_of(state, backup["database"]["id"])
    if newest is None:
        raise SourceError("there is no WAL in the copies")
    size = end["size"]
    refuse_gaps(repository.segments(archive), backup["archive"]["start"], newest, size)
    if position_of(end["position"] or "0/0") <= number(newest, size) * size:
        raise SourceError(
            f"recovery has ended at {end['position']}, before the newest WAL segment {newest}: a "
            "segment is damaged"
        )


def _converge_logins(request: Data, scratch: Scratch) -> None:
    """Lets the applications' current logins in. Databases that did not exist yet are not made."""
    reached = reach(request, scratch)
    state = server(reached)
    accounts = [item for item in request["accounts"] if item["database"] in state["databases"]]
    for _, statement in changes({**request, "accounts": accounts, "replicas": []}, state):
        psql(statement, server=reached)

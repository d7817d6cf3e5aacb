"""Backups of MariaDB, see `groundcrew/remote/backup_source.py`.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
Request: {"accounts": [{"app", "account", "database", "store"}], "port", "binary_log": path of the
binary logs without their numbers, "options": [option of a scratch server]}.

There is a full copy, made by mariadb-backup, and every binary log that the server has closed since.
When a new full copy has been made, the one before stays until the next call, so that the copies of
one moment always reach back to the full copy before.
"""

from __future__ import annotations

import os
import shutil
from typing import Any

from groundcrew.remote.backup_content import lacks
from groundcrew.remote.backup_source import Opened, Saved, Scratch, SourceError
from groundcrew.roles.mariadb.on_host import answers, client
from groundcrew.roles.mariadb.on_host_content import content_of
from groundcrew.roles.mariadb.on_host_copies import (
    LOGS,
    copy_logs,
    forget_older,
    fulls,
    home,
    make_full,
)
from groundcrew.roles.mariadb.on_host_put_back import forget_kept, replace_databases
from groundcrew.roles.mariadb.on_host_scratch import (
    choose,
    chosen_logs,
    close,
    fill,
    give_logins,
    repeat,
    socket_of,
    start,
)

Data = dict[str, Any]


def save(request: Data, kind: str) -> Saved:
    """Makes a full copy, or copies what has been logged since the last."""
    try:
        forget_older()
    except SourceError:
        if kind == "logs":
            raise
        # A new full copy needs nothing of what is damaged.
        shutil.rmtree(home())
    if kind != "logs" or not fulls(home()):
        make_full(request)
    # All of it was committed before the copies end.
    content = content_of(request)
    try:
        until = copy_logs(request)
    except SourceError:
        if kind == "logs" or len(fulls(home())) < 2:
            raise
        # What was logged after the full copy before is gone; the new one does not need it.
        forget_older()
        until = copy_logs(request)
    copies = [item.folder for item in fulls(home())]
    return Saved([*copies, os.path.join(home(), LOGS)], until, content)


def missing(request: Data) -> list[str]:
    """What the copies on this host lack. Raises SourceError if something does."""
    if fulls(home()):
        chosen_logs(request, "/", choose("/", None), None)
    return []


def compare(request: Data, scratch: Scratch, content: Data) -> list[str]:
    """What the scratch server lacks of what the copies were said to contain."""
    there = content_of(request, socket_of(scratch))
    live = content_of(request) if answers() else {"databases": {}}
    return lacks(there["databases"], content["databases"], live["databases"])


def open_scratch(request: Data, restored: str, scratch: Scratch, at: float | None) -> Opened:
    """Starts a server with a full copy and what was logged after it, up to the second `at`."""
    close(scratch)
    full = choose(restored, at)
    _, replay = chosen_logs(request, restored, full, at)
    fill(request, restored, scratch, full, replay)
    start(request, scratch)
    until = repeat(scratch, full, replay, at)
    give_logins(request, scratch)
    version = client("SELECT VERSION();", socket_of(scratch)).strip().split("-")[0]
    return Opened({"/run/mysqld": os.path.join(scratch.folder, "run")}, until, version)


def close_scratch(request: Data, scratch: Scratch) -> None:
    """Stops the server and removes its files."""
    del request
    close(scratch)


def put_back(request: Data, app: str, scratch: Scratch, mark: str) -> list[str]:
    """Replaces the application's databases by those of the scratch server."""
    return replace_databases(request, app, socket_of(scratch), mark)


def forget(request: Data, app: str, mark: str) -> None:
    """Removes what the application's databases had before."""
    forget_kept(request, app, mark)

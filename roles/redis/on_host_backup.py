"""Backups of Redis, see `groundcrew/remote/backup_source.py`.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
Request: {"server": "redis" or "valkey", "instances": [those of `roles/redis/on_host.py` that are
queues, and "port", "databases": number of databases, "file": where the server stores its keys]}.

A copy has the keys of one moment, so every kind of backup makes a new one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from groundcrew.remote.backup_source import Opened, Saved, Scratch, SourceError, make_folder
from groundcrew.roles.redis.on_host_keys import copy, keep, matching, remove
from groundcrew.roles.redis.on_host_snapshot import (
    about,
    close,
    connect,
    folder_of,
    home,
    socket_of,
    start,
    store,
)

Data = dict[str, Any]
EXACT = False
"""A snapshot has one moment."""

BEFORE = "/var/lib/groundcrew/backups/before"
"""What restores have replaced, by their mark. Only root can read it."""


def save(request: Data, kind: str) -> Saved:
    """Copies the keys of all queues."""
    del kind
    filled, until = {}, []
    for instance in request["instances"]:
        before = _lasting(instance)
        until.append(store(request, instance))
        filled[instance["name"]] = before > 0 and _lasting(instance) > 0
    copies = [home(instance) for instance in request["instances"]]
    return Saved(copies, min(until), {"filled": filled})


def compare(request: Data, scratch: Scratch, content: Data) -> list[str]:
    """The instances that are empty in the scratch server, and had keys that do not expire."""
    return [
        f"{instance['name']} has no keys, and had some when it was copied"
        for instance in request["instances"]
        if content["filled"].get(instance["name"])
        and not _lasting(instance, socket_of(instance, scratch))
    ]


def _lasting(instance: Data, socket: str | None = None) -> int:
    """The number of keys that do not expire."""
    with connect(instance, socket) as client:
        return lasting(client.ask("INFO", "keyspace").decode())


def open_scratch(request: Data, restored: str, scratch: Scratch, at: float | None) -> Opened:
    """Starts a server for each queue. `at` has no meaning: a copy is of one moment."""
    del at
    close_scratch(request, scratch)
    known = [about(instance, restored) for instance in request["instances"]]
    versions = [start(request, instance, restored, scratch) for instance in request["instances"]]
    binds = {
        os.path.dirname(instance["socket"]): os.path.join(folder_of(instance, scratch), "run")
        for instance in request["instances"]
    }
    return Opened(binds, min(item["until"] for item in known), versions[0])


def close_scratch(request: Data, scratch: Scratch) -> None:
    """Stops the servers and removes their files."""
    for instance in request["instances"]:
        close(instance, scratch)


def put_back(request: Data, app: str, scratch: Scratch, mark: str) -> list[str]:
    """Replaces the application's keys by those of the scratch servers."""
    lines = []
    for instance, pattern, path in _parts(request, app, mark):
        folder = os.path.dirname(path)
        for item in (BEFORE, os.path.dirname(folder), folder):
            make_folder(item)
        with connect(instance) as live, connect(instance, socket_of(instance, scratch)) as source:
            keep(live, pattern, path)
            remove(live, pattern)
            count = copy(source, pattern, live.ask_all)
        lines.append(f"Redis: {count} keys {pattern} in {instance['name']}; those before: {path}")
    return lines


def lasting(text: str) -> int:
    """The number of keys that do not expire, from what a server tells of its databases."""
    rows = re.findall(r"^db[0-9]+:keys=([0-9]+),expires=([0-9]+)", text, re.MULTILINE)
    return sum(int(keys) - int(expires) for keys, expires in rows)


def forget(request: Data, app: str, mark: str) -> None:
    """Removes the keys that the application had before."""
    for _, _, path in _parts(request, app, mark):
        for item in (path, f"{path}.new"):
            with suppress(FileNotFoundError):
                os.unlink(item)
        for item in (os.path.dirname(path), os.path.dirname(os.path.dirname(path))):
            with suppress(OSError):
                os.rmdir(item)


def _parts(request: Data, app: str, mark: str) -> Iterator[tuple[Data, str, str]]:
    """Each of the application's queues: the instance, the pattern of its keys, and the file for the
    keys before."""
    for instance in request["instances"]:
        for account in instance["accounts"]:
            if account["app"] != app:
                continue
            if not account["alone"] and not account["prefix"]:
                raise SourceError(f"{account['account']} has no prefix")
            pattern = "*" if account["alone"] else matching(account["prefix"])
            name = f"{instance['name']}-{account['account']}.resp"
            yield instance, pattern, os.path.join(BEFORE, mark, "redis", name)

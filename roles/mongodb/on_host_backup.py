"""Backups of MongoDB, see `groundcrew/remote/backup_source.py`.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
Request: {"socket", "port", "accounts": see `roles/mongodb/on_host.py`, "alone": parameters of a
server that shares nothing with the live one}.

A copy has every database as mongodump read it, so every kind of backup makes a new one.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import Any

from groundcrew.remote.backup_source import (
    COPIES,
    Opened,
    Saved,
    Scratch,
    SourceError,
    make_folder,
)
from groundcrew.roles.mongodb.on_host_client import Command, ask
from groundcrew.roles.mongodb.on_host_scratch import close, login, socket_of, start
from groundcrew.roles.mongodb.on_host_tools import dump, load

Data = dict[str, Any]
EXACT = False
"""A copy has one moment."""

ABOUT = "groundcrew.json"
"""File with `until`, and the size of each archive by database."""

BEFORE = "/var/lib/groundcrew/backups/before"
"""What restores have replaced, by their mark. Only root can read it."""


def home(below: str = "/") -> str:
    """Directory of the copies, which are below another directory when they are restored."""
    return os.path.join(below, COPIES.lstrip("/"), "mongodb")


def databases(request: Data, app: str | None = None) -> list[str]:
    """The databases of an application, or of all."""
    return sorted({item["database"] for item in request["accounts"] if app in (None, item["app"])})


def save(request: Data, kind: str) -> Saved:
    """Makes an archive of each database."""
    del kind
    until = time.time()
    folder = make_folder(home())
    wanted = databases(request)
    sizes = {item: _archive(request["socket"], item, archive(folder, item)) for item in wanted}
    about = os.path.join(folder, ABOUT)
    with open(f"{about}.new", "w", encoding="ascii") as file:
        json.dump({"until": until, "sizes": sizes}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{about}.new", about)
    for name in {*os.listdir(folder)} - {ABOUT, *(f"{item}.archive" for item in wanted)}:
        os.unlink(os.path.join(folder, name))
    return Saved([folder], until)


def archive(folder: str, database: str) -> str:
    """File of a database's archive."""
    return os.path.join(folder, f"{database}.archive")


def _archive(socket: str, database: str, path: str) -> int:
    """Writes a database to a file that only root can read. Returns its size."""
    with open(os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        dump(socket, login(), database, file)
        os.fsync(file.fileno())
    os.replace(f"{path}.new", path)
    return os.stat(path).st_size


def about(restored: str) -> Data:
    """What is known about restored copies. Raises SourceError for some that are not whole."""
    folder = home(restored)
    try:
        with open(os.path.join(folder, ABOUT), encoding="ascii") as file:
            manifest: Data = json.load(file)
        sizes = {item: os.stat(archive(folder, item)).st_size for item in manifest["sizes"]}
    except (FileNotFoundError, ValueError):
        raise SourceError(f"there are no copies in {folder}") from None
    for database, size in manifest["sizes"].items():
        if sizes[database] != size:
            raise SourceError(f"{archive(folder, database)} has {sizes[database]} of {size} bytes")
    return manifest


def open_scratch(request: Data, restored: str, scratch: Scratch, at: float | None) -> Opened:
    """Starts a server with the copies. `at` has no meaning: a copy is of one moment."""
    del at
    close(scratch)
    known = about(restored)
    version = start(request, scratch)
    for database in known["sizes"]:
        path = archive(home(restored), database)
        load(socket_of(request, scratch), login(), database, path)
    with open(_known(scratch), "w", encoding="ascii") as file:
        json.dump(sorted(known["sizes"]), file)
    binds = {os.path.dirname(request["socket"]): os.path.join(scratch.folder, "run")}
    return Opened(binds, known["until"], version)


def _known(scratch: Scratch) -> str:
    """File with the names of the databases that the copies have, also of empty ones."""
    return os.path.join(scratch.folder, "databases.json")


def close_scratch(request: Data, scratch: Scratch) -> None:
    """Stops the server and removes its files."""
    del request
    close(scratch)
    with suppress(FileNotFoundError):
        os.unlink(_known(scratch))


def put_back(request: Data, app: str, scratch: Scratch, mark: str) -> list[str]:
    """Replaces the application's databases by those of the scratch server."""
    with open(_known(scratch), encoding="ascii") as file:
        missing = {*databases(request, app)} - {*json.load(file)}
    if missing:
        raise SourceError(f"the copies have no database {', '.join(sorted(missing))}")
    folder = os.path.join(BEFORE, mark, "mongodb")
    for path in (BEFORE, os.path.dirname(folder), folder):
        make_folder(path)
    lines = []
    for database in databases(request, app):
        kept = archive(folder, database)
        if not os.path.exists(kept):
            _archive(request["socket"], database, kept)
        restored = archive(folder, f"{database}.restored")
        _archive(socket_of(request, scratch), database, restored)
        ask(request["socket"], login(), [Command(database, {"dropDatabase": 1})])
        load(request["socket"], login(), database, restored)
        os.unlink(restored)
        lines.append(f"MongoDB: database {database}; what it had is in {kept}")
    return lines


def forget(request: Data, app: str, mark: str) -> None:
    """Removes what the application's databases had before."""
    folder = os.path.join(BEFORE, mark, "mongodb")
    for database in databases(request, app):
        for name in (database, f"{database}.restored"):
            for path in (archive(folder, name), f"{archive(folder, name)}.new"):
                with suppress(FileNotFoundError):
                    os.unlink(path)
    for path in (folder, os.path.dirname(folder)):
        with suppress(OSError):
            os.rmdir(path)

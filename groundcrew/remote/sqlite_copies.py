"""Copies SQLite databases by SQLite's own backup, which waits for no writer and copies no half-done
transaction.

Runs as the application's user, as `python3 -IS PROGRAM FROM TO`: every database below the directory
FROM is copied to the same place below TO, which is emptied first. Prints JSON: `copied`, the
databases relative to FROM, and `failed`, those that could not be copied, each with the reason.
Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.backups import SqliteCopies

MAGIC = b"SQLite format 3\x00"
LOCKED = 60.0
"""Seconds that a database may be locked."""

BUSY = (5, 6)
"""SQLite's numbers for a database, or a table, that is locked."""


def databases(folder: str) -> Iterator[str]:
    """The SQLite databases below a directory, relative to it, sorted. No link is followed."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(root, name)
            if is_database(path):
                yield os.path.relpath(path, folder)


def is_database(path: str) -> bool:
    """Whether a regular file begins like an SQLite database."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def copy(path: str, to: str) -> None:
    """Copies one database. Raises sqlite3.Error; also if it stays locked, which backup() itself
    would wait for without an end."""
    os.makedirs(os.path.dirname(to), exist_ok=True)
    source = sqlite3.connect(f"file:{quote(path)}?mode=rw", uri=True, timeout=1)
    deadline = time.monotonic() + LOCKED

    def look(status: int, *_: int) -> None:
        if status in BUSY and time.monotonic() > deadline:
            raise sqlite3.OperationalError(f"it has been locked for {LOCKED:.0f} s")

    try:
        target = sqlite3.connect(to)
        try:
            # All pages at once: no writer can come in between and make it start again.
            source.backup(target, pages=-1, progress=look)
        finally:
            target.close()
    finally:
        source.close()


def main() -> int:
    """Copies all databases and prints their names."""
    folder, to = sys.argv[1:3]
    for name in os.listdir(to):
        path = os.path.join(to, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    report: SqliteCopies = {"copied": [], "failed": []}
    for name in databases(folder):
        try:
            if not name.isprintable():
                raise OSError("its name has control characters")
            copy(os.path.join(folder, name), os.path.join(to, name))
        except (sqlite3.Error, OSError) as error:
            report["failed"].append((name, str(error)))
            with suppress(OSError):
                os.unlink(os.path.join(to, name))
        else:
            report["copied"].append(name)
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())

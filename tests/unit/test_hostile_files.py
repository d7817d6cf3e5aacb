"""What an application leaves in its directories keeps nobody else from backups."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from groundcrew.remote import backup_files, sqlite_copies
from groundcrew.remote.backup_store import Store

# What restic 0.14 prints about a file in more directories than a path may have.
UNREAD = """\
{"message_type":"error","error":{"Op":"lstat","Err":36},"during":"archival","item":"/srv/shop/n\\u001b\\nn"}
Warning: at least one source file could not be read
"""


def test_files_that_restic_cannot_read_are_told_and_the_others_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = {"message_type": "summary", "snapshot_id": "abc"}

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 3, json.dumps(summary), UNREAD)

    monkeypatch.setattr(subprocess, "run", run)
    store = Store("disk", {"kind": "directory", "path": str(tmp_path), "timeout": 5}, "web1", "/k")
    made = store.add("app:shop", ["/srv/shop"], 1.0)
    assert made["snapshot_id"] == "abc"
    assert made["lacks"] == "/srv/shop/n\\u001b\\nn cannot be read"


def test_files_with_holes_that_are_larger_than_the_disk_are_not_read(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    app = {"shared": str(tmp_path), "without": [f"{tmp_path}/left-out"]}
    (tmp_path / "some").write_bytes(b"x" * 10_000)
    backup_files.refuse_holes("shop", app)
    (tmp_path / "left-out").mkdir()
    half = disk.f_blocks * disk.f_frsize // 2 + (1 << 20)
    for name in ("left-out/a", "left-out/b", "c"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(half)
    backup_files.refuse_holes("shop", app)
    with (tmp_path / "new\nline").open("wb") as file:
        file.truncate(half)
    with pytest.raises(backup_files.FilesError, match="larger than the disk") as caught:
        backup_files.refuse_holes("shop", app)
    assert "\n" not in str(caught.value)


def test_a_database_that_stays_locked_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_copies, "LOCKED", 0.5)
    path = tmp_path / "shop.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as owner:
        owner.execute("CREATE TABLE items (id)")
        owner.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            sqlite_copies.copy(str(path), str(tmp_path / "copies" / "shop.db"))
        owner.execute("COMMIT")
    sqlite_copies.copy(str(path), str(tmp_path / "copies" / "shop.db"))

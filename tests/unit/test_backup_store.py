"""Targets of backups: what restic is told, and what its output means."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from groundcrew.remote import backup_bucket, backup_store, sqlite_copies
from groundcrew.remote.backup_store import Snapshot, Store, StoreError

SFTP = {
    "kind": "sftp", "host": "store.example", "port": 2222, "user": "keeper", "path": "/srv/b",
    "identity": "/k/id", "known_hosts": "/k/known", "timeout": 20,
}  # fmt: skip


class Restic:
    """Answers like restic, and notes what it was asked."""

    def __init__(self, *failures: tuple[str, str], snapshots: list[dict[str, Any]] | None = None):
        self.failures = list(failures)
        """The next failures: of which command, and its error."""

        self.snapshots = snapshots or []
        self.asked: list[str] = []
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        told: dict[str, Any] = {
            "snapshots": self.snapshots,
            "backup": {"message_type": "summary", "snapshot_id": "abc"},
        }
        known = (*told, "cat", "init", "unlock", "forget", "check")
        word = next(word for word in command if word in known)
        self.asked.append(word)
        self.commands.append(command)
        if self.failures and self.failures[0][0] == word:
            return subprocess.CompletedProcess(command, 1, "", self.failures.pop(0)[1])
        return subprocess.CompletedProcess(command, 0, json.dumps(told.get(word, {})), "")


MISSING = "Fatal: unable to open config file: stat /b/config: no such file or directory"
LOCKED = "unable to create lock in backend: repository is already locked by PID 7 on web1"


@pytest.fixture
def disk(tmp_path: Path) -> Store:
    return Store("disk", {"kind": "directory", "path": str(tmp_path), "timeout": 5}, "web1", "/k")


def test_a_set_is_stored_and_looked_for(disk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"id": "def1", "tags": ["set=host", "until=1"], "time": "2026-11-29T04:00:00Z"}
    restic = Restic(snapshots=[other])
    monkeypatch.setattr(subprocess, "run", restic)
    made = disk.add("app:shop", ["/srv/shop/shared"], 12.0, ["/srv/shop/shared/a[1]*"])
    [command] = restic.commands
    assert f"--repo={disk.target['path']}/web1" in command
    assert r"--exclude=/srv/shop/shared/a\[1]\*" in command
    assert command[-2:] == ["--", "/srv/shop/shared"]
    assert disk.missing([made["snapshot_id"], "def"]) == ["abc"]


def test_the_first_backup_makes_the_repository(
    disk: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    restic = Restic(("backup", MISSING), ("cat", MISSING))
    monkeypatch.setattr(subprocess, "run", restic)
    disk.add("app:shop", ["/srv/shop/shared"], 12.0)
    assert restic.asked == ["backup", "cat", "init", "backup"]


def test_no_repository_is_made_where_there_is_one(
    disk: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    restic = Restic(("backup", "error: /srv/repository: no such file or directory"))
    monkeypatch.setattr(subprocess, "run", restic)
    with pytest.raises(StoreError, match="/srv/repository: no such file"):
        disk.add("app:shop", ["/srv/repository"], 12.0)
    assert restic.asked == ["backup", "cat"]


def test_a_lock_in_the_way_is_removed_if_its_program_is_gone(
    disk: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    restic = Restic(("forget", LOCKED))
    monkeypatch.setattr(subprocess, "run", restic)
    disk.forget({"last": 1})
    assert restic.asked == ["forget", "unlock", "forget"]
    restic = Restic(("check", LOCKED), ("check", LOCKED))
    monkeypatch.setattr(subprocess, "run", restic)
    with pytest.raises(StoreError, match="another program uses its repository"):
        disk.check("5%")
    assert restic.asked == ["check", "unlock", "check"]


def test_a_directory_that_is_gone_is_not_made(tmp_path: Path) -> None:
    target = {"kind": "directory", "path": str(tmp_path / "gone"), "timeout": 5}
    with pytest.raises(StoreError, match="is its disk mounted"):
        Store("disk", target, "web1", "/k").exists()
    with pytest.raises(StoreError, match="is its disk mounted"):
        Store("disk", target, "web1", "/k").refuse_silent()
    assert not (tmp_path / "gone").exists()


def test_a_bucket_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").write_text("access\nsecret\n")
    target = {"kind": "s3", "url": "https://s3.example/bucket", "region": "r", "timeout": 5,
              "credentials": str(tmp_path / "credentials")}  # fmt: skip
    waited: list[float] = []

    def run(command: list[str], timeout: float, **_: Any) -> subprocess.CompletedProcess[str]:
        waited.append(timeout)
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(StoreError, match="no answer within 5 s"):
        Store("s3", target, "web1", "/k").refuse_silent()
    assert waited == [5]


def test_no_secret_is_an_argument(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text("access\nsecret\n")
    target = {"kind": "s3", "url": "https://s3.example/bucket", "region": "r", "timeout": 5,
              "credentials": str(credentials), "ca": "/ca"}  # fmt: skip
    store = Store("s3", target, "web1", "/k")
    assert "secret" not in " ".join(store.options())
    assert store.environment()["AWS_SECRET_ACCESS_KEY"] == "secret"
    options = " ".join(Store("store", SFTP, "web1", "/k").options())
    assert "StrictHostKeyChecking=yes" in options
    assert "sftp:keeper@store.example:/srv/b/web1" in options


def test_what_fails_is_told_with_the_next_step() -> None:
    assert "set backup.key" in backup_store.reason("Fatal: wrong password or no key found\n")
    assert "host key is not the one" in backup_store.reason(
        "Host key verification failed.\nFatal: x"
    )
    assert backup_store.reason("noise\nFatal: no space left on device") == (
        "Fatal: no space left on device"
    )
    assert "\x1b" not in backup_store.reason("Fatal: \x1b[2J")


def test_the_snapshot_for_a_moment() -> None:
    made = [Snapshot(str(number), "s", number, number, ()) for number in (10.0, 20.0, 30.0)]
    assert backup_store.newest(made) == made[2]
    assert backup_store.newest(made, 15, exact=True) == made[1]
    assert backup_store.newest(made, 40, exact=True) == made[2]
    assert backup_store.newest(made, 15) == made[0]
    assert backup_store.newest(made, 5) is None
    assert backup_store.newest([], 1) is None


def test_snapshots_of_others_are_left_alone() -> None:
    item = {"id": "a", "time": "2026-11-29T04:11:17.316901543Z", "tags": ["set=app:x", "until=5.5"]}
    read = backup_store.snapshot(item)
    assert read
    assert (read.set, read.until, round(read.at)) == ("app:x", 5.5, 1795925477)
    assert backup_store.snapshot({**item, "tags": None}) is None


def test_the_space_of_an_sftp_server() -> None:
    text = "sftp> df /srv\n Size Used Avail (root) %Capacity\n 1000 400 600 600 40%\n"
    assert backup_store.parsed_df(text) == (600 << 10, 1000 << 10)
    assert backup_store.parsed_df("nothing") is None


def test_copies_of_sqlite_databases(tmp_path: Path) -> None:
    shared, to = tmp_path / "shared", tmp_path / "to"
    (shared / "deep").mkdir(parents=True)
    to.mkdir()
    database = sqlite3.connect(shared / "deep/a.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE t (x)")
    database.execute("INSERT INTO t VALUES (1)")
    database.commit()
    (shared / "link.db").symlink_to(shared / "deep/a.db")
    os.mkfifo(shared / "pipe")
    (shared / "text").write_text("SQLite")
    assert list(sqlite_copies.databases(str(shared))) == ["deep/a.db"]
    sqlite_copies.copy(str(shared / "deep/a.db"), str(to / "deep/a.db"))
    assert sqlite3.connect(to / "deep/a.db").execute("SELECT * FROM t").fetchall() == [(1,)]
    assert stat.S_ISREG((to / "deep/a.db").stat().st_mode)


def test_a_repository_that_nobody_may_look_at_is_not_missing() -> None:
    asked = "Fatal: unable to open config file: "
    for words in (
        "stat /mnt/b/web1/config: no such file or directory",
        "Lstat: file does not exist",
        "Stat: The specified key does not exist.",
    ):
        assert backup_store.is_missing(asked + words)
    assert backup_store.is_missing("Fatal: repository does not exist: unable to open config file")
    for words in ("Stat: Access Denied.", "stat /mnt/b/config: permission denied", "EOF"):
        assert not backup_store.is_missing(asked + words)


def test_locks_of_programs_that_run_or_were_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = {"time": "2026-11-29T04:00:00Z", "exclusive": True, "hostname": "web2", "pid": 7}

    def told(_: Store, *words: str, **__: Any) -> str:
        if words[0] == "list":
            return "aaaa\nbbbb\n"
        if words[2] == "bbbb":
            raise StoreError("gone")
        return json.dumps(lock, indent=2)

    monkeypatch.setattr(Store, "told", told)
    [left_lock] = Store(
        "disk", {"kind": "directory", "path": "/x", "timeout": 5}, "web1", "/k"
    ).locks()
    assert (left_lock.id, left_lock.host) == ("aaaa", "web2")
    assert left_lock.text == "process 7 on web2 has used it alone since 2026-11-29T04:00:00Z"
    why = backup_store.reason(
        "unable to create lock in backend: repository is already locked exclusively by PID 7 on "
        "web2 by root (UID 0, GID 0)\nthe `unlock` command can be used to remove stale locks"
    )
    assert "exclusively by PID 7 on web2" in why
    assert "half an hour" in why


LIST = """<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Prefix>prod/</Prefix>
<CommonPrefixes><Prefix>prod/web2/</Prefix></CommonPrefixes>
<CommonPrefixes>
  <Prefix>prod/a&amp;b/</Prefix></CommonPrefixes></ListBucketResult>"""


def test_the_hosts_in_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").write_text('access\nse"c\\ret\n')
    asked: dict[str, Any] = {}

    def run(command: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        asked.update(more, command=command)
        return subprocess.CompletedProcess(command, 0, LIST, "")

    monkeypatch.setattr(subprocess, "run", run)
    target = {"kind": "s3", "url": "https://s3.example/b/prod", "region": "eu-1", "timeout": 5,
              "credentials": str(tmp_path / "credentials"), "ca": "/ca"}  # fmt: skip
    assert Store("s3", target, "web1", "/k").hosts() == ["a&b", "web2"]
    assert asked["command"][-1] == "https://s3.example/b?delimiter=%2F&list-type=2&prefix=prod%2F"
    assert "aws:amz:eu-1:s3" in asked["command"]
    assert "ret" not in " ".join([*asked["command"], *asked["env"].values()])
    assert asked["input"] == 'user = "access:se\\"c\\\\ret"\n'
    address, prefix = backup_bucket.request({"url": "https://s3.example/b"})
    assert (address[-7:], prefix) == ("prefix=", "")

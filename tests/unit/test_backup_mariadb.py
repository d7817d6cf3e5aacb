"""Backups of MariaDB: what the role brings for them, and what binary logs have."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import pytest

from groundcrew.remote.backup_source import SourceError
from groundcrew.roles.mariadb import MariadbSettings, builders, on_host_copies
from groundcrew.roles.mariadb.on_host_binlog import (
    HEADER,
    MAGIC,
    Replay,
    missing,
    number,
    plan,
    scan,
)
from groundcrew.roles.mariadb.on_host_sandbox import reason
from groundcrew.roles.mariadb.on_host_scratch import end_of
from tests.unit.project import Project

GTID, ROTATE, DESCRIPTION, CHECKPOINT = 162, 4, 15, 161


def event(kind: int, when: int, flags: int = 0, body: bytes = b"body") -> bytes:
    return HEADER.pack(when, kind, 1, HEADER.size + len(body), 0, flags) + body


def scanned(content: bytes) -> Any:
    return scan(io.BytesIO(content), len(content), "the log")


def test_a_log_tells_when_data_was_changed() -> None:
    start = MAGIC + event(DESCRIPTION, 10) + event(CHECKPOINT, 11)
    assert scanned(start + event(ROTATE, 12)) == ((), True)
    changed = start + event(GTID, 13) + event(2, 13) + event(GTID, 15)
    assert scanned(changed + event(ROTATE, 16)) == ((13, 15), True)
    assert scanned(changed) == ((13, 15), False)


def test_a_log_that_is_cut_off_is_refused_unless_the_server_crashed() -> None:
    whole = MAGIC + event(DESCRIPTION, 10) + event(GTID, 13)
    for cut in (1, 4, 22):
        with pytest.raises(SourceError, match="truncated"):
            scanned(whole[:-cut])
    crashed = MAGIC + event(DESCRIPTION, 10, flags=1) + event(GTID, 13)
    assert scanned(crashed + event(GTID, 14)[:-3]) == ((13,), False)
    with pytest.raises(SourceError, match="no binary log"):
        scanned(b"root:x:0:0")


def test_numbers_and_gaps() -> None:
    assert number("bin.000012", "bin") == 12
    assert number("bin.1000000", "bin") == 1000000
    for name in ("bin.index", "bin.../etc/passwd", "other.000001", "bin.000001\n"):
        with pytest.raises(SourceError, match="no name"):
            number(name, "bin")
    assert missing(["bin.000003", "bin.000005"], "bin", 2) == ["bin.000002", "bin.000004"]
    assert missing(["bin.000003"], "bin", 3) == []
    assert missing([], "bin", 3) == []


def index(*spans: tuple[float, float]) -> dict[str, Any]:
    logs = {
        f"bin.{number:06}": {"size": 100 + number, "after": after, "before": before}
        for number, (after, before) in enumerate(spans, 1)
    }
    return {"logs": logs, "until": spans[-1][1]}


def test_logs_are_repeated_up_to_a_time() -> None:
    known = index((0, 10), (10, 20), (20, 30), (30, 40))
    there = {name: item["size"] for name, item in known["logs"].items()}
    one, two, three, four = there
    assert plan(known, "bin", 1, there, None) == Replay([one, two, three, four], ())
    assert plan(known, "bin", 3, there, None) == Replay([three, four], ())
    assert plan(known, "bin", 1, there, 25) == Replay([one, two], [three])
    assert plan(known, "bin", 2, there, 20) == Replay([two], [three])
    assert plan(known, "bin", 5, there, None) == Replay([], ())
    with pytest.raises(SourceError, match="end before"):
        plan(known, "bin", 1, there, 41)


def test_logs_that_are_not_whole_or_not_there_are_refused() -> None:
    known = index((0, 10), (10, 20), (20, 30))
    there = {name: item["size"] for name, item in known["logs"].items()}
    for name in there:
        without = {key: size for key, size in there.items() if key != name}
        with pytest.raises(SourceError, match=f"missing: {name}"):
            plan(known, "bin", 1, without, None)
        with pytest.raises(SourceError, match=f"{name} has 5 of"):
            plan(known, "bin", 1, {**there, name: 5}, None)
    del known["logs"]["bin.000002"]
    with pytest.raises(SourceError, match=r"missing: bin\.000002"):
        plan(known, "bin", 1, there, None)


def test_the_end_of_a_second() -> None:
    assert end_of(0.5) == "1970-01-01 00:00:01"


def test_the_reason_is_told_rather_than_what_comes_last() -> None:
    text = b"[Note] begins\n[ERROR] InnoDB: cannot read\n[Note] Starting shutdown...\n"
    assert reason(text) == "[ERROR] InnoDB: cannot read"
    assert reason(b"one\ntwo\n") == "two"
    assert reason(b"") == ""


def project(tmp_path: Path, **mariadb: Any) -> Project:
    shop = Project(tmp_path)
    shop.app("shop", "needs: {database: mariadb}\n")
    shop.hosts = {"web1": (["web", "mariadb"], {})}
    shop.all = {"mariadb": mariadb}
    return shop


def test_only_hosts_that_are_backed_up_log_their_changes(tmp_path: Path) -> None:
    settings = project(tmp_path).settings()
    assert not settings.brought.backups
    assert "mariadb-backup" not in settings.brought.packages
    assert "log_bin" not in builders.configuration(settings.mariadb, remote=False)
    text = builders.configuration(settings.mariadb, remote=False, backed_up=True)
    for line in ("log_bin = /var/lib/mysql/groundcrew-bin", "sync_binlog = 1", "server_id = 1",
                 "binlog_format = ROW", "binlog_expire_logs_seconds = 1209600"):  # fmt: skip
        assert f"\n{line}\n" in text


def test_the_source_says_where_the_logs_are(tmp_path: Path) -> None:
    loaded = project(tmp_path, parameters={"log_bin": "own.log", "sql_mode": "ANSI"})
    loaded.all["backup"] = {"targets": {"one": {"type": "directory", "path": "/mnt"}}}
    brought = loaded.settings().brought
    assert "mariadb-backup" in brought.packages
    [source] = brought.backups
    assert (source.title, source.apps) == ("mariadb", ("shop",))
    assert source.request["binary_log"] == "/var/lib/mysql/own"
    assert "--sql-mode=ANSI" in source.request["options"]
    [account] = source.request["accounts"]
    assert (account["app"], account["database"]) == ("shop", "shop_database")


def test_options_of_a_scratch_server_leave_out_what_is_null() -> None:
    settings = MariadbSettings(parameters={"collation_server": None, "wait_timeout": "5"})
    assert builders.reading(settings) == ["--character-set-server=utf8mb4"]


@pytest.mark.parametrize("parameters", [{"log_bin": None}, {"skip_log_bin": "ON"}])
def test_backups_without_binary_logs_are_refused(tmp_path: Path, parameters: Any) -> None:
    without_logs = project(tmp_path, parameters=parameters)
    without_logs.settings()
    without_logs.all["backup"] = {"targets": {"one": {"type": "directory", "path": "/mnt"}}}
    _, key, message = without_logs.error()
    assert key == f"mariadb.parameters.{next(iter(parameters))}"
    assert "binary logs: leave it out" in message


@pytest.mark.parametrize("waits", [True, False])
def test_a_copy_does_not_wait_for_ever_for_a_lock(
    monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    asked, killed = threading.Event(), threading.Event()

    def client(statement: str) -> str:
        asked.set()
        if statement == "KILL 73;":
            killed.set()
        return "73\n" if waits and "TIME > 60" in statement else ""

    monkeypatch.setattr(on_host_copies, "LOOK", 0.01)
    monkeypatch.setattr(on_host_copies, "client", client)

    def copy() -> None:
        with on_host_copies._not_blocked():
            assert (killed if waits else asked).wait(10)
            raise SourceError("mariadb-backup: Query execution was interrupted")

    with pytest.raises(SourceError, match="locked tables" if waits else "was interrupted"):
        copy()
    assert killed.is_set() == waits

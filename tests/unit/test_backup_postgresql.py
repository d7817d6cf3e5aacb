"""The copies of PostgreSQL's data: what is in them, up to when, and what is restored."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from groundcrew import remote
from groundcrew.entries import Directory, File
from groundcrew.remote.backup_source import SourceError
from groundcrew.roles.postgresql import PostgresqlSettings, builders
from groundcrew.roles.postgresql.brings import BACKUP
from groundcrew.roles.postgresql.on_host_backup import is_usable
from groundcrew.roles.postgresql.on_host_copies import give_copy
from groundcrew.roles.postgresql.on_host_exchange import kept_name, of_extensions, without_made
from groundcrew.roles.postgresql.on_host_logs import last_error, still_counts
from groundcrew.roles.postgresql.on_host_recovery import (
    access_rules,
    choose_backup,
    least,
    reason,
    recovery_target,
)
from groundcrew.roles.postgresql.on_host_repository import (
    archive_of,
    missing,
    position_of,
    refuse_gaps,
    segment_name,
    segments_in,
)

SIZE = 16 << 20
FIRST, LAST = "0000000100000000000000FE", "000000010000000100000001"
CHECKSUM = "0123456789abcdef0123456789abcdef01234567"
STATE: dict[str, Any] = {
    "db": [{"id": 1, "system-id": 70, "version": "15"}],
    "archive": [{"database": {"id": 1}, "id": "15-1", "max": LAST}],
    "backup": [
        {"label": "a", "database": {"id": 1}, "timestamp": {"stop": 100}, "error": False},
        {"label": "b", "database": {"id": 1}, "timestamp": {"stop": 200}, "error": False},
    ],
}


def test_positions_and_names_of_segments() -> None:
    assert position_of("1/2000028") == (1 << 32) + 0x2000028
    assert segment_name(1, position_of("1/1FFFFFF"), SIZE) == LAST
    assert segment_name(1, position_of("0/FE000000"), SIZE) == FIRST


def test_segments_that_are_missing() -> None:
    files = [f"{FIRST}-{CHECKSUM}.zst", f"{LAST}-{CHECKSUM}", "00000002.history", f"{LAST}.partial"]
    assert segments_in(files) == {FIRST, LAST}
    between = ["0000000100000000000000FF", "000000020000000100000000"]
    assert missing([FIRST, *between, LAST], FIRST, LAST, SIZE)[0] == 0
    assert missing([FIRST, LAST], FIRST, LAST, SIZE) == (2, between[0])
    with pytest.raises(SourceError, match=r"2 WAL segments .* first 0000000100000000000000FF"):
        refuse_gaps({FIRST, LAST}, FIRST, LAST, SIZE)


def test_the_archive_of_a_database() -> None:
    assert archive_of(STATE, 1) == ("15-1", LAST)
    assert archive_of({**STATE, "archive": []}, 1) == ("15-1", None)


def test_a_mark_counts_until_a_transaction_takes_a_number() -> None:
    note = {"system": "70", "next": "750"}
    assert still_counts(note, {"system": "70", "next": "750", "oldest": "750"})
    assert not still_counts(note, {"system": "70", "next": "751", "oldest": "751"})
    # One of before the mark may be committed now.
    assert not still_counts(note, {"system": "70", "next": "750", "oldest": "740"})
    assert not still_counts({**note, "next": None}, {"system": "70", "next": "1", "oldest": "1"})
    assert not still_counts(note, {"system": "71", "next": "750", "oldest": "750"})
    assert not still_counts({}, {"system": "70", "next": "750", "oldest": "750"})


def test_the_backup_of_a_time() -> None:
    assert choose_backup(STATE, None)["label"] == "b"
    assert choose_backup(STATE, 200.5)["label"] == "b"
    assert choose_backup(STATE, 200)["label"] == "a"
    with pytest.raises(SourceError, match=r"begin at 1970-01-01 00:01:40\.000000 UTC"):
        choose_backup(STATE, 99)
    with pytest.raises(SourceError, match="no complete backup"):
        choose_backup({"backup": []}, None)


def test_where_recovery_ends() -> None:
    note = {"until": 300.0, "marked": 250.0, "position": "0/3000028"}
    assert recovery_target(note, None) == ["--type=default"]
    [kind, target, _] = recovery_target(note, 249.25)
    assert (kind, target) == ("--type=time", "--target=1970-01-01 00:04:09.250000+00")
    assert recovery_target(note, 299)[:2] == ["--type=lsn", "--target=0/3000028"]
    with pytest.raises(SourceError, match=r"end at 1970-01-01 00:05:00\.000000 UTC"):
        recovery_target(note, 301)
    with pytest.raises(SourceError, match="the copies end before that"):
        recovery_target({}, 1)


def test_a_backup_that_wal_can_be_added_to() -> None:
    assert is_usable(STATE, "70")
    assert not is_usable(STATE, "71")
    assert not is_usable({"db": [], "backup": []}, "70")
    upgraded = {**STATE, "db": [*STATE["db"], {"id": 2, "system-id": 71, "version": "17"}]}
    assert not is_usable(upgraded, "71")


def test_names_beside_those_of_databases() -> None:
    assert kept_name("shop", "before", "20260101T000000") == "shop__before_20260101T000000"
    long = [kept_name("x" * 60 + letter, "before", "m1") for letter in "ab"]
    assert [len(item) for item in long] == [63, 63]
    assert long[0] != long[1]


def test_the_administrator_makes_extensions() -> None:
    schema = "5; 2615 16385 SCHEMA - ext shop\n"
    lines = [
        ";\n",
        "2; 3079 16390 EXTENSION - pg_trgm \n",
        "3412; 0 0 COMMENT - EXTENSION pg_trgm \n",
        "216; 1259 16472 TABLE public items shop\n",
        "3413; 0 0 COMMENT public TABLE items shop\n",
    ]
    assert without_made("".join([*lines, schema]), ["ext"]) == lines[0] + lines[3] + lines[4]


def test_recovery_needs_parameters_of_the_live_server_or_of_the_data() -> None:
    controlled = "max_connections setting:              200\nmax_locks_per_xact setting:  64\n"
    assert least(controlled, {"max_connections": 100, "max_wal_senders": 10}) == {
        "max_connections": "200",
        "max_wal_senders": "10",
        "max_locks_per_transaction": "64",
    }


def test_why_a_server_has_ended() -> None:
    log = "LOG:  redo\nFATAL:  recovery ended before configured recovery target was reached\n"
    assert reason(log) == log.splitlines()[1]
    assert reason("") == "its log says nothing"


def test_why_nothing_is_archived() -> None:
    log = [
        "ERROR: [103]: earlier",
        "ERROR: [104]: archive-push command encountered error(s):",
        "       repo1: [FileOpenError] unable to open file",
        "2026-11-29 04:48:25.673 UTC [4239] LOG:  archive command failed with exit code 104",
    ]
    expected = (
        "ERROR: [104]: archive-push command encountered error(s): "
        "repo1: [FileOpenError] unable to open file"
    )
    assert last_error(log) == expected
    assert not last_error(log[3:])


def test_who_may_connect_to_a_scratch_server() -> None:
    lines = access_rules({"accounts": [{"account": "shop_db", "database": "shop"}]}).splitlines()
    assert lines == [
        "local all postgres peer",
        "local shop shop_db_a,shop_db_b scram-sha-256",
        "host shop shop_db_a,shop_db_b 127.0.0.1/32 scram-sha-256",
    ]


def test_links_are_not_copied(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "archive").mkdir(parents=True)
    (source / "archive/segment").write_text("wal")
    (source / "secret").symlink_to("/etc/passwd")
    (source / "folder").symlink_to("/etc")
    give_copy(str(source), str(tmp_path / "target"), (os.getuid(), os.getgid()))
    paths = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "target").rglob("*"))
    assert paths == ["target/archive", "target/archive/segment"]
    assert (tmp_path / "target/archive/segment").read_text() == "wal"


def test_only_a_host_that_is_backed_up_archives() -> None:
    settings = PostgresqlSettings()
    plain = builders.entries(settings, [])
    assert not any("archive" in getattr(item, "content", "") for item in plain)
    assert "groundcrew_restore" not in builders.access_rules(settings, [])
    entries = builders.entries(settings, [], backed_up=True)
    files = {item.path: item.content for item in entries if isinstance(item, File)}
    configuration = str(files[builders.CONFIGURATION])
    assert "archive_mode = 'on'" in configuration
    assert '--pg1-path="$PWD" archive-push "%p"' in configuration
    assert builders.REPOSITORY in str(files[builders.DROP_IN])
    wanted = Directory(builders.REPOSITORY, mode="0700", user="postgres", group="postgres")
    assert wanted in entries


def test_all_modules_are_sent() -> None:
    text = remote.source("call", BACKUP)
    assert "('groundcrew.roles.postgresql.on_host_exchange'" in text


def test_rows_of_extensions_are_the_administrators() -> None:
    rows = "3400; 0 16400 TABLE DATA cron job postgres\n"
    right = "3404; 0 0 ACL cron TABLE job postgres\n"
    value = "3401; 0 0 SEQUENCE SET cron jobid_seq postgres\n"
    others = [
        ";\n",
        "216; 1259 16472 TABLE cron job postgres\n",
        "3402; 0 16472 TABLE DATA public job shop\n",
        "3403; 0 16473 TABLE DATA public x TABLE DATA cron job shop\n",
    ]
    tables = [("cron", "job"), ("cron", "jobid_seq")]
    listed = "".join([*others[:2], rows, value, right, *others[2:]])
    assert of_extensions(listed, tables) == (rows + value + right, "".join(others))
    assert of_extensions(listed, []) == ("", listed)

"""What a drill compares: a backup with what was noted when it was made."""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import Any

import pytest

from groundcrew.facts.backups import BackupState, StoredSet
from groundcrew.remote import backup_content, commands
from groundcrew.remote.backup_run import made_here
from groundcrew.roles.mariadb import on_host_content as of_mariadb
from groundcrew.roles.mariadb.on_host import ServerError
from groundcrew.roles.redis.on_host_backup import lasting

FULL = {"owner": "shop", "tables": ["public.items", "public.orders"], "rows": True}


def lacks(**changes: Any) -> list[str]:
    there = {"shop": {**FULL, **changes}}
    return backup_content.lacks(there, {"shop": FULL}, {"shop": FULL})


def test_a_backup_of_another_database_is_told() -> None:
    assert lacks() == []
    assert lacks(tables=[*FULL["tables"], "public.new"]) == []  # type: ignore[misc]
    assert lacks(owner="blog") == ["the database shop belongs to blog, not to shop"]
    assert lacks(tables=["public.posts"]) == [
        "the database shop lacks 2 of 2 tables: public.items, ..."
    ]
    assert backup_content.lacks({}, {"shop": FULL}, {}) == [
        "the database shop is not in the backup"
    ]


def test_an_empty_dump_is_told() -> None:
    assert "no row in any table" in lacks(rows=False)[0]
    assert "lacks 2 of 2 tables" in lacks(tables=[], rows=False)[0]


def test_what_was_removed_since_is_not_missed() -> None:
    now = {"shop": {**FULL, "tables": ["public.items"], "rows": False}}
    there = {"shop": {**FULL, "tables": ["public.items"], "rows": False}}
    assert backup_content.lacks(there, {"shop": FULL}, now) == []


def test_mariadbs_tables_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    rows = {"shop": f"{b'a`b'.hex()}\t0\n{b'c'.hex()}\t1\n", "blog": f"{b'd'.hex()}\t0\n"}

    def client(statement: str, _: str) -> str:
        asked.append(statement)
        if "SCHEMATA" in statement:
            return "shop\nblog\nlocked\nother\n"
        if "'locked'" in statement:
            raise ServerError("Lock wait timeout exceeded")
        return next(text for name, text in rows.items() if f"'{name}'" in statement)

    monkeypatch.setattr(of_mariadb, "client", client)
    names = ("shop", "blog", "locked", "gone")
    content = of_mariadb.content_of({"accounts": [{"database": name} for name in names]})
    assert content["databases"] == {
        "shop": {"tables": ["a`b", "c"], "rows": True},
        "blog": {"tables": ["d"], "rows": False},
        # One that nobody can read keeps no other from being backed up.
        "locked": {"tables": [], "rows": False},
    }
    # Nothing that an application has named, which could be a view by now.
    assert all("a`" not in text and "FROM information_schema" in text for text in asked)
    assert all("lock_wait_timeout" in text for text in asked[1:])


def test_keys_that_do_not_expire_are_counted() -> None:
    told = "# Keyspace\r\ndb0:keys=5,expires=2,avg_ttl=10\r\ndb3:keys=1,expires=1,avg_ttl=0\r\n"
    assert lasting(told) == 3
    assert lasting("# Keyspace\r\n") == 0


def test_the_newest_backup_is_the_one_that_the_host_has_stored_last() -> None:
    made: StoredSet = {"until": 5.5, "snapshot": "abcd", "content": {"system": "1"}}
    state: BackupState = {"sets": {"postgresql": {"disk": made}}}
    assert made_here("postgresql", "disk", 5.5, "abcdef", [state, state]) == made
    assert made_here("postgresql", "disk", 5.5, "ffff", [state, state]) is None
    assert made_here("postgresql", "disk", 4.5, "abcdef", [state, state]) is None
    # Nothing is known about what an earlier host has stored.
    assert made_here("postgresql", "other", 4.5, "ffff", [state, state]) == {}
    # It was stored, and the program was killed before it could note that.
    begun: BackupState = {**state, "begun": {"postgresql": {"disk": {"until": 6.5}}}}
    assert made_here("postgresql", "disk", 6.5, "eeee", [state, begun]) == {"until": 6.5}


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_command_that_nobody_trusts_is_bounded() -> None:
    done = commands.bounded(python("import sys; print(1); sys.exit('no')"), 100, 20)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"1\n", b"no\n")
    with pytest.raises(commands.TooMuchError):
        commands.bounded(python("while True: print('x' * 1000)"), 10_000, 20)
    with pytest.raises(subprocess.TimeoutExpired):
        commands.bounded(python("import time; time.sleep(60)"), 100, 0.2)


def test_only_the_end_of_a_long_output_is_kept() -> None:
    code = "import sys; sys.stderr.write('no'); [print('x' * 999) for _ in range(20_000)]; print(9)"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = commands.ending(python(code), 1000)
    assert len(told) == 1000
    assert told.endswith("x\n9\n")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000
    assert commands.ending(python("print('whole')")) == "whole\n"
    assert commands.ending(python("import sys; sys.exit('no')")) == ""
    both = python("import sys; sys.exit('no')")
    assert commands.ending(both, errors=subprocess.STDOUT) == "no\n"
    slow = "import time; print('begun', flush=True); time.sleep(60)"
    assert commands.ending(python(slow), seconds=1) == "begun\n"

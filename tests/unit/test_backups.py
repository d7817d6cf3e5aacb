"""The plan and state of backups, what a drill runs, and what verify says."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest

from groundcrew.entries import File
from groundcrew.remote import (
    backup_drill,
    backup_files,
    backup_open,
    backup_plan,
    backup_restore,
    backup_run,
    drill_app,
    sqlite_copies,
)
from groundcrew.remote.backup_files import FilesError
from groundcrew.remote.backup_plan import Plan
from groundcrew.remote.backup_store import OTHER_KEY, Snapshot, Store, StoreError
from groundcrew.results.result import Status
from groundcrew.roles.backup import builders, checks, on_host
from groundcrew.roles.backup.settings import BackupSettings
from groundcrew.verify.seen import Seen, View
from tests.unit.project import Project

TARGET = {"disk": {"type": "directory", "path": "/mnt/backups"}}
UNIT = """\
[Unit]
Description=shop

[Service]
Type=notify
User=shop
ExecStart=/srv/shop/server
Restart=always
MemoryMax=1G
CPUQuota=200%
ReadWritePaths=/srv/shop/shared
IPAddressDeny=any
ProtectSystem=strict

[Install]
WantedBy=multi-user.target
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of /var/lib/groundcrew/backups."""
    monkeypatch.setattr(backup_plan, "FOLDER", str(tmp_path))
    monkeypatch.setattr(backup_plan, "STATE", str(tmp_path / "state.json"))
    monkeypatch.setattr(backup_plan, "METRICS", str(tmp_path / "backup.prom"))
    return tmp_path


@pytest.fixture
def shop(project: Project) -> Project:
    """A project with one application."""
    project.app()
    return project


def test_the_plan_follows_from_the_applications(shop: Project, folder: Path) -> None:
    shop.all["backup"] = {"targets": TARGET, "paths": ["/etc/extra"]}
    settings = shop.settings()
    plan = builders.plan(settings.backup, "web1", settings.app, settings.brought.backups)
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    read = backup_plan.read_plan(str(path))
    assert (read.host, [store.name for store in read.targets]) == ("web1", ["disk"])
    assert "/etc/extra" in read.paths
    assert read.apps["shop"]["shared"] == "/srv/shop/shared"
    assert backup_restore.wanted(read, {"app": "shop", "part": None}) == [("app:shop", None)]
    assert backup_restore.wanted(read, {"app": "other", "part": None}) == []
    with pytest.raises(ValueError, match="no target away"):
        read.target("away")


def test_the_state_is_stored_whole_and_as_metrics(folder: Path) -> None:
    with backup_plan.noted() as state:
        state["sets"] = {"app:shop": {"disk": {"until": 1795972847.0, "bytes": 5, "seconds": 1.0}}}
    assert backup_plan.read_state(str(folder / "state.json"))["sets"]
    text = (folder / "backup.prom").read_text()
    assert 'groundcrew_backup_until_seconds{set="app:shop",target="disk"} 1795972847' in text


def test_only_one_at_a_time(folder: Path) -> None:
    with (
        backup_plan.lock("work", wait=False),
        pytest.raises(backup_plan.BusyError, match="runs already"),
        backup_plan.lock("work", wait=False),
    ):
        pass


def test_a_drill_runs_the_live_unit_without_its_network_and_data() -> None:
    place = backup_open.Place("drill")
    text = drill_app.unit_text(UNIT, place, {"/srv/shop/shared": "/scratch/shared"}, ())
    lines = text.splitlines()
    assert "BindPaths=/scratch/shared:/srv/shop/shared" in lines
    assert "NetworkNamespacePath=/run/netns/groundcrew-drill" in lines
    assert "ExecStart=/srv/shop/server" in lines
    assert "ProtectSystem=strict" in lines
    for gone in ("Restart=always", "CPUQuota=200%", "ReadWritePaths=/srv/shop/shared", "[Install]"):
        assert gone not in lines
    command = drill_app.unit_text(UNIT, place, {}, ["Type=oneshot", "ExecStart=/bin/sh x"])
    assert "/srv/shop/server" not in command


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a\nb", 5, "a//b"])
def test_names_that_an_application_makes_up_lead_nowhere_else(name: Any) -> None:
    assert not backup_files.is_inside(name)
    with pytest.raises(FilesError):
        backup_files.copied(json.dumps({"copied": [name], "failed": []}).encode())


def test_a_database_that_was_not_copied_is_named_with_what_to_do() -> None:
    told = {"copied": ["a.db"], "failed": [["bad\nname.db", "file is not a database"]]}
    names, [problem] = backup_files.copied(json.dumps(told).encode())
    assert names == ["a.db"]
    assert problem.startswith("the SQLite database bad")
    assert "\n" not in problem
    assert "(file is not a database)" in problem
    assert "backup.exclude" in problem


@pytest.mark.parametrize("text", ["[]", "{}", '{"copied": [], "failed": [[1]]}', "no JSON"])
def test_what_is_no_answer_about_databases(text: str) -> None:
    with pytest.raises(FilesError, match="cannot be read"):
        backup_files.copied(text.encode())


def test_databases_are_copied_and_what_is_none_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shared, to = tmp_path / "shared", tmp_path / "to"
    for folder in (shared, to):
        folder.mkdir()
    for name in ("good.db", "line\nfeed.db"):
        with sqlite3.connect(shared / name) as connection:
            connection.execute("CREATE TABLE t (x)")
    (shared / "junk.db").write_bytes(b"SQLite format 3\0junk")
    monkeypatch.setattr("sys.argv", ["sqlite_copies", str(shared), str(to)])
    assert sqlite_copies.main() == 0
    told = json.loads(capsys.readouterr().out)
    assert told["copied"] == ["good.db"]
    assert [name for name, _ in told["failed"]] == ["junk.db", "line\nfeed.db"]
    # Half a copy would replace the file in a restore.
    assert [path.name for path in to.iterdir()] == ["good.db"]


class Opened(NamedTuple):
    """A target whose repository a key opens or not."""

    why: str | None

    def exists(self) -> bool:
        if self.why:
            raise StoreError(f"target disk: {self.why}")
        return True


@pytest.mark.parametrize(("why", "status"), [(None, 0), (OTHER_KEY, 1), ("it does not answer", 0)])
def test_a_key_is_tried_at_the_targets_once(
    why: str | None, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state: dict[str, Any] = {}
    monkeypatch.setattr(backup_run, "read_state", lambda: state)
    monkeypatch.setattr(backup_run, "noted", lambda: nullcontext(state))
    (tmp_path / "key").write_text("a key")
    plan = cast(Plan, SimpleNamespace(key=str(tmp_path / "key"), targets=[Opened(why)]))
    assert backup_run.fits(plan) == status
    never = cast(Plan, SimpleNamespace(key=str(tmp_path / "key"), targets=[Opened(OTHER_KEY)]))
    assert backup_run.fits(never) == (1 if status else 0)


def test_a_database_is_not_put_through_a_link(tmp_path: Path) -> None:
    shared, copies, outside = tmp_path / "shared", tmp_path / "copies", tmp_path / "outside"
    for path in (shared, copies / "deep", outside):
        path.mkdir(parents=True)
    (copies / "deep/a.db").write_text("x")
    (shared / "deep").symlink_to(outside)
    with pytest.raises(FilesError, match="leads elsewhere"):
        backup_open._merge(str(copies), str(shared))
    assert list(outside.iterdir()) == []
    (shared / "deep").unlink()
    backup_open._merge(str(copies), str(shared))
    assert (shared / "deep/a.db").read_text() == "x"


def test_what_a_drill_finds_too_old_or_too_slow_is_a_problem(shop: Project, folder: Path) -> None:
    shop.all["backup"] = {"targets": TARGET, "rpo": 1, "rto": 1}
    settings = shop.settings()
    plan = builders.plan(settings.backup, "web1", settings.app, [])
    (folder / "plan.json").write_text(json.dumps(plan))
    read = backup_plan.read_plan(str(folder / "plan.json"))
    report: Any = {
        "problems": [], "sources": {"postgresql": {"rpo": 61}}, "apps": {"shop": {"rto": 90.0}},
    }  # fmt: skip
    backup_drill._judge(read, report)
    assert len(report["problems"]) == 2
    assert backup_run.KINDS == ("full", "daily", "logs")


def state(**more: Any) -> dict[str, Any]:
    now = time.time()
    stored = {"until": now - 60, "at": now - 60, "bytes": 10, "seconds": 1, "added": 1}
    return {
        "sets": {name: {"disk": stored} for name in ("postgresql", "app:shop", "host")},
        "targets": {"disk": {"retention": now, "check": now, "space": (50, 100)}},
        "drill": {"at": now, "target": "disk", "problems": [], "apps": {}, "seconds": 3.0},
        "last_good_drill": now,
        "failed": {},
        **more,
    }


def judged(noted: Mapping[str, Any], **settings: Any) -> dict[str, Status]:
    report: Any = {
        "planned": True, "state": noted, "sets": ["postgresql", "app:shop", "host"],
        "servers": ["postgresql"], "timers": [], "running": [], "kept": [], "made_up": None,
        "same_disk": [],
    }  # fmt: skip
    chosen = BackupSettings.model_validate({"targets": TARGET, **settings})
    list(checks.status(report))
    seen = Seen(View("192.0.2.1"), {"backup": report})
    return {item.name: item.status for item in checks.backups(chosen, seen)}


def test_young_backups_and_a_green_drill_are_good() -> None:
    assert set(judged(state()).values()) == {Status.OK}


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"sets": {}}, "backup of postgresql"),
        ({"last_good_drill": 0}, "drill"),
        (
            {"drill": {"at": 0, "target": "disk", "problems": ["x"], "apps": {}, "seconds": 1}},
            "drill",
        ),
        ({"targets": {"disk": {"retention": 0, "check": 0, "space": None}}}, "backups at disk"),
        (
            {"targets": {"disk": {"retention": 1e12, "check": 1e12, "space": (5, 100)}}},
            "backups at disk",
        ),
        ({"failed": {"daily": ["target disk: no"]}}, "backups: last runs"),
    ],
)
def test_what_is_not_good_is_red(more: dict[str, Any], name: str) -> None:
    assert judged(state(**more))[name] is Status.FAIL


def test_a_database_that_is_older_than_its_rpo_is_red() -> None:
    old = state()
    old["sets"]["postgresql"] = {"disk": {**old["sets"]["postgresql"]["disk"], "until": 0}}
    assert judged(old)["backup of postgresql"] is Status.FAIL


def test_the_key_of_a_host_is_told_by_its_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("key", "made"):
        (tmp_path / name).write_text("text\n")
    monkeypatch.setattr(on_host, "KEY", str(tmp_path / "key"))
    digest = on_host.fingerprint(str(tmp_path / "made"))
    assert digest is not None
    assert len(digest) == 8
    (tmp_path / "key").write_text("another\n")
    assert on_host.fingerprint(str(tmp_path / "made")) is None
    assert on_host.fingerprint(str(tmp_path / "none")) is None


def test_secrets_are_in_files_for_root_alone() -> None:
    settings = BackupSettings.model_validate(
        {
            "targets": {
                "s3": {
                    "type": "s3", "url": "https://s3.example/b",
                    "access_key": {"env": "A"}, "secret_key": {"env": "S"},
                }
            }
        }
    )  # fmt: skip
    path = ("backup", "targets", "s3")
    secrets: dict[tuple[str, ...], str] = {
        (*path, "access_key"): "a",
        (*path, "secret_key"): "s",
    }
    files = [item for item in builders.secret_entries(settings, secrets) if isinstance(item, File)]
    assert {item.mode for item in files} == {"0600"}
    assert all(item.secret for item in files)
    assert files[-1].path.endswith("/target-s3.credentials")


def test_an_open_address_for_credentials_is_refused() -> None:
    target = {"type": "s3", "url": "http://s3.example/b", "access_key": {"env": "A"},
              "secret_key": {"env": "S"}}  # fmt: skip
    with pytest.raises(ValueError, match="expected https://"):
        BackupSettings.model_validate({"targets": {"s3": target}})


@pytest.fixture
def restoring(shop: Project, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan with an application below a directory of the test."""
    shop.all["backup"] = {"targets": TARGET}
    settings = shop.settings()
    text = json.dumps(builders.plan(settings.backup, "web1", settings.app, []))
    root = tmp_path / "srv"
    (folder / "plan.json").write_text(text.replace("/srv/shop", str(root / "shop")))
    monkeypatch.setattr(backup_restore, "RESTORES", str(folder / "restores"))
    monkeypatch.setattr(backup_restore, "close_all", lambda *_: None)
    monkeypatch.setattr(backup_restore, "app_files", lambda *_: None)
    for name in ("shared", "secrets"):
        (root / "shop" / name).mkdir(parents=True)
        (root / "shop" / name / "live").write_text("live")
    return backup_plan.read_plan(str(folder / "plan.json"))


REQUEST = {"app": "shop", "part": None, "at": None, "target": None, "from": None}


def fetched(plan: Plan, mark: str) -> Path:
    """Fetched files of a restore."""
    staging = Path(backup_restore._staging(plan, "shop", mark))
    for path in plan.apps["shop"]["replaced"]:
        (staging / path.lstrip("/")).mkdir(parents=True)
        (staging / path.lstrip("/") / "restored").write_text("restored")
    return staging


def test_a_restore_goes_on_with_the_backups_that_it_has_begun_with(
    restoring: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [Snapshot(name, "app:shop", at, at, ()) for name, at in (("a", 1.0), ("b", 2.0))]
    monkeypatch.setattr(Store, "snapshots", lambda *_: made)
    monkeypatch.setattr(backup_restore, "make_namespace", lambda *_: None)
    taken: list[str] = []
    monkeypatch.setattr(backup_restore, "fetch", lambda _, chosen, __: taken.append(chosen.id))
    backup_restore.prepare(restoring, REQUEST)
    made.append(Snapshot("c", "app:shop", 3.0, 3.0, ()))
    backup_restore.prepare(restoring, REQUEST)
    assert taken == ["b", "b"]
    assert backup_restore.describe(restoring, REQUEST)[0]["until"] == 2.0
    # Nothing has been replaced yet: another one may begin.
    backup_restore.prepare(restoring, {**REQUEST, "at": 1.5})
    assert taken == ["b", "b", "a"]
    made.clear()
    with pytest.raises(backup_restore.RestoreError, match="no longer has the backup a"):
        backup_restore.prepare(restoring, {**REQUEST, "at": 1.5})


def test_a_restore_that_has_begun_to_replace_is_ended_first(restoring: Plan) -> None:
    note = backup_restore._begin(restoring, REQUEST)
    backup_restore._write_note({**note, "putting": True})
    with pytest.raises(backup_restore.RestoreError, match="run it again first"):
        backup_restore._begin(restoring, {**REQUEST, "at": 5.0})
    assert backup_restore._begin(restoring, REQUEST)["mark"] == note["mark"]


def test_directories_are_replaced_once_whatever_is_interrupted(restoring: Plan) -> None:
    mark = backup_restore._begin(restoring, REQUEST)["mark"]
    staging = fetched(restoring, mark)
    shared = Path(restoring.apps["shop"]["shared"])
    kept = Path(backup_restore._kept(restoring, "shop", mark))
    # Interrupted between the two renames; then a run has made the directory.
    kept.mkdir()
    shared.rename(kept / "shared")
    shared.mkdir()
    (shared / "later").write_text("later")
    told = backup_restore.put(restoring, REQUEST)
    assert [len(told["replaced"]), staging.exists()] == [2, False]
    assert [item.name for item in shared.iterdir()] == ["restored"]
    assert [item.name for item in (kept / "shared").iterdir()] == ["live"]
    assert [item.name for item in (kept / "shared.later").iterdir()] == ["later"]


def test_a_restore_that_was_killed_at_its_very_end_replaces_nothing_again(
    restoring: Plan,
) -> None:
    note = backup_restore._begin(restoring, REQUEST)
    backup_restore._write_note({**note, "putting": True, "put": ["app:shop"], "replaced": ["x"]})
    assert backup_restore.put(restoring, REQUEST)["replaced"] == ["x"]
    assert (Path(restoring.apps["shop"]["shared"]) / "live").exists()
    assert backup_restore.kept() == [{"app": "shop", "mark": note["mark"]}]


def test_what_an_interrupted_drill_has_left_is_removed(
    restoring: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(backup_drill, "close_all", lambda *_: done.append("close"))
    monkeypatch.setattr(backup_drill, "stop_all", lambda: done.append("stop"))
    monkeypatch.setattr(backup_open, "FOLDER", str(folder))
    backup_drill.tidy(restoring)
    assert done == []
    (folder / "drill").mkdir()
    with backup_plan.lock("drill", wait=False):
        backup_drill.tidy(restoring)
    assert done == []
    backup_drill.tidy(restoring)
    assert done == ["stop", "close"]


def test_a_drill_that_failed_lets_no_new_host_begin(
    restoring: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "exists", lambda _: True)
    monkeypatch.setattr(Store, "snapshots", lambda *_: [Snapshot("a", "host", 1.0, 1.0, ())])
    for known in ({}, {"drill": {"problems": ["x"]}}):
        monkeypatch.setattr(backup_run, "read_state", lambda known=known: known)
        assert "backups of an earlier web1" in str(backup_run.held(restoring))
    monkeypatch.setattr(backup_run, "read_state", lambda: {"restored": {"app": "shop"}})
    assert backup_run.held(restoring) is None

"""What is stored at a target and noted, and which backups a drill takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from groundcrew.facts.backups import StoredSet
from groundcrew.remote import backup_drill, backup_plan, backup_run
from groundcrew.remote.backup_files import FilesError, FileSet
from groundcrew.remote.backup_run import Part
from groundcrew.remote.backup_store import Snapshot, Store, StoreError


class Target:
    """A target that stores, loses or refuses sets."""

    name = "disk"

    def __init__(
        self,
        lost: Sequence[str] = (),
        refused: Sequence[str] = (),
        lacks: Sequence[str] = (),
        gone: bool = False,
    ) -> None:
        self.lost, self.refused, self.lacks, self.gone = lost, refused, lacks, gone
        self.asked = list[str]()

    def refuse_silent(self) -> None:
        pass

    def exists(self) -> bool:
        self.asked.append("exists")
        if self.gone:
            raise StoreError("target disk: no answer within 5 s")
        return True

    def add(self, name: str, *_: Any) -> dict[str, Any]:
        self.asked.append(name)
        if name in self.refused:
            raise StoreError(f"target disk: no room for {name}")
        made = {"snapshot_id": f"id-{name}", "data_added": 5}
        return {**made, "lacks": "a file cannot be read"} if name in self.lacks else made

    def missing(self, made: Sequence[str]) -> list[str]:
        self.asked.append("missing")
        return [id_ for id_ in made if id_.removeprefix("id-") in self.lost]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of /var/lib/groundcrew/backups."""
    monkeypatch.setattr(backup_plan, "FOLDER", str(tmp_path))
    monkeypatch.setattr(backup_plan, "STATE", str(tmp_path / "state.json"))
    monkeypatch.setattr(backup_plan, "METRICS", str(tmp_path / "backup.prom"))
    monkeypatch.setattr(backup_plan.read_state, "__defaults__", (str(tmp_path / "state.json"),))


def stored(target: Target) -> list[str]:
    """What comes of storing three sets, of which one is empty."""
    parts = [Part(FileSet(name, paths, ()), 7.5, {})
             for name, paths in (("a", ("/a",)), ("none", ()), ("b", ("/b",)))]  # fmt: skip
    problems: list[str] = []
    backup_run.store_at(cast(Store, target), parts, problems)
    return problems


def test_sets_are_looked_for_all_at_once() -> None:
    target = Target()
    assert stored(target) == []
    assert target.asked == ["a", "b", "missing"]
    noted = backup_plan.read_state()["sets"]
    assert {name: item["disk"]["snapshot"] for name, item in noted.items()} == {
        "a": "id-a", "b": "id-b",
    }  # fmt: skip
    assert noted["a"]["disk"]["until"] == 7.5


def test_a_set_that_a_target_has_lost_is_told_and_not_noted() -> None:
    assert stored(Target(lost=["a"])) == [
        "target disk accepted the backup of a, but lost it"
    ]  # fmt: skip
    assert set(backup_plan.read_state()["sets"]) == {"b"}


def test_what_was_stored_before_a_target_failed_is_noted() -> None:
    target = Target(refused=["b"])
    assert stored(target) == ["target disk: no room for b"]
    assert target.asked == ["a", "b", "exists", "missing"]
    state = backup_plan.read_state()
    assert set(state["sets"]) == {"a"}
    # A drill knows whose it is, should the target have it after all.
    assert set(state["begun"]) == {"a", "b"}


def test_a_set_that_fails_keeps_no_other_from_being_stored() -> None:
    target = Target(refused=["a"])
    assert stored(target) == ["target disk: no room for a"]
    assert target.asked == ["a", "exists", "b", "missing"]
    assert set(backup_plan.read_state()["sets"]) == {"b"}


def test_a_target_that_does_not_answer_is_not_tried_again() -> None:
    target = Target(refused=["a", "b"], gone=True)
    assert stored(target) == ["target disk: no room for a", "target disk: no answer within 5 s"]
    assert target.asked == ["a", "exists"]


def test_a_backup_that_lacks_files_is_stored_and_told() -> None:
    target = Target(lacks=["a"])
    assert stored(target) == ["a: its backup at disk is not whole: a file cannot be read"]
    assert set(backup_plan.read_state()["sets"]) == {"a", "b"}


def test_applications_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def of_app(name: str, _: Any) -> FileSet:
        order.append(f"copying {name}")
        if name == "stuck":
            raise FilesError("its databases take too long")
        return FileSet(f"app:{name}", ("/x",), ())

    def of_source(source: dict[str, Any], _: str) -> Part:
        return Part(FileSet(source["title"], ("/x",), ()), 1.0, {})

    monkeypatch.setattr(backup_run, "of_source", of_source)
    monkeypatch.setattr(backup_run, "of_host", lambda _: FileSet("host", ("/x",), ()))
    monkeypatch.setattr(backup_run, "of_app", of_app)
    monkeypatch.setattr(backup_run, "held", lambda _: None)
    monkeypatch.setattr(backup_run, "_retain", lambda *_: None)
    monkeypatch.setattr(backup_run, "_space", lambda _: None)
    monkeypatch.setattr(backup_run, "FOLDER", backup_plan.FOLDER)
    target = Target()
    target.asked = order
    apps: dict[str, Any] = {"stuck": {}, "shop": {}}
    plan = cast(Any, SimpleNamespace(sources=[{"title": "db"}], apps=apps, targets=[target]))
    assert backup_run.run(plan, "daily") == 1
    # What the host and its servers have is stored before an application can delay anything.
    assert order == [
        "db", "host", "missing", "copying stuck", "copying shop", "app:shop", "missing",
    ]  # fmt: skip
    order.clear()
    assert backup_run.run(plan, "logs") == 0
    assert order == ["db", "missing"]


def test_a_drill_reads_the_list_again_if_a_backup_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [Snapshot("old", "host", 1.0, 1.0, ())]
    read: list[int] = []

    def snapshots(_: Store) -> list[Snapshot]:
        read.append(len(made))
        return list(made)

    def fetch(_: Store, chosen: Snapshot, folder: str) -> str:
        if chosen.id == "old":
            raise StoreError("target disk: no matching ID found")
        return folder

    monkeypatch.setattr(Store, "snapshots", snapshots)
    monkeypatch.setattr(backup_drill, "fetch", fetch)
    store = Store("disk", {"kind": "directory", "path": "/x", "timeout": 5}, "web1", "/k")
    known = backup_drill._known(store)
    with pytest.raises(StoreError, match="no matching ID"):
        backup_drill._fetched(known, "host")
    made.append(Snapshot("new", "host", 2.0, 2.0, ()))
    assert backup_drill._fetched(known, "host")[1].id == "new"
    assert read == [1, 1, 2]


def test_an_application_whose_files_are_too_large_keeps_no_other_from_a_drill() -> None:
    store = Store("disk", {"kind": "directory", "path": "/x", "timeout": 5}, "web1", "/k")
    huge: dict[str, StoredSet] = {"disk": {"until": 1, "bytes": 1 << 60}}
    small: dict[str, StoredSet] = {"disk": {"until": 1, "bytes": 10}}
    with backup_plan.noted() as state:
        state["sets"] = {"host": small, "app:shop": huge, "app:blog": small}
    backup_drill._enough_room(store)
    backup_drill._enough_room(store, "app:blog")
    with pytest.raises(StoreError, match="no room for a drill"):
        backup_drill._enough_room(store, "app:shop")

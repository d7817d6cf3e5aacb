"""The backup that is made before release hooks run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyinfra.api import Config

from groundcrew.releases.plan import ReleasePlan
from groundcrew.releases.steps import saving
from groundcrew.remote import backup_before, backup_plan
from groundcrew.remote.backup_files import FileSet
from groundcrew.remote.backup_plan import Plan
from groundcrew.remote.backup_run import Part
from groundcrew.remote.backup_store import StoreError
from tests.unit.project import Project

TARGETS = {"targets": {"disk": {"type": "directory", "path": "/mnt/backups"}}}
ASKED = "release: {backup_before_hooks: true}\nhooks: {release: [./migrate]}\n"
KEY = "app.shop.release.backup_before_hooks"


def test_it_needs_a_target_on_every_host_with_data(project: Project) -> None:
    project.app(more=f"{ASKED}needs: {{database: postgresql}}\n")
    project.hosts = {
        "web1": (["web"], {"address": "192.0.2.1"}),
        "db1": (["postgresql"], {"address": "192.0.2.2"}),
    }
    _, key, message = project.error()
    assert key == KEY
    assert message == "db1, web1 has no target for backups: set backup.targets there"
    project.groups["web"]["backup"] = TARGETS
    assert "db1 has no target" in project.error()[2]
    project.all["backup"] = TARGETS
    assert project.settings().app["shop"].bound.providers == ("db1",)


def test_the_moment_is_one_that_all_backups_have() -> None:
    assert saving.moment([5.0, 6.2], [7.00049, 9.0]) == "1970-01-01 00:00:07.000"
    assert saving.moment([5.0, 6.2001], []) == "1970-01-01 00:00:06.201"
    assert saving.with_data("web1", ["db2", "web1", "db1"]) == ["web1", "db1", "db2"]


class FakeHost:
    """A host whose program answers what the test says."""

    def __init__(self, name: str, asked: list[str], answers: str, good: bool = True) -> None:
        self.name, self.connected, self.good = name, True, good
        self.asked, self.answers = asked, answers
        self.current_op_global_arguments: Mapping[str, Any] = {}
        self.connector, self.data = None, {"_sudo_password": f"password of {name}"}
        self.options: list[Mapping[str, Any]] = []
        self.state = SimpleNamespace(
            config=Config(), inventory=SimpleNamespace(get_host=lambda name: None)
        )

    def run_shell_command(self, command: Any, **options: Any) -> tuple[bool, Any]:
        self.options.append(options)
        self.asked.append(f"{self.name}: {command.get_raw_value()}")
        told = SimpleNamespace(stdout=f"noise\n{self.answers}\n", stderr="the disk is full")
        return self.good, told


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeHost]:
    asked: list[str] = []
    by_name = {name: FakeHost(name, asked, '{"moments": [7.5]}') for name in ("web1", "db1")}
    current = cast(Any, by_name["web1"])
    current.state.inventory.get_host = by_name.__getitem__
    monkeypatch.setattr(saving, "host", current)
    return by_name


def release() -> ReleasePlan:
    asked = SimpleNamespace(backup_before_hooks=True)
    app = SimpleNamespace(bound=SimpleNamespace(providers=("db1",)), release=asked)
    return cast(ReleasePlan, SimpleNamespace(paths=SimpleNamespace(name="shop"), app=app))


def test_files_are_saved_before_databases_on_all_hosts(hosts: dict[str, FakeHost]) -> None:
    assert saving.save(release(), first=False) is None
    asked = hosts["web1"].asked
    assert [item.partition(":")[0] for item in asked] == ["web1", "db1", "web1", "db1"]
    assert ['"exact": true' in item for item in asked] == [False, False, True, True]
    for name, item in hosts.items():
        assert {told["_sudo_password"] for told in item.options} == {f"password of {name}"}


def test_nothing_is_released_if_it_fails_or_a_host_is_missing(hosts: dict[str, FakeHost]) -> None:
    hosts["db1"].good = False
    why = saving.save(release(), first=False)
    assert why == "shop is not released: it cannot be backed up on db1 first: the disk is full"
    hosts["db1"].connected = False
    why = saving.save(release(), first=False)
    assert "db1, which has data of it, must be part of this run" in str(why)


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr(backup_plan, "FOLDER", str(tmp_path))
    monkeypatch.setattr(backup_plan, "STATE", str(tmp_path / "state.json"))
    monkeypatch.setattr(backup_before, "is_exact", lambda source: source["title"] == "mariadb")
    monkeypatch.setattr(backup_before, "held", lambda _: None)
    sources = tuple({"title": name, "apps": ["shop"]} for name in ("mariadb", "redis"))
    disk = cast(Any, SimpleNamespace(name="disk"))
    return Plan("web1", "/k", (disk,), sources, {"shop": {}}, (), {}, "5%", 1, 1, False)


def test_what_is_stored_before(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[str] = []
    slept: list[float] = []

    def part(source: Any, _: str) -> Part:
        return Part(FileSet(source["title"], ("/x",), ()), time.time(), {})

    def store_at(_: Any, parts: list[Part], problems: list[str]) -> None:
        stored.extend(item.files.name for item in parts)
        problems += ["target disk: full"] * (len(stored) > 3)

    monkeypatch.setattr(backup_before, "of_source", part)
    monkeypatch.setattr(backup_before, "of_app", lambda name, _: FileSet(f"app:{name}", (), ()))
    monkeypatch.setattr(backup_before, "store_at", store_at)
    monkeypatch.setattr(time, "sleep", slept.append)
    request = {"app": "shop", "exact": False, "first": True}
    assert backup_before.before(planned, request) == {"moments": []}
    assert len(backup_before.before(planned, {**request, "first": False})["moments"]) == 2
    backup_before.before(planned, {**request, "first": False, "exact": True})
    assert stored == ["redis", "app:shop", "mariadb"]
    # Hooks do not begin in the second of the moment.
    assert 0 < slept[-1] <= 1
    with pytest.raises(StoreError, match="target disk: full"):
        backup_before.before(planned, {**request, "first": False, "exact": True})

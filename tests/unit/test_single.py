"""Workers and timers that one host runs for all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from groundcrew.entries import File
from groundcrew.facts.apps import AppState, UnitState
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.unit import timer_units, worker_units
from groundcrew.releases.plan import ReleasePlan
from groundcrew.releases.steps.followers import remove_followers, swap_followers
from groundcrew.releases.target import lacks_single, misplaced
from groundcrew.roles import releases
from tests.unit.project import Project
from tests.unit.test_release_plan import Planner, state

PARTS: dict[str, Any] = {
    "workers": {
        "index": {"command": "python index.py", "single": True},
        "mail": {"command": "python mail.py"},
    },
    "timers": {"clean": {"command": "python clean.py", "schedule": "daily", "single": True}},
}
PATHS = AppPaths("shop")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def plan(tmp_path: Path) -> ReleasePlan:
    return Planner(tmp_path).plan(**PARTS)


def units(**found: tuple[str, str]) -> AppState:
    """Units by name with _ for the parts that differ: active, enabled."""
    names = {
        "index": "shop.index@R.1.service",
        "mail": "shop.mail@R.1.service",
        "clean": "shop.clean@R.timer",
        "job": "shop.clean@R.service",
        "web": "shop@R.service",
    }
    all_units: dict[str, UnitState] = {
        names[key]: {
            "active": active, "sub": "", "enabled": enabled, "restarts": "0", "memory": ""
        }
        for key, (active, enabled) in found.items()
    }  # fmt: skip
    return {**state("R", {"R": (True, False)}), "units": all_units}


def test_the_first_host_of_the_inventory_runs_them(project: Project) -> None:
    project.app(more="workers: {index: {command: x, single: true}, mail: {command: y}}\n")
    project.hosts = {name: (["web"], {}) for name in ("b", "a", "c")}
    loaded = project.load()
    assert releases.on_other_hosts("shop", loaded["b"]) == frozenset()
    assert releases.on_other_hosts("shop", loaded["a"]) == {"index"}
    assert releases.on_other_hosts("shop", loaded["c"]) == {"index"}


def test_several_instances_are_not_single(project: Project) -> None:
    project.app(more="workers: {index: {command: x, single: true, instances: 2}}\n")
    _, key, message = project.error()
    assert key == "app.shop.workers.index"
    assert message == "single: true is one process, instances says 2"


def test_other_hosts_have_no_unit_of_them_but_the_same_release(plan: ReleasePlan) -> None:
    def names(item: ReleasePlan) -> set[str]:
        paths = [entry.path for entry in item.entries("R") if isinstance(entry, File)]
        return {path.rsplit("/", 1)[1] for path in paths if "/systemd/" in path}

    other = replace(plan, on_other_hosts=plan.app.single_parts)
    assert other.digest == plan.digest
    assert names(plan) - names(other) == {
        "shop.index@R.1.service",
        "shop.clean@R.timer",
        "shop.clean@R.service",
    }
    assert "shop.mail@R.1.service" in names(other)


def test_one_that_is_single_waits_for_the_lock_of_its_name() -> None:
    app = AppSettings.model_validate({"source": {"directory": "x"}, "entry": "a:b", **PARTS})
    found = {**worker_units(PATHS, "R", app), **timer_units(PATHS, "R", app)}
    assert (
        'sh -c "exec 9>>/run/groundcrew/apps/shop/index.lock && flock 9 && exec python index.py"'
        in found["shop.index@R.1.service"]
    )
    assert "/run/groundcrew/apps/shop/clean.lock" in found["shop.clean@R.service"]
    assert "flock" not in found["shop.mail@R.1.service"]


def test_what_another_host_runs_is_ended_here(plan: ReleasePlan) -> None:
    target = replace(plan.target, on_other_hosts=plan.app.single_parts)
    here = units(
        web=("active", "enabled"),
        mail=("active", "enabled"),
        index=("active", "enabled"),
        clean=("active", "enabled"),
        job=("inactive", "static"),
    )
    gone = ["shop.clean@R.service", "shop.clean@R.timer", "shop.index@R.1.service"]
    assert misplaced(target, here) == gone
    assert misplaced(plan.target, here) == []
    assert misplaced(target, units(index=("inactive", ""))) == []
    shell = remove_followers(gone, 60)
    assert shell.index("systemctl stop shop.clean@R.timer shop.index") < shell.index(
        "rm -f /etc/systemd/system/shop."
    )


def test_a_host_that_becomes_the_first_notices(plan: ReleasePlan) -> None:
    assert lacks_single(plan.target, units(mail=("active", "enabled")), "R")
    both = units(index=("active", "enabled"), clean=("active", "enabled"))
    assert not lacks_single(plan.target, both, "R")
    moved = replace(plan.target, on_other_hosts=plan.app.single_parts)
    assert not lacks_single(moved, units(mail=("active", "enabled")), "R")


def test_only_the_old_single_one_is_waited_for() -> None:
    shell = swap_followers(["new"], ["old", "index"], ["index"])
    assert shell.index("stop --no-block old index") < shell.index("systemctl stop index")
    assert shell.index("systemctl stop index\n") < shell.index("systemctl restart new")
    assert "systemctl stop index" not in swap_followers(["new"], ["old"], ["index"])

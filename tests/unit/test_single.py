"""Workers and timers that one host runs for all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from groundcrew.entries import File
from groundcrew.facts.apps import AppState, UnitState
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.unit import timer_units, worker_units
from groundcrew.releases import finishing, rollout
from groundcrew.releases.plan import ReleasePlan
from groundcrew.releases.steps.followers import remove_followers, swap_followers
from groundcrew.releases.target import lacks_single, misplaced
from groundcrew.roles import releases
from groundcrew.settings import SettingsError
from tests.unit.project import SHOP, Project
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


def units(**parts: tuple[str, str]) -> AppState:
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
        for key, (active, enabled) in parts.items()
    }  # fmt: skip
    return {**state("R", {"R": (True, False)}), "units": all_units}


def test_the_first_host_of_the_inventory_runs_them(project: Project) -> None:
    project.app(more="workers: {index: {command: x, single: true}, mail: {command: y}}\n")
    project.hosts = {name: (["web"], {}) for name in ("b", "a", "c")}
    loaded = project.load()
    assert releases.on_other_hosts("shop", loaded["b"]) == frozenset()
    assert releases.on_other_hosts("shop", loaded["a"]) == {"index"}
    assert releases.on_other_hosts("shop", loaded["c"]) == {"index"}


def test_what_runs_once_is_not_for_an_idle_host(project: Project) -> None:
    project.app(more="workers: {index: {command: x, single: true}}\n")
    project.hosts = {
        "a": (["web"], {"idle": True}),
        "b": (["web"], {"idle": ["shop"]}),
        "c": (["web"], {}),
    }
    loaded = project.load()
    assert releases.on_other_hosts("shop", loaded["a"]) == {"index"}
    assert releases.on_other_hosts("shop", loaded["b"]) == {"index"}
    assert releases.on_other_hosts("shop", loaded["c"]) == frozenset()


def test_a_host_that_does_not_have_it_any_more_gives_it_up(project: Project) -> None:
    project.app(more="workers: {index: {command: x, single: true}}\n")
    project.app("other", text=SHOP.replace("shop.test", "other.test"))
    project.hosts = {"a": (["web"], {"apps": ["other"]}), "b": (["web"], {"apps": ["shop"]})}
    loaded = project.load()
    inventory = project.inventory()
    names = ["other", "shop"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(releases, "settings_for", lambda host: loaded[host.name])
        there = releases.moved(names, loaded["a"], inventory)
        assert there is not None
        [target] = there
        assert target.paths.name == "shop"
        assert target.on_other_hosts == {"index"}
        assert releases.moved(names, loaded["b"], inventory) == []
        assert releases.moved(["other"], loaded["b"], inventory) is None


@pytest.mark.parametrize(
    ("hosts", "told"),
    [
        ({"a": {"idle": ["shpo"]}, "b": {}}, '"shpo" is not among `apps` of a; did you mean'),
        ({"a": {"idle": True}, "b": {"idle": True}}, "shop is idle on every host that has it"),
    ],
)
def test_an_application_is_idle_where_another_host_has_it(
    project: Project, hosts: dict[str, Any], told: str
) -> None:
    project.app()
    project.hosts = {name: (["web"], data) for name, data in hosts.items()}
    errors = project.errors()
    assert {key for _, key, _ in errors} == {"idle"}
    assert told in errors[0][2]


class Limit:
    """A run on some hosts."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def is_host_in_limit(self, host: Any) -> bool:
        return host.name in self.names


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("lb1", "a", "b"), None),
        (("lb1", "b"), "a, where shop is idle, must be part of the run"),
        (("a", "b"), "lb1 must be part of the run"),
    ],
)
def test_a_run_has_all_hosts_that_an_application_moves_between(
    project: Project, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], told: str | None
) -> None:
    project.app(more="workers: {index: {command: x, single: true}}\n")
    project.hosts = {
        "lb1": (["lb"], {"ssh_hostname": "10.0.0.1"}),
        "a": (["web"], {"ssh_hostname": "10.0.0.2", "idle": True}),
        "b": (["web"], {"ssh_hostname": "10.0.0.3"}),
    }
    loaded = project.load()
    monkeypatch.setattr(releases, "settings_for", lambda host: loaded[host.name])
    run: Any = Limit(*names)
    if told is None:
        releases.require_all_hosts(project.inventory(), run)
        # One that comes later has run nothing for all.
        del project.hosts["a"][1]["idle"]
        project.hosts["c"] = (["web"], {"ssh_hostname": "10.0.0.4", "idle": True})
        loaded.update(project.load())
        one: Any = Limit("lb1", "a", "b")
        releases.require_all_hosts(project.inventory(), one)
        return
    with pytest.raises(SettingsError, match=told):
        releases.require_all_hosts(project.inventory(), run)


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
    unit_files = {**worker_units(PATHS, "R", app), **timer_units(PATHS, "R", app)}
    assert (
        'sh -c "exec 9>>/run/groundcrew/apps/shop/index.lock && flock 9 && exec python index.py"'
        in unit_files["shop.index@R.1.service"]
    )
    assert "/run/groundcrew/apps/shop/clean.lock" in unit_files["shop.clean@R.service"]
    assert "flock" not in unit_files["shop.mail@R.1.service"]


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
    lines = remove_followers(gone, 60).splitlines()
    # The timer and the worker end at once, and what the timer has started may finish.
    assert lines[1] == "systemctl stop shop.clean@R.timer shop.index@R.1.service"
    assert "seq 120" in lines[2]
    assert lines[3] == "systemctl stop shop.clean@R.service"
    # What still runs keeps its files, and the step fails.
    assert lines.index(next(line for line in lines if "exit 1" in line)) < lines.index(
        next(line for line in lines if line.startswith("rm -f /etc/systemd/system/shop."))
    )


def test_a_host_that_becomes_the_first_notices(plan: ReleasePlan) -> None:
    assert lacks_single(plan.target, units(mail=("active", "enabled")), "R")
    both = units(index=("active", "enabled"), clean=("active", "enabled"))
    assert not lacks_single(plan.target, both, "R")
    moved = replace(plan.target, on_other_hosts=plan.app.single_parts)
    assert not lacks_single(moved, units(mail=("active", "enabled")), "R")


def test_it_starts_nowhere_while_it_may_still_run_on_another_host(
    plan: ReleasePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollouts = rollout.Rollout()
    here = SimpleNamespace(name="a", state=SimpleNamespace(is_executing=True))
    monkeypatch.setattr(finishing, "rollout", lambda app: rollouts)
    monkeypatch.setattr(finishing, "host", here)
    monkeypatch.setattr(finishing, "locked", lambda target: iter(()))
    monkeypatch.setattr(finishing, "shell", lambda target, text: text)
    monkeypatch.setattr(finishing, "refuse", lambda why: f"refused: {why}")
    monkeypatch.setattr(finishing, "known", lambda kind: {})
    old = replace(plan.target, on_other_hosts=plan.app.single_parts)
    steps: Any = finishing._remove_misplaced(old, units(index=("active", "enabled")))
    assert "systemctl stop shop.index@R.1.service" in next(steps)
    # It has not ended there yet, or never will in this run.
    new: Any = finishing.replace_followers
    waiting = units(index=("inactive", "disabled"), mail=("active", "enabled"))
    monkeypatch.setattr(finishing, "app_state", lambda target: waiting)
    start = new._inner.__wrapped__
    [refused] = start(plan.target, lambda state: "R")
    assert refused == (
        "refused: index of shop may still run on a, where it could not be stopped: not started here"
    )
    assert list(steps) == []
    assert "systemctl restart shop.index@R.1.service" in next(start(plan.target, lambda _: "R"))


def test_only_the_old_single_one_is_waited_for() -> None:
    shell = swap_followers(["new"], ["old", "index"], ["index"])
    assert shell.index("stop --no-block old index") < shell.index("systemctl stop index")
    assert shell.index("systemctl stop index\n") < shell.index("systemctl restart new")
    assert "systemctl stop index" not in swap_followers(["new"], ["old"], ["index"])

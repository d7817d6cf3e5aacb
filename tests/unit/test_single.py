"""Workers and timers that one host runs for all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.context import ctx_host

from groundcrew.entries import File
from groundcrew.facts.apps import AppState, UnitState
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.unit import timer_units, worker_units
from groundcrew.releases import apart, finishing, lock, rollout
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
    # Then nothing is stopped or started.
    project.data = {"prepare": True}
    loaded.update(project.load())
    releases.require_all_hosts(project.inventory(), run)


def test_several_instances_are_not_single(project: Project) -> None:
    project.app(more="workers: {index: {command: x, single: true, instances: 2}}\n")
    _, key, message = project.error()
    assert key == "app.shop.workers.index.instances"
    assert message == "`single: true` is one process, got 2"


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
    finishing._hold(old)
    steps: Any = finishing._remove_misplaced(old, units(index=("active", "enabled")))
    assert "systemctl stop shop.index@R.1.service" in next(steps)
    # It has not ended there yet, or never will in this run.
    new: Any = finishing.replace_followers
    waiting = units(index=("inactive", "disabled"), mail=("active", "enabled"))
    monkeypatch.setattr(finishing, "app_state", lambda target: waiting)
    start = new._inner.__wrapped__
    [refused] = start(plan.target, lambda state: "R")
    assert refused == (
        "refused: index of shop may still run on a, where it has not been stopped: not started here"
    )
    assert list(steps) == []
    assert "systemctl restart shop.index@R.1.service" in next(start(plan.target, lambda _: "R"))


class Host:
    """The part of pyinfra's host that is used."""

    def __init__(self, name: str = "b") -> None:
        self.name = name
        self.connector_data: dict[str, Any] = {}
        self.noops: list[str] = []
        self.state = SimpleNamespace(is_executing=True)

    def noop(self, text: str) -> None:
        self.noops.append(text)


def starts(group: rollout.Rollout, here: Any, other: Any) -> None:
    """Makes another host of the run the one that starts what runs once."""
    group.starter = other.name
    here.state.active_hosts = {here, other}


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> rollout.Rollout:
    """The application's rollout; commands are texts."""
    rollouts = rollout.Rollout()
    monkeypatch.setattr(finishing, "rollout", lambda app: rollouts)
    monkeypatch.setattr(finishing, "locked", lambda target: iter(()))
    monkeypatch.setattr(finishing, "shell", lambda target, text: text)
    monkeypatch.setattr(finishing, "refuse", lambda why: f"refused: {why}")
    return rollouts


@pytest.fixture
def held(group: rollout.Rollout) -> set[str]:
    """The hosts that hold up the others."""
    return group.held


def on(host: Any, monkeypatch: pytest.MonkeyPatch, reads: Any) -> None:
    """Makes this the current host, on which an application's state is what `reads` returns."""
    monkeypatch.setattr(finishing, "host", host)
    monkeypatch.setattr(finishing, "app_state", reads)
    monkeypatch.setattr(
        finishing, "app_states", lambda names: {name: reads(name) for name in names}
    )


OLD = units(index=("active", "enabled"))
REMOVE: Any = finishing.remove_misplaced
MOVED: Any = finishing.remove_moved


def test_it_is_ended_here_although_the_release_has_failed(
    plan: ReleasePlan,
    monkeypatch: pytest.MonkeyPatch,
    group: rollout.Rollout,
    held: set[str],
) -> None:
    here: Any = Host()
    freed: list[str] = []
    monkeypatch.setattr(lock, "give_up", lambda _, name: freed.append(name))
    on(here, monkeypatch, lambda _: OLD)
    apart.fail(here, "shop", "start")
    starts(group, here, Host("a"))
    old = replace(plan.target, on_other_hosts=plan.app.single_parts)
    with ctx_host.use(here):
        steps = REMOVE._inner(old)
        assert "systemctl stop shop.index@R.1.service" in next(steps)
        assert held == {"b"}
        assert list(steps) == []
    assert held == set()
    assert apart.failed(here) == {"shop": "start"}
    # Nothing else would release the lock: this was the last step of an application that failed.
    assert freed == ["shop"]


@pytest.mark.parametrize("why", ["failed", "dropped out", "not in the run"])
def test_it_goes_on_if_the_release_has_failed_and_no_other_host_starts_it(
    plan: ReleasePlan,
    monkeypatch: pytest.MonkeyPatch,
    group: rollout.Rollout,
    held: set[str],
    why: str,
) -> None:
    here: Any = Host()
    other: Any = Host("a")
    on(here, monkeypatch, lambda _: OLD)
    starts(group, here, other)
    if why == "failed":
        apart.fail(other, "shop", "start")
    elif why == "dropped out":
        here.state.active_hosts.discard(other)
    else:
        group.starter = None
    apart.fail(here, "shop", "start")
    old = replace(plan.target, on_other_hosts=plan.app.single_parts)
    with ctx_host.use(here):
        assert list(REMOVE._inner(old)) == []
    assert held == {"b"}
    assert here.noops == ["shop has failed, and no other host starts its workers"]
    # Where the release has not failed, it ends: the next one does not have it.
    apart.failed(here).clear()
    with ctx_host.use(here):
        assert len(list(REMOVE._inner(old))) == 1
    assert held == set()


def test_the_host_that_starts_it_is_known_before_any_fails(
    plan: ReleasePlan,
    monkeypatch: pytest.MonkeyPatch,
    group: rollout.Rollout,
    held: set[str],
) -> None:
    here: Any = Host("a")
    here.state.is_executing = False
    on(here, monkeypatch, lambda _: OLD)
    with ctx_host.use(here):
        assert list(REMOVE._inner(plan.target)) == []
    assert group.starter == "a"
    assert held == set()


@pytest.mark.parametrize("operation", [REMOVE, MOVED])
def test_where_it_cannot_be_looked_for_it_may_still_run(
    plan: ReleasePlan, monkeypatch: pytest.MonkeyPatch, held: set[str], operation: Any
) -> None:
    here: Any = Host()
    old = replace(plan.target, on_other_hosts=plan.app.single_parts)
    argument = old if operation is REMOVE else [old]

    def unread(_: Any) -> Any:
        raise KeyError("shop")

    on(here, monkeypatch, unread)
    # pyinfra returns nothing for what a host does not tell.
    monkeypatch.setattr(finishing, "app_states", lambda _: {})
    with ctx_host.use(here):
        # pyinfra asks for no more commands after one that fails.
        told = next(operation._inner(argument))
    assert told == "refused: the state of shop cannot be read: its workers may still run here"
    assert held == {"b"}
    assert apart.blamed(here) == ["shop"]


@pytest.mark.parametrize("operation", [REMOVE, MOVED])
def test_a_host_that_drops_out_of_the_run_before_still_runs_it(
    plan: ReleasePlan, monkeypatch: pytest.MonkeyPatch, held: set[str], operation: Any
) -> None:
    here: Any = Host()
    here.state.is_executing = False
    old = replace(plan.target, on_other_hosts=plan.app.single_parts)
    argument = old if operation is REMOVE else [old]
    on(here, monkeypatch, lambda _: OLD)
    with ctx_host.use(here):
        list(operation._inner(argument))
    assert held == {"b"}
    held.clear()
    on(here, monkeypatch, lambda _: units(mail=("active", "enabled")))
    with ctx_host.use(here):
        list(operation._inner(argument))
    assert held == set()


def test_only_the_old_single_one_is_waited_for() -> None:
    shell = swap_followers(["new"], ["old", "index"], ["index"])
    assert shell.index("stop --no-block old index") < shell.index("systemctl stop index")
    assert shell.index("systemctl stop index\n") < shell.index("systemctl restart new")
    assert "systemctl stop index" not in swap_followers(["new"], ["old"], ["index"])

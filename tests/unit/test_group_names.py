"""Groups of the inventory: other names of roles, databases to choose, and hosts for workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundcrew.roles.settings import HostSettings
from tests.unit.project import Project

WORKERS = """\
workers:
  jobs: {command: sleep infinity}
  beat: {command: sleep infinity, single: true}
timers:
  nightly: {command: "true", schedule: daily}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.app(more="needs: {database: postgresql, cache: redis.cache}\n" + WORKERS)
    made.hosts = {
        "web1": (["web"], {"address": "10.0.0.1"}),
        "worker1": (["worker"], {"address": "10.0.0.2", "apps": ["shop"]}),
        "worker2": (["worker"], {"address": "10.0.0.3", "apps": ["shop"]}),
        "db1": (["db"], {"address": "10.0.0.4", "servers": ["postgresql"]}),
        "cache1": (["cache"], {"address": "10.0.0.5"}),
        "mon1": (["monitor"], {"address": "10.0.0.6"}),
        "lb1": (["lb"], {"address": "10.0.0.7"}),
    }
    return made


def load(project: Project) -> dict[str, HostSettings]:
    return {name: item.settings for name, item in project.load().items()}


def test_other_names_of_groups_are_those_of_roles(project: Project) -> None:
    loaded = load(project)
    assert [item.app for item in loaded["db1"].place.provides] == ["shop"]
    assert {item.role for item in loaded["cache1"].place.provides} == {"redis"}
    assert "redis" in {name for name, item in loaded["cache1"].brought.roles.items()
                       if item.packages}  # fmt: skip
    assert [item.name for item in loaded["web1"].place.monitors] == ["mon1"]


def test_workers_run_on_hosts_for_workers_alone(project: Project) -> None:
    everything = project.load()
    loaded = {name: item.settings for name, item in everything.items()}
    assert not loaded["web1"].app["shop"].workers
    assert not loaded["web1"].app["shop"].timers
    for name in ("worker1", "worker2"):
        assert set(loaded[name].app["shop"].workers) == {"jobs", "beat"}
        assert set(loaded[name].app["shop"].timers) == {"nightly"}
        assert loaded[name].runs_apps
    # The single one runs on the first of them.
    first = {name for name, item in everything.items() if "shop" in item.first}
    assert first == {"worker1"}
    [balanced] = loaded["lb1"].place.balanced
    assert [server.name for server in balanced.servers] == ["web1"]


def test_a_host_in_both_groups_serves_and_works(project: Project) -> None:
    project.hosts["worker1"] = (["web", "worker"], project.hosts["worker1"][1])
    loaded = load(project)
    [balanced] = loaded["lb1"].place.balanced
    assert [server.name for server in balanced.servers] == ["web1", "worker1"]
    assert set(loaded["worker1"].app["shop"].workers) == {"jobs", "beat"}


def test_without_hosts_for_workers_all_have_them(project: Project) -> None:
    del project.hosts["worker1"], project.hosts["worker2"]
    assert set(load(project)["web1"].app["shop"].workers) == {"jobs", "beat"}


def test_a_database_must_be_chosen(project: Project) -> None:
    del project.hosts["db1"][1]["servers"]
    layer, key, told = project.error()
    assert (layer, key) == ("group_data/db.py", "servers")
    assert 'the group "db" can be mariadb, mongodb, postgresql: servers = ' in told
    project.hosts["db1"][1]["servers"] = ["postgres"]
    assert 'no server "postgres"; did you mean "postgresql"?' in project.error()[2]


def test_a_host_for_workers_says_which_applications(project: Project) -> None:
    del project.hosts["worker1"][1]["apps"]
    layer, key, told = project.error()
    assert (layer, key) == ("group_data/worker.py", "apps")
    assert 'apps = ["shop"]' in told


@pytest.mark.parametrize(
    ("typo", "meant"), [("wroker", "worker"), ("cahce", "cache"), ("monitr", "monitor")]
)
def test_a_typo_names_the_nearest_group(project: Project, typo: str, meant: str) -> None:
    project.hosts["other"] = ([typo], {"address": "10.0.0.9"})
    assert f'did you mean "{meant}"?' in project.error()[2]

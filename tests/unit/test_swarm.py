"""Docker Swarm: what a host brings, what the swarm is told, and how updates end."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pwd
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import OperationError

from groundcrew import record, remote
from groundcrew.bindings import Place
from groundcrew.manifest.model import AppSettings
from groundcrew.metrics import Neighbour
from groundcrew.project import ROOT
from groundcrew.releases import lock
from groundcrew.remote import container_health
from groundcrew.roles import combined, images, workloads
from groundcrew.roles.firewall.builders import ruleset
from groundcrew.roles.settings import HostSettings
from groundcrew.roles.swarm import (
    on_host,
    on_host_base,
    on_host_engine,
    on_host_image,
    on_host_members,
    on_host_progress,
    on_host_stack,
    operations,
    progress,
    stack,
)
from groundcrew.roles.swarm.facts import Told
from groundcrew.roles.swarm.programs import enter
from groundcrew.roles.swarm.settings import SwarmApp, SwarmSettings
from groundcrew.settings import SettingsError

GROUPS = {"m1": {"web", "swarm_managers"}, "w1": {"swarm_workers"}, "db1": {"redis"}}
HOSTS = tuple(
    Neighbour(name, f"192.0.2.{number}", frozenset(groups))
    for number, (name, groups) in enumerate(GROUPS.items(), 1)
)


def host(name: str, **values: Any) -> HostSettings:
    settings = HostSettings.model_validate(values)
    return settings.placed(Place(name=name, groups=frozenset(GROUPS[name]), hosts=HOSTS))


def app(**values: Any) -> AppSettings:
    return AppSettings.model_validate({"source": {"directory": "x"}, "entry": "main:app", **values})


def work(settings: AppSettings) -> Any:
    place = HostSettings.model_validate({"apps": ["shop"]}).model_copy(
        update={"app": {"shop": settings}}
    )
    return workloads.workload("shop", place, ROOT, beside_proxy=False)


def services(settings: AppSettings, **chosen: Any) -> dict[str, Any]:
    return stack.services(
        settings,
        work(settings),
        SwarmApp.model_validate(chosen),
        image="shop:1",
        balancer_image="balancer:1",
        release="R",
        user=(990, 991),
        given=[stack.Secret("shop_KEY_1", "/run/groundcrew/variables/KEY", "s3cret")],
    )


def test_only_hosts_of_the_swarm_reach_its_own_ports() -> None:
    brought = host("m1", swarm={"apps": {"shop": {"port": 8081}}}).brought
    ports = {(port.number, port.protocol): port for port in brought.ports}
    for key in ((2377, "tcp"), (7946, "tcp"), (7946, "udp"), (4789, "udp")):
        assert ports[key].opened == ("192.0.2.2",), key
    assert ports[8081, "tcp"].opened == ()
    assert not brought.bound_ports.keys() & {4789}
    assert "docker.io" in brought.packages


def test_a_worker_is_no_manager_and_others_have_no_engine() -> None:
    worker = host("w1").brought
    assert 2377 not in {port.number for port in worker.ports}
    assert "docker.io" in worker.packages
    assert "docker.io" not in host("db1").brought.packages


def test_ports_of_applications_are_their_own() -> None:
    with pytest.raises(ValueError, match="a and b have port 8080"):
        SwarmSettings.model_validate({"apps": {"a": {}, "b": {}}})
    with pytest.raises(ValueError, match="port of the swarm itself"):
        SwarmSettings.model_validate({"apps": {"a": {"port": 2377}}})


def test_what_does_not_run_in_the_swarm_is_named() -> None:
    settings = app(
        static={"url": "/static/", "path": "static"},
        shared=["data"],
        nginx={"locations": {"/x": {"return": {"status": 404}}}},
    )
    keys = [key for key, _ in stack.obstacles(settings, SwarmApp())]
    assert keys == ["static", "shared", "nginx.locations./x"]
    assert not list(stack.obstacles(app(shared=["data"]), SwarmApp(shared="node")))


def test_the_network_is_named_as_without_effect_unless_it_is_any() -> None:
    assert "network" in stack.ignored(app())
    assert "network" in stack.ignored(app(network=["192.0.2.0/24"]))
    assert "network" not in stack.ignored(app(network="any"))


def test_containers_do_not_reach_the_clouds_metadata() -> None:
    text = ruleset(combined.firewall(host("w1")), [22], None)
    chain = text.partition("chain unreachable {")[2].partition("}\n}")[0]
    assert "type filter hook forward priority -5; policy accept;" in chain
    assert "ip daddr { 169.254.0.0/16, 100.100.100.200, 192.0.0.192 } drop" in chain
    assert "ip6 daddr { fe80::/64, fd00:ec2::254, fd20:ce::254 } drop" in chain
    assert chain.index("udp dport 53 accept") < chain.index("drop")
    assert "unreachable {" not in ruleset(combined.firewall(host("db1")), [22], None)


def test_no_value_of_a_secret_is_in_the_stack() -> None:
    settings = app(env={"PLAIN": "a$b"}, shared=["data"], instances=3)
    every = services(settings, shared="node")
    text = repr(stack.stack(every, work(settings), [], "balancer_1"))
    assert "s3cret" not in text
    server = every["app"]
    assert server["environment"]["PLAIN"] == "a$$b"
    assert server["deploy"]["replicas"] == 3
    assert server["deploy"]["update_config"]["order"] == "start-first"
    assert server["deploy"]["update_config"]["failure_action"] == "rollback"
    assert server["cap_drop"] == ["ALL"]
    assert server["read_only"] is True
    assert "ports" not in server


def test_containers_go_on_until_the_balancer_has_forgotten_them() -> None:
    server = services(app(server={"graceful_timeout": 30}))["app"]
    # 5 s, then gunicorn's 30 s and 10 s more.
    assert server["stop_grace_period"] == "45s"
    assert "sleep 5; " in server["command"][2]
    assert "kill -TERM $$!" in server["command"][2]
    assert services(app(release={"drain": 0}))["app"]["command"][0] != "/bin/sh"


def test_containers_know_their_number_and_read_templates_as_text() -> None:
    every = services(
        app(
            instances=2,
            env={"GREETING": "{{name}}"},
            workers={
                "mail": {"command": "python mail.py", "instances": 2},
                "queue": {"command": "python queue.py", "single": True},
            },
        )
    )
    assert every["app"]["environment"]["INSTANCE"] == "{{.Task.Slot}}"
    assert every["app"]["environment"]["GREETING"] == '{{"{{"}}name}}'
    worker = every["worker-mail"]
    assert worker["environment"]["WORKER_INSTANCE"] == "{{.Task.Slot}}"
    assert worker["deploy"]["replicas"] == 2
    assert worker["deploy"]["update_config"]["order"] == "start-first"
    assert worker["healthcheck"] == {"disable": True}
    assert every["worker-queue"]["deploy"]["update_config"]["order"] == "stop-first"


def test_kept_directories_are_filled_before_hooks_and_server(tmp_path: Path) -> None:
    settings = app(shared=["data"], seeds={"data": "seed"}, hooks={"release": ["migrate"]})
    server = services(settings, shared="node")["app"]
    assert "/srv/shop/shared/data" in server["command"][2]
    targets = [item["target"] for item in server["volumes"]]
    assert targets[:2] == ["/tmp", "/srv/shop/shared/home"]
    item = images.Wanted("shop", settings, SwarmApp(), work(settings), {}, {}, {})
    (hook,) = images.hook_commands(item)
    assert "/srv/shop/shared/data" in hook[2]
    assert hook[-1] == "exec migrate"


def test_an_sqlite_database_is_not_shared_by_containers() -> None:
    settings = app(env={"DATABASE": "sqlite:////srv/shop/shared/data/shop.db"}, shared=["data"])
    place = HostSettings.model_validate({
        "apps": ["shop"],
        "swarm": {"apps": {"shop": {"shared": "node", "replicas": 2}}},
    }).model_copy(update={"app": {"shop": settings}})  # fmt: skip
    loaded: Any = SimpleNamespace(settings=place)
    with pytest.raises(SettingsError, match="DATABASE names an SQLite database, which 2 cont"):
        images.wanted("shop", loaded)


def test_a_service_changes_its_digest_with_what_it_is() -> None:
    def digests(settings: AppSettings) -> dict[str, str]:
        every = services(settings)
        stack.stack(every, work(settings), [], "balancer_1")
        return {name: item["deploy"]["labels"]["groundcrew.digest"] for name, item in every.items()}

    first, again, other = digests(app()), digests(app()), digests(app(env={"A": "1"}))
    assert first == again
    assert first["app"] != other["app"]
    assert first["balancer"] == other["balancer"]


def test_a_secret_has_another_name_with_another_value() -> None:
    names = {stack.versioned("shop_KEY", value) for value in ("a", "b", "a")}
    assert len(names) == 2
    assert all(len(name) <= 64 for name in names)


def test_the_balancer_lets_nobody_to_guarded_paths() -> None:
    settings = app(nginx={"locations": {"= /metrics": {"allow": ["127.0.0.1"]}}})
    text = stack.balancer("shop", settings, SwarmApp())
    assert "-m str /metrics } !{ src 127.0.0.1/32 }" in text
    assert "url_dec" in text


def told(**changes: Any) -> Any:
    item = {
        "name": "shop_app", "digest": "new", "running": 3, "wanted": 3, "update": "completed",
        "message": "",
    }  # fmt: skip
    return {
        "services": [{**item, **changes}],
        "reasons": {"shop_app": ["failed: exit 3"]},
        "failures": {"shop_app": 3},
        "output": {"shop_app": "ImportError"},
    }


@pytest.mark.parametrize(
    ("changes", "done", "problem"),
    [
        ({}, True, None),
        ({"update": "updating"}, False, None),
        ({"running": 2}, False, None),
        ({"digest": "old"}, False, None),
        ({"update": "rollback_started", "digest": "old"}, False, None),
        ({"update": "rollback_completed", "digest": "old"}, True, "went back"),
        ({"update": "", "running": 0}, True, "does not start"),
    ],
)
def test_how_an_update_ends(changes: dict[str, Any], done: bool, problem: str | None) -> None:
    ended, why = progress.ended(told(**changes), {"shop_app": "new"})
    assert ended is done
    assert (why is None) is (problem is None)
    if problem and why:
        assert problem in why
        assert "ImportError" in why


def test_the_container_reads_its_variables_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "KEY").write_bytes(b"a\r\n'$x'\xff")
    values = enter.variables(str(tmp_path))
    assert os.fsencode(values["KEY"]) == b"a\r\n'$x'\xff"
    assert enter.variables(str(tmp_path / "missing")) == {}


def test_a_container_that_does_not_answer_is_not_healthy() -> None:
    assert container_health.main(["http", "1", "localhost", "http", "/", "200", "1"]) == 1


def test_a_packed_release_is_the_same_each_time_and_holds_no_setuid(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "run").write_text("x")
    (folder / "run").chmod(0o4777)
    os.link(folder / "run", folder / "twin")
    (folder / "link").symlink_to("/etc/shadow")
    (folder / "secret").write_text("left out")
    packed = []
    for _ in range(2):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
            on_host_image.add(archive, str(folder), {f"{folder}/secret"})
        packed.append(buffer.getvalue())
    assert packed[0] == packed[1]
    with tarfile.open(fileobj=io.BytesIO(packed[0])) as archive:
        members = {Path(item.name).name: item for item in archive.getmembers()}
    assert members["run"].mode == 0o755
    assert members["twin"].isreg()
    assert members["twin"].size == 1
    assert members["link"].issym()
    assert "secret" not in members


def test_a_pipe_in_a_release_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (
        tarfile.open(fileobj=io.BytesIO(), mode="w") as archive,
        pytest.raises(on_host_base.ImageError, match="neither a file"),
    ):
        on_host_image.add(archive, str(tmp_path), set())


def test_accounts_of_the_base_are_not_replaced() -> None:
    base = "root:x:0:0:root:/root:/bin/sh\n"
    assert on_host_image.merged(base, "shop:x:990:\n").endswith("shop:x:990:\n")
    with pytest.raises(on_host_base.ImageError, match="account of its own"):
        on_host_image.merged(base, "root:x:990:\n")
    with pytest.raises(on_host_base.ImageError, match="account of its own"):
        on_host_image.merged(base, "shop:x:0:\n")


def test_the_image_runs_as_the_applications_user_and_names_no_variable() -> None:
    request = {
        "name": "shop", "directory": "/srv/shop/current/app", "command": ["gunicorn", "a b"],
        "recipe": "r",
    }  # fmt: skip
    text = on_host_image.dockerfile(request, "R", "base:1")
    assert "USER shop\n" in text
    assert 'CMD ["gunicorn", "a b"]' in text
    assert "RUN" not in text
    assert "ENV" not in text


def test_a_missing_docker_command_is_told_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(on_host_base.ImageError, match="add docker-cli to swarm"):
        on_host_base.docker("version")


def test_the_oldest_images_are_removed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def image(release: str, *tags: str) -> dict[str, Any]:
        return {"Id": f"id-{release}", "RepoTags": list(tags),
                "Labels": {"groundcrew.release": release}}  # fmt: skip

    removed: list[str] = []

    def ask(method: str, path: str) -> Any:
        if method == "DELETE":
            removed.append(path)
            return None
        # The swarm has pulled the newest ones from a registry, without their tags.
        images = [image("20260101"), image("20260103"), image("20260102", "shop:20260102")]
        return images if "images" in path else [{"ImageID": "id-20260101"}]

    monkeypatch.setattr(on_host_image, "ask", ask)
    on_host_image.prune({"name": "shop", "keep": 1})
    assert removed == ["/images/shop:20260102"]


@pytest.mark.parametrize(("availability", "wanted"), [("active", ["node.id == n1"]), ("drain", [])])
def test_hooks_run_where_the_image_is(
    availability: str, wanted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {
        "/info": {"Swarm": {"NodeID": "n1"}},
        "/nodes/n1": {"Spec": {"Availability": availability}},
    }
    monkeypatch.setattr(on_host_stack, "ask", lambda _, path: answers[path])
    assert on_host_stack.here() == wanted


def test_a_base_that_gives_root_orders_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_host_base, "docker", lambda *_: "")
    answer = {"Config": {"OnBuild": ["RUN evil"]}}
    monkeypatch.setattr(on_host_base, "ask", lambda *_: answer)
    with pytest.raises(on_host_base.ImageError, match="ONBUILD"):
        on_host_base.of_image("tag", "some/image", ["python3"])


def test_tokens_are_sent_over_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(on_host_members, "ask", lambda *words: asked.append(words))
    on_host_members.join({"address": "192.0.2.2", "managers": ["192.0.2.1:2377"], "token": "T"})
    assert asked[0][:2] == ("POST", "/swarm/join")
    assert asked[0][2]["JoinToken"] == "T"


def test_differences_name_secrets_services_and_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [{"name": "shop_app", "digest": "old", "running": 1, "wanted": 1, "update": ""}]
    monkeypatch.setattr(on_host_stack, "services", lambda _: there)
    monkeypatch.setattr(on_host_stack, "ask", lambda *_: [])
    wanted = {
        "secrets": [{"name": "shop_KEY_1"}], "configs": [],
        "digests": {"shop_app": "new"}, "hooks": [["sh"]], "hooks_note": "shop_hooks_1",
    }  # fmt: skip
    told: Any = on_host_stack.state({"app": "shop"})
    assert progress.differences(told, wanted) == [
        "secret shop_KEY_1",
        "service shop_app is updated",
        "release hooks",
    ]
    told = {"secrets": ["shop_KEY_1"], "configs": ["shop_hooks_1"], "services": [
        {"name": "shop_app", "digest": "new", "running": 1, "wanted": 1, "update": ""},
    ]}  # fmt: skip
    assert progress.differences(told, wanted) == []
    told["services"][0]["update"] = "updating"
    assert progress.differences(told, wanted) == ["service shop_app: an update has not ended yet"]
    assert progress.changes(told, wanted) == []
    told["services"][0]["update"] = "paused"
    assert progress.changes(told, wanted) == ["service shop_app: its update has stopped half-way"]
    # What it has gone back to is what is wanted now.
    told["services"][0]["update"] = "rollback_completed"
    assert progress.differences(told, wanted) == []


def test_an_update_that_goes_on_keeps_what_it_can_go_back_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Telling the swarm the same again would replace that, so the run waits."""
    service = {"name": "shop_app", "digest": "new", "running": 1, "wanted": 1, "message": ""}
    states = iter(["updating", "updating", "rollback_completed", "rollback_completed"])
    calls: list[str] = []

    def call(_: Any, __: str, function: str, *___: Any, **____: Any) -> Any:
        calls.append(function)
        if function == "progress":
            update = next(states)
            digest = "new" if update == "updating" else "old"
            services = [{**service, "update": update, "digest": digest}]
            return {"services": services, "reasons": {}, "failures": {}, "output": {}}
        services = [{**service, "update": "rollback_completed", "digest": "old"}]
        return {"secrets": [], "configs": [], "services": services}

    monkeypatch.setattr(time, "sleep", lambda _: None)
    wanted = {"secrets": [], "configs": [], "digests": {"shop_app": "new"}, "hooks": [],
              "hooks_note": "n", "timeout": 60}  # fmt: skip
    manager: Any = FakeHost("m1")
    update: Any = None
    work = operations._Work(manager, "shop", {}, wanted, update, {})
    monkeypatch.setattr(type(work), "call", call)
    assert work.earlier() is None
    assert calls == ["progress"] * 3
    # The earlier one has failed, so this is a new try.
    problem = work.begun()
    assert problem is not None
    assert problem.startswith("shop_app went back to what ran before")
    assert calls[3:] == ["state", "begin", "progress"]


def test_hooks_have_the_limits_of_the_server() -> None:
    most = {"cpus": "0.5", "memory": "268435456b", "pids": 64}
    spec = {"deploy": {"resources": {"limits": most}}}
    told = {"NanoCPUs": 500_000_000, "MemoryBytes": 268435456, "Pids": 64}
    assert on_host_stack.limits(spec) == told
    assert on_host_stack.limits({"deploy": {}}) == {}


class FakeHost:
    """A manager of the swarm, and what it has been asked."""

    def __init__(self, name: str, connected: bool = True, **told: Any) -> None:
        self.name, self.connected = name, connected
        self.connector_data: dict[str, Any] = {operations.STATE: told} if told else {}
        self.current_op_global_arguments: dict[str, Any] = {}
        self.facts: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.state: Any = None

    def get_fact(self, _: Any, **request: Any) -> Any:
        self.facts.append(request)
        return {"secrets": [], "configs": [], "services": []}

    def noop(self, _: str) -> None:
        pass

    def log(self, text: str) -> None:
        self.lines.append(text)

    def log_styled(self, text: str, **_: Any) -> None:
        self.lines.append(text)


def run_with(monkeypatch: pytest.MonkeyPatch, executing: bool, *hosts: FakeHost) -> Place:
    """Makes the first host the current one; returns its place."""
    state = SimpleNamespace(
        is_executing=executing,
        config=SimpleNamespace(DIFF=False),
        inventory=SimpleNamespace(get_host={item.name: item for item in hosts}.__getitem__),
    )
    for item in hosts:
        item.state = state
    monkeypatch.setattr(operations, "host", hosts[0])
    monkeypatch.setattr(record, "change", lambda *_: None)
    places = tuple(
        Neighbour(item.name, f"192.0.2.{number}", frozenset({"swarm_managers"}))
        for number, item in enumerate(hosts, 1)
    )
    return Place(name=hosts[0].name, groups=places[0].groups, hosts=places)


def test_no_second_swarm_is_made_while_a_manager_was_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: Any = operations.made
    alone: Any = {"state": "inactive", "manager": False}

    def make(executing: bool, *others: FakeHost) -> list[Any]:
        place = run_with(monkeypatch, executing, FakeHost("m1", **alone), *others)
        return list(made._inner(SwarmSettings(), place))

    assert len(make(True)) == 1
    assert len(make(True, FakeHost("m2", **alone))) == 1
    assert make(True, FakeHost("m2", state="active", manager=True)) == []
    others = (FakeHost("m2", connected=False), FakeHost("m3", connected=False))
    for executing in (False, True):
        with pytest.raises(OperationError, match="m2, m3 could not be asked: all managers"):
            make(executing, *others)
    # In a dry run, hosts are looked at in any order.
    assert len(make(False, FakeHost("m2"))) == 1
    with pytest.raises(OperationError, match="m2 could not be asked"):
        make(True, FakeHost("m2"))
    with pytest.raises(OperationError, match="m2: pending"):
        make(True, FakeHost("m2", state="pending", manager=False))


def test_names_of_secrets_are_in_no_argument_list(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = FakeHost("m1", state="active", manager=True)
    image = {"tag": "shop:1", "id": "1"}
    manager.connector_data[operations.IMAGES] = {
        "shop": {"release": "R", "image": image, "balancer": image}
    }
    run_with(monkeypatch, False, manager)
    wanted = {
        "app": "shop", "secrets": [{"name": "shop_KEY_abc", "value": "s3cret"}], "configs": [],
        "digests": {"shop_app": "d1gest"}, "hooks": [], "hooks_note": "shop_hooks_1",
    }  # fmt: skip
    update = operations.Update(lambda _: wanted, "m1", None, ["m1"], 3)
    running: Any = operations.running
    assert len(list(running._inner("shop", update))) == 1
    commands = [Told().command(**request).get_raw_value() for request in manager.facts]
    assert commands
    for command in commands:
        assert "shop_KEY_abc" not in command
        assert "d1gest" not in command


def locked_run(
    monkeypatch: pytest.MonkeyPatch, taken: Callable[[], None], release: str
) -> tuple[FakeHost, list[Any], list[str]]:
    """A run that has something to update: its manager, the operation's commands, and what it
    asked the host for."""
    manager = FakeHost("m1", state="active", manager=True)
    image = {"tag": "shop:1", "id": "1"}
    manager.connector_data[operations.IMAGES] = {
        "shop": {"release": "R", "image": image, "balancer": image}
    }
    manager.connector_data[operations.ASKED] = {"shop": {"name": "shop"}}
    run_with(monkeypatch, True, manager)
    asked: list[str] = []

    def fact(_: Any, *, module: str, function: str, request: Any) -> Any:
        asked.append(f"{module}.{function}")
        if module == "on_host_image":
            return {"release": release}
        return {"secrets": [], "configs": [], "services": []}

    def acquire(*_: Any) -> None:
        asked.append("lock")
        taken()

    monkeypatch.setattr(manager, "get_fact", fact)
    monkeypatch.setattr(lock, "acquire", acquire)
    wanted = {
        "app": "shop", "secrets": [], "configs": [], "digests": {"shop_app": "d"}, "hooks": [],
        "hooks_note": "n",
    }  # fmt: skip
    running: Any = operations.running
    update = operations.Update(lambda _: wanted, "m1", None, ["m1"], 3)
    return manager, list(running._inner("shop", update)), asked


def test_an_update_holds_the_lock_of_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    manager, commands, asked = locked_run(monkeypatch, lambda: None, "R")
    assert commands[0].function.__name__ == "run"
    # pyinfra ignores what a function returns that has not these two arguments: a failed update
    # would end as a success.
    work = commands[0].function.__self__
    monkeypatch.setattr(type(work), "call", lambda *_, **__: None)
    monkeypatch.setattr(type(work), "earlier", lambda _: None)
    monkeypatch.setattr(type(work), "begun", lambda _: "it went back")
    assert commands[0].execute(manager.state, manager, {}) is False
    # What another run has changed before is read once the lock is taken.
    assert asked == [
        *("on_host_stack.state", "lock", "on_host_image.state", "on_host_stack.state"),
    ]


def test_a_second_run_is_refused_as_a_second_release_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken() -> None:
        raise lock.LockedError("shop is being released by anna@desk since 2026-01-01T00:00:00Z")

    manager, commands, asked = locked_run(monkeypatch, taken, "R")
    assert [item.function.__name__ for item in commands] == ["_false"]
    assert asked == ["on_host_stack.state", "lock"]
    assert manager.lines == [
        "refused, nothing was changed: shop is being released by anna@desk since "
        "2026-01-01T00:00:00Z"
    ]


def test_a_release_that_came_between_ends_the_update(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OperationError, match="S has become live meanwhile"):
        locked_run(monkeypatch, lambda: None, "S")


def test_a_step_of_a_run_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("another run")
    run = {"lock": str(tmp_path / "lock"), "steps": str(tmp_path / "steps"), "holder": "this run"}
    call = {"module": "groundcrew.roles.swarm.on_host_engine", "function": "_reason"}
    script = remote.source("call", call["module"])

    def answer() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-ISc", script],
            input=json.dumps({**call, "request": "told", "run": run}),
            capture_output=True,
            text=True,
            check=False,
        )

    refused = answer()
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "another run has taken over" in refused.stderr
    (tmp_path / "lock").write_text("this run")
    assert json.loads(answer().stdout) == "told"


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of the directory of interpreters that root has fetched."""
    folder = tmp_path / "python"
    (folder / "cpython-3.13.1-x" / "bin").mkdir(parents=True)
    (folder / "cpython-3.13.1-x" / "bin" / "python3").write_text("the interpreter")
    (folder / "cpython-3.13-x").symlink_to("cpython-3.13.1-x")
    (folder / "cpython-3.12.1-x").mkdir()
    monkeypatch.setattr(on_host_image, "INTERPRETERS", str(folder))
    return folder


def environment(folder: Path, python: str, home: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(python)
    (folder / "pyvenv.cfg").write_text(f"home = /usr/bin\nhome = {home}\n")
    return folder


def test_the_build_chooses_only_among_interpreters_of_root(tmp_path: Path, fetched: Path) -> None:
    secret = tmp_path / "other" / "bin"
    secret.mkdir(parents=True)
    (secret / "python3").write_text("s3cret")

    def mounted(name: str, python: str) -> list[str]:
        return on_host_image.interpreters(
            str(environment(tmp_path / name / "venv", python, str(secret)))
        )

    both = [f"{fetched}/cpython-3.13-x", f"{fetched}/cpython-3.13.1-x"]
    assert mounted("host", "/usr/bin/python3") == []
    assert mounted("fetched", f"{fetched}/cpython-3.13.1-x/bin/python3") == both
    assert mounted("newest", f"{fetched}/cpython-3.13-x/bin/python3") == both
    for number, python in enumerate((f"{secret}/python3", f"{fetched}/../other/bin/python3")):
        with pytest.raises(on_host_base.ImageError, match="neither below /usr nor below"):
            mounted(f"elsewhere{number}", python)


def test_an_image_has_nothing_but_the_release_and_its_interpreter(
    tmp_path: Path, fetched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "other" / "bin"
    secret.mkdir(parents=True)
    (secret / "password").write_text("s3cret")
    root = tmp_path / "srv" / "shop"
    part = root / "environments" / "e"
    environment(part / "venv", f"{fetched}/cpython-3.13.1-x/bin/python3", str(secret))
    (root / "releases" / "R" / "app").mkdir(parents=True)
    (root / "releases" / "R" / "venv").symlink_to(part / "venv")
    user = SimpleNamespace(pw_uid=990, pw_gid=990, pw_dir="/var/lib/shop")
    monkeypatch.setattr(on_host_image, "SRV", str(tmp_path / "srv"))
    monkeypatch.setattr(pwd, "getpwnam", lambda _: user)
    monkeypatch.setattr(on_host_image, "with_accounts", lambda *_: [])

    def whole(_: Path) -> bytes:
        raise AssertionError("the image is in memory")

    archive = tmp_path / "release.tar"
    request = {"name": "shop", "left_out": [], "kept": [], "files": {}}
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", whole)
        digest = on_host_image.pack(request, "R", {"passwd": "", "group": ""}, archive)
    assert digest == hashlib.sha256(archive.read_bytes()).hexdigest()
    with tarfile.open(archive) as packed:
        names = packed.getnames()
    assert f"{fetched}/cpython-3.13.1-x/bin/python3".lstrip("/") in names
    assert not [name for name in names if "password" in name or "3.12.1" in name]


@pytest.mark.parametrize("name", ["app", "app/pkg", "app/pkg/code.py"])
def test_what_is_not_roots_is_not_packed(tmp_path: Path, name: str) -> None:
    (tmp_path / "app" / "pkg").mkdir(parents=True)
    (tmp_path / "app" / "pkg" / "code.py").write_text("x")
    os.chown(tmp_path / name, 4321, 0)
    with (
        tarfile.open(fileobj=io.BytesIO(), mode="w") as archive,
        pytest.raises(on_host_base.ImageError, match=f"{name} belongs to user 4321, not to root"),
    ):
        on_host_image.add(archive, str(tmp_path / "app"), set())


def test_a_directory_that_is_replaced_meanwhile_redirects_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "app" / "pkg"
    package.mkdir(parents=True)
    (package / "code.py").write_text("code")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "code.py").write_text("s3cret")
    listing = os.listdir

    def replacing(folder: Any) -> list[str]:
        names = listing(folder)
        if names == ["code.py"]:
            package.rename(tmp_path / "aside")
            package.symlink_to(tmp_path / "other")
        return names

    monkeypatch.setattr(os, "listdir", replacing)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        on_host_image.add(archive, str(tmp_path / "app"), set())
    assert package.is_symlink()
    assert b"s3cret" not in buffer.getvalue()


def test_the_engine_tells_why_it_refuses() -> None:
    assert on_host_engine._reason('{"message": "no such image"}') == "no such image"
    assert on_host_engine._reason("plain") == "plain"


def test_a_service_of_the_swarm_is_told() -> None:
    item = {
        "Spec": {
            "Name": "shop_app",
            "Labels": {"groundcrew.release": "R"},
            "TaskTemplate": {"ContainerSpec": {"Image": "shop:1@sha256:abc"}},
        },
        "Version": {"Index": 7},
        "ServiceStatus": {"RunningTasks": 2, "DesiredTasks": 3},
    }
    told = on_host_progress.service(item)
    assert (told["release"], told["image"], told["running"]) == ("R", "shop:1", 2)
    assert on_host.Data is not None

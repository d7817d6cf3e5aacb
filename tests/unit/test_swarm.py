"""Docker Swarm: what a host brings, what the swarm is told, and how updates end."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from groundcrew.bindings import Place
from groundcrew.manifest.model import AppSettings
from groundcrew.metrics import Neighbour
from groundcrew.project import ROOT
from groundcrew.roles import workloads
from groundcrew.roles.settings import HostSettings
from groundcrew.roles.swarm import (
    on_host,
    on_host_base,
    on_host_engine,
    on_host_image,
    on_host_members,
    on_host_progress,
    on_host_stack,
    progress,
    stack,
)
from groundcrew.roles.swarm.programs import enter, healthy
from groundcrew.roles.swarm.settings import SwarmApp, SwarmSettings

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


def told(**changes: Any) -> dict[str, Any]:
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
    assert healthy.problem(1, "/", 200, "localhost", "http", 1)


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
    there = [{"name": "shop_app", "digest": "old", "running": 1, "wanted": 1}]
    monkeypatch.setattr(on_host_stack, "services", lambda _: there)
    monkeypatch.setattr(on_host_stack, "ask", lambda *_: [])
    request = {
        "app": "shop", "secrets": [{"name": "shop_KEY_1"}], "configs": [],
        "digests": {"shop_app": "new"}, "hooks": [["sh"]], "hooks_note": "shop_hooks_1",
    }  # fmt: skip
    assert on_host_stack.differences(request) == [
        "secret shop_KEY_1",
        "service shop_app is updated",
        "release hooks",
    ]


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

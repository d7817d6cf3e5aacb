"""Stacks of Docker Swarm."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from groundcrew.orchestrators import swarm_service
from groundcrew.orchestrators.swarm import NotInSwarmError, Stack, stack
from groundcrew.orchestrators.swarm_service import text
from tests.unit.workload_examples import FIVE, example, made


def one(tmp_path: Path, **changes: Any) -> Stack:
    return stack(made(tmp_path, beside_proxy=False, **changes), "registry.test/shop:1")


def dropped(item: Stack) -> set[str]:
    return {one.key for one in item.dropped}


@pytest.mark.parametrize("name", FIVE)
def test_the_examples_have_stacks_that_docker_accepts(name: str, tmp_path: Path) -> None:
    item = stack(example(name, beside_proxy=False), "registry.test/app:1")
    assert item == stack(example(name, beside_proxy=False), "registry.test/app:1")
    if not shutil.which("docker"):
        pytest.skip("no docker command")
    for path, body in item.files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(body)
    (tmp_path / "stack.yml").write_text(yaml.safe_dump(text(item.content)))
    command = ["docker", "stack", "config", "--compose-file", "stack.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "is not a docker command" in done.stderr or "Usage:" in done.stdout:
        pytest.skip("this docker command checks no stacks")
    assert done.returncode == 0, done.stderr
    # What Docker reads is what was written: no variable was replaced.
    read = yaml.safe_load(done.stdout)["services"][name]["environment"]
    assert read == item.content["services"][name]["environment"]


def test_an_update_starts_first_and_rolls_back(tmp_path: Path) -> None:
    item = one(tmp_path, instances=3, limits={"cpu_quota": "150%", "memory_max": "1G"})
    service = item.content["services"]["shop"]
    assert service["deploy"]["replicas"] == 3
    assert service["deploy"]["endpoint_mode"] == "dnsrr"
    assert service["deploy"]["update_config"]["order"] == "start-first"
    assert service["deploy"]["update_config"]["failure_action"] == "rollback"
    assert service["deploy"]["rollback_config"]["order"] == "start-first"
    limits = service["deploy"]["resources"]["limits"]
    assert limits == {"cpus": "1.5", "memory": "1073741824b"}
    assert service["environment"]["INSTANCE"] == "{{.Task.Slot}}"
    assert "ports" not in service
    # 12 s until the proxies have let go, then gunicorn's 30 s and 10 s more.
    assert service["stop_grace_period"] == "52s"
    assert "sleep 12" in service["entrypoint"][2]


def test_only_the_proxy_publishes_ports_of_its_nodes(tmp_path: Path) -> None:
    item = one(tmp_path, domains=["shop.test"], tls={"certificate": {"type": "self-signed"}})
    proxy = item.content["services"]["proxy"]
    assert [(port["published"], port["mode"]) for port in proxy["ports"]] == [
        (80, "host"),
        (443, "host"),
    ]
    assert proxy["deploy"]["update_config"]["order"] == "stop-first"
    assert set(item.secrets) == {"shop-tls-chain", "shop-tls-key"}
    assert "ssl_certificate /run/secrets/tls-chain;" in item.files["configs/nginx.conf"]
    assert 'set $groundcrew_server "shop:8000"' in item.files["configs/passing.conf"]


def test_a_changed_config_has_another_name(tmp_path: Path) -> None:
    first = one(tmp_path / "one", server={"workers": 2}).content["configs"]
    second = one(tmp_path / "two", server={"workers": 3}).content["configs"]
    assert first["gunicorn.conf.py"]["name"] != second["gunicorn.conf.py"]["name"]
    assert first["nginx.conf"] == second["nginx.conf"]


def test_secrets_are_files_of_swarm_and_become_variables(tmp_path: Path) -> None:
    secrets = {"KEY": {"env": "SHOP_KEY"}}
    item = stack(
        made(tmp_path, beside_proxy=False, secrets=secrets),
        "registry.test/shop:1",
        secret_names={"KEY": "shop-key-2"},
    )
    assert item.content["secrets"] == {"KEY": {"external": True, "name": "shop-key-2"}}
    assert item.secrets == {"shop-key-2": "the operator's variable SHOP_KEY"}
    service = item.content["services"]["shop"]
    assert 'KEY="$(cat /run/secrets/KEY)"; export KEY' in service["entrypoint"][2]
    assert "KEY" not in service["environment"]


def test_templates_in_variables_reach_the_application(tmp_path: Path) -> None:
    service = one(tmp_path, env={"GREETING": "{{name}} $HOME"}).content["services"]["shop"]
    assert service["environment"]["GREETING"] == '{{"{{"}}name}} $HOME'
    assert text(service)["environment"]["GREETING"] == '{{"{{"}}name}} $$HOME'


def test_kept_directories_bind_the_containers_to_one_node(tmp_path: Path) -> None:
    item = made(tmp_path, beside_proxy=False, shared=["data"])
    bound = stack(item, "registry.test/shop:1")
    service = bound.content["services"]["shop"]
    assert service["deploy"]["placement"]["constraints"] == [
        "node.labels.groundcrew.shop.data == true"
    ]
    assert [volume["target"] for volume in service["volumes"]] == [
        *("/tmp", "/srv/shop/shared/home", "/srv/shop/shared/data"),
    ]
    # The key `tmpfs` of a service has no effect in a stack.
    assert "tmpfs" not in service
    free = stack(item, "registry.test/shop:1", volume={"driver": "nfs"})
    assert "placement" not in free.content["services"]["shop"]["deploy"]
    assert free.content["volumes"] == {"shared-data": {"driver": "nfs"}}


def test_an_sqlite_database_has_one_container(tmp_path: Path) -> None:
    env = {"DATABASE": "sqlite:////srv/shop/shared/data/shop.db"}
    item = made(tmp_path, beside_proxy=False, env=env, shared=["data"], instances=2)
    with pytest.raises(NotInSwarmError, match="DATABASE names an SQLite database"):
        stack(item, "registry.test/shop:1")
    service = stack(item, "registry.test/shop:1", replicas=1).content["services"]["shop"]
    assert service["deploy"]["update_config"]["order"] == "stop-first"


def test_hooks_and_timers_are_jobs(tmp_path: Path) -> None:
    item = one(
        tmp_path,
        hooks={"release": ["echo 'first'", "false", "echo third"], "timeout": 5},
        timers={"night": {"command": "python night.py", "schedule": "daily", "timeout": 60}},
        workers={"mail": {"command": "python mail.py", "instances": 2}},
    )
    assert set(item.jobs) == {"release", "night"}
    assert item.jobs["night"]["entrypoint"][:2] == ["timeout", "60"]
    done = subprocess.run(
        item.jobs["release"]["entrypoint"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "first" in done.stdout
    assert "third" not in done.stdout
    worker = item.content["services"]["shop-mail"]
    assert worker["environment"]["WORKER_INSTANCE"] == "{{.Task.Slot}}"
    assert worker["deploy"]["replicas"] == 2
    assert "timers.night" in dropped(item)


def test_what_swarm_cannot_say_is_told(tmp_path: Path) -> None:
    told = dropped(one(tmp_path, network=["10.0.0.0/8"]))
    assert {"network", "limits.tasks_max", "sandbox.NoNewPrivileges", "health.poll"} <= told


def test_without_a_network_the_containers_reach_nothing_outside(tmp_path: Path) -> None:
    networks = one(tmp_path).content["networks"]
    assert networks["app"] == {"driver": "overlay", "internal": True}
    assert networks["edge"] == {"driver": "overlay"}


def drained(seconds: int, *command: str) -> subprocess.Popen[str]:
    words = ["/bin/sh", "-c", swarm_service.DRAINED.format(drain=seconds), "sh", *command]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_a_stopped_container_serves_until_it_is_forgotten() -> None:
    process = drained(
        1,
        "sh",
        "-c",
        "trap 'echo end; exit 7' TERM; echo up; for i in $(seq 60); do sleep 0.5; done",
    )
    assert process.stdout
    assert process.stdout.readline() == "up\n"
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "end\n"
    assert time.monotonic() - started >= 1
    assert process.wait(10) == 7


@pytest.mark.parametrize(("script", "status"), [("exit 3", 3), ("kill -9 $$", 137)])
def test_a_container_ends_with_its_command(script: str, status: int) -> None:
    assert drained(60, "sh", "-c", script).wait(10) == status

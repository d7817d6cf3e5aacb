"""Docker Swarm on three hosts: the OpenDify-like example in three containers, updates under load, a
broken update, and a host that is lost."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import FULL, LabHost, Run, good, inside, pyinfra, until

pytestmark = pytest.mark.skipif(not FULL, reason="bin/test --full")

FIRST, SECOND, THIRD = "swarm-1", "swarm-2", "swarm-3"
APP = "opendify-like"
SITE = "opendify.test"
PORT = 8080
INVENTORY = """\
from groundcrew.lab import inventory as _lab

_more = {more!r}
for _group, _hosts in _lab.running().items():
    globals()[_group] = [
        (_name, {{**_data, **_more[_name]}}) for _name, _data in _hosts if _name in _more
    ]
"""
UPDATES = 10


@dataclass
class Load:
    """Clients of four kinds, none of which tries again: GET and POST, over kept and over new
    connections."""

    address: str
    requests: int = 0
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def client(self, method: str, keep: bool) -> None:
        body = json.dumps({"model": "gpt-4", "messages": [{"content": "one two"}]})
        path = "/v1/models" if method == "GET" else "/v1/chat/completions"
        headers = {"Host": SITE, "Content-Type": "application/json"}
        headers |= {} if keep else {"Connection": "close"}
        connection = None
        while not self.stop.wait(0.2):
            try:
                connection = connection or http.client.HTTPConnection(
                    self.address, PORT, timeout=30
                )
                connection.request(method, path, body if method == "POST" else None, headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200:
                    self.failures.append(f"{method} {answer.status} {text[:80]!r}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{method} {'kept' if keep else 'new'} {error!r}")
                connection = None
            self.requests += 1
            if not keep and connection:
                connection.close()
                connection = None


@contextmanager
def load(address: str) -> Iterator[Load]:
    """Load while the block runs."""
    result = Load(address)
    clients = [
        threading.Thread(target=result.client, args=(method, keep), daemon=True)
        for method in ("GET", "POST")
        for keep in (True, False)
    ]
    for client in clients:
        client.start()
    try:
        yield result
    finally:
        result.stop.set()
        for client in clients:
            client.join(40)


@dataclass
class Swarm:
    """The hosts, and what their inventory says."""

    hosts: dict[str, LabHost]
    inventory: Path

    def write(self, **app: Any) -> None:
        chosen = {APP: {"port": PORT, "shared": "node", "monitor": 5, "timeout": 900}}
        common = {"swarm": {"apps": chosen, "base": "packages", "storage_driver": "vfs"}}
        settings = {"release": {"check_window": 1}, **app}
        more = {name: dict(common) for name in self.hosts}
        more[FIRST] |= {"apps": [APP], "app": {APP: settings}}
        self.inventory.write_text(INVENTORY.format(more=more))

    def attempt(self, playbook: str, *options: str) -> Run:
        names = ",".join(self.hosts)
        return pyinfra(names, *options, playbook=playbook, inventory=self.inventory, timeout=1800)

    def run(self, playbook: str, *options: str) -> Run:
        return good(self.attempt(playbook, *options))

    def services(self) -> dict[str, str]:
        """Name -> how many containers run."""
        text = inside(self.hosts[FIRST], "docker service ls --format '{{.Name}} {{.Replicas}}'")
        return dict(line.split(" ", 1) for line in text.splitlines())

    def running_on(self) -> list[str]:
        """The hosts on which containers of the application run."""
        text = inside(
            self.hosts[FIRST],
            f"docker service ps {APP}_app --filter desired-state=running "
            "--format '{{.Node}} {{.CurrentState}}'",
        )
        return [line.split()[0] for line in text.splitlines() if " Running" in line]


@pytest.fixture(scope="module")
def swarm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swarm]:
    hosts = {
        FIRST: LabHost(FIRST, "bookworm", group="web,swarm_managers"),
        SECOND: LabHost(SECOND, "bookworm", group="swarm_workers"),
        THIRD: LabHost(THIRD, "bookworm", group="swarm_workers"),
    }
    made = Swarm(hosts, tmp_path_factory.mktemp("swarm") / "inventory.py")
    LabHost.together(hosts.values(), LabHost.up)
    made.write()
    made.run("deploy.py")
    made.run("playbooks/swarm.py")
    yield made
    LabHost.together(hosts.values(), LabHost.down)


def test_every_host_answers_for_three_containers(swarm: Swarm) -> None:
    assert swarm.services()[f"{APP}_app"] == "3/3"
    for host in swarm.hosts.values():
        connection = http.client.HTTPConnection(host.address, PORT, timeout=30)
        connection.request("GET", "/v1/models", headers={"Host": SITE})
        answer = connection.getresponse()
        assert answer.status == 200
        assert b"gpt-4" in answer.read()
        connection = http.client.HTTPConnection(host.address, PORT, timeout=30)
        connection.request("GET", "/v1/models/c%6fnfig", headers={"Host": SITE})
        assert connection.getresponse().status == 403


def test_a_second_run_changes_nothing(swarm: Swarm) -> None:
    assert swarm.run("playbooks/swarm.py").changed == []
    assert swarm.run("playbooks/swarm.py", "--dry").planned == []


def test_the_packet_filters_do_not_remove_each_others_rules(swarm: Swarm) -> None:
    first = swarm.hosts[FIRST]
    inside(first, "nft -f /etc/nftables.d/groundcrew.nft")
    assert "DOCKER" in inside(first, "iptables -t nat -S")
    inside(first, "systemctl restart docker")
    assert "groundcrew" in inside(first, "nft list tables")
    until(lambda: swarm.services()[f"{APP}_app"] == "3/3", 300)
    swarm.run("playbooks/verify.py")


def test_the_image_has_no_value_and_its_processes_no_rights(swarm: Swarm) -> None:
    first = swarm.hosts[FIRST]
    image = inside(first, f"docker image inspect $(docker images -q {APP} | head -1)")
    assert "DIFY_API_BASE" not in image
    assert json.loads(image)[0]["Config"]["User"] == APP
    state = inside(
        first,
        f"docker exec $(docker ps -q -f name={APP}_app | head -1) cat /proc/self/status",
    )
    assert "CapEff:\t0000000000000000" in state
    assert "NoNewPrivs:\t1" in state


def test_updates_under_load_lose_no_request(swarm: Swarm) -> None:
    with load(swarm.hosts[SECOND].address) as told:
        for number in range(UPDATES):
            # New containers of the same image: a check with another limit.
            swarm.write(health={"request_timeout": 11 + number})
            swarm.run("playbooks/swarm.py")
    assert told.requests > 100
    assert told.failures == []


def test_a_broken_update_goes_back_and_fails_the_run(swarm: Swarm) -> None:
    # The release stays the same; its new containers never become healthy.
    swarm.write(health={"path": "/missing"})
    with load(swarm.hosts[SECOND].address) as told:
        failed = swarm.attempt("playbooks/swarm.py")
    assert failed.status != 0
    assert "went back to what ran before" in failed.stderr
    until(lambda: swarm.services()[f"{APP}_app"] == "3/3", 300)
    assert told.requests > 0
    assert told.failures == []
    swarm.write()
    swarm.run("playbooks/swarm.py")


def test_containers_of_a_lost_host_run_elsewhere(swarm: Swarm) -> None:
    third = swarm.hosts[THIRD]
    third.lose_power()
    try:
        began = time.monotonic()
        until(lambda: len([name for name in swarm.running_on() if name != THIRD]) >= 3, 300)
        print(f"three containers elsewhere after {time.monotonic() - began:.0f} s")
    finally:
        third.power_on()

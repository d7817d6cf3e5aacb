"""Docker Swarm on three hosts: the OpenDify-like example in three containers with a worker, a
release hook and a secret, updates under load, a broken update, and a host that is lost."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shlex
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import FULL, INVENTORY, LabHost, Run, good, inside, pyinfra, until

pytestmark = pytest.mark.skipif(not FULL, reason="bin/test --full")

FIRST, SECOND, THIRD = "swarm-1", "swarm-2", "swarm-3"
APP = "opendify-like"
SITE = "opendify.test"
PORT = 8080
UPDATES = 10
SECRET = "swarm-test-b2f1c0a97d"
TICK = 'while :; do echo "$WORKER_INSTANCE $(printf %s "$TOKEN" | sha256sum)"; sleep 5; done'
MIGRATE = f'echo "$(readlink /srv/{APP}/current) ${{#TOKEN}}" >> data/migrations'
WATCH = (
    "touch /root/seen; while sleep 0.2; do "
    "grep -alF -f /root/pattern /proc/[0-9]*/cmdline >> /root/seen 2>/dev/null; done"
)
REGISTRY = """\
set -e
apt-get -q update >/dev/null
DEBIAN_FRONTEND=noninteractive apt-get -qy install docker-registry apache2-utils openssl >/dev/null
cd /etc/docker/registry
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=registry \\
    -addext subjectAltName=IP:{address} -keyout key.pem -out cert.pem 2>/dev/null
htpasswd -Bbn pusher {password} > htpasswd
cat > config.yml <<EOF
version: 0.1
storage: {{filesystem: {{rootdirectory: /var/lib/docker-registry}}}}
http: {{addr: ':5000', tls: {{certificate: /etc/docker/registry/cert.pem,
  key: /etc/docker/registry/key.pem}}}}
auth: {{htpasswd: {{realm: registry, path: /etc/docker/registry/htpasswd}}}}
EOF
chown docker-registry key.pem cert.pem htpasswd
systemctl restart docker-registry
"""
"""Makes a registry of a host: with TLS and a password."""

VOLUME = f"/var/lib/docker/volumes/{APP}_shared-data/_data"


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
    token: Path
    environment: dict[str, str] = field(default_factory=dict)
    """Variables of the application, which are part of its release."""

    registry: dict[str, str] = field(default_factory=dict)
    """The setting of the registry."""

    def write(self, **app: Any) -> None:
        chosen = {APP: {"port": PORT, "shared": "node", "monitor": 5, "timeout": 900}}
        engine = {"base": "packages", "storage_driver": "vfs", **self.registry}
        common = {"swarm": {"apps": chosen, **engine}}
        settings = {
            "release": {"check_window": 1},
            "env": self.environment,
            "secrets": {"TOKEN": {"file": str(self.token)}},
            "hooks": {"release": [MIGRATE]},
            "workers": {"tick": {"command": TICK, "instances": 2}},
            **app,
        }
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

    def migrations(self) -> Counter[str]:
        """What the release hook has written in the swarm, on whichever host it has run."""
        texts = [
            inside(host, f"cat {VOLUME}/migrations 2>/dev/null || true")
            for host in self.hosts.values()
        ]
        return Counter("".join(texts).splitlines())

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
    folder = tmp_path_factory.mktemp("swarm")
    made = Swarm(hosts, folder / "inventory.py", folder / "token")
    made.token.write_text(SECRET)
    LabHost.together(hosts.values(), LabHost.up)
    made.write()
    told(made.run("deploy.py"), "deploy")
    # What processes are called with, while the secret reaches the swarm.
    first = hosts[FIRST]
    inside(first, "cat > /root/pattern && chmod 600 /root/pattern", SECRET)
    inside(first, f"systemd-run --quiet --unit=watch sh -c {shlex.quote(WATCH)}")
    told(made.run("playbooks/swarm.py"), "swarm")
    yield made
    if not os.environ.get("GROUNDCREW_KEEP"):
        LabHost.together(hosts.values(), LabHost.down)


def told(run: Run, what: str) -> None:
    """Prints how long a run has taken."""
    print(f"{what}: {run.seconds:.0f} s")


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


def test_a_secret_reaches_processes_and_nothing_else(swarm: Swarm) -> None:
    first, digest = swarm.hosts[FIRST], hashlib.sha256(SECRET.encode()).hexdigest()
    logs = f"docker service logs --raw {APP}_worker-tick"
    # Both workers have it, and a number each.
    until(lambda: {f"{number} {digest}  -" for number in (1, 2)}
          <= set(inside(first, logs).splitlines()), 60)  # fmt: skip
    for host in swarm.hosts.values():
        for what in ("container", "image"):
            ids = inside(host, f"docker {what} ls -aq").split()
            assert ids
            assert SECRET not in inside(host, f"docker {what} inspect {' '.join(ids)}")
    for what in ("service", "secret", "config"):
        names = inside(first, f"docker {what} ls -q").split()
        assert names
        assert SECRET not in inside(first, f"docker {what} inspect {' '.join(names)}")
    inside(first, "systemctl is-active watch")
    assert inside(first, "cat /root/seen").splitlines() == []


def test_release_hooks_run_once_per_release(swarm: Swarm) -> None:
    release = inside(swarm.hosts[FIRST], f"readlink /srv/{APP}/current").strip()
    assert swarm.migrations() == {f"{release} {len(SECRET)}": 1}


def test_a_second_run_at_the_same_time_is_refused(swarm: Swarm) -> None:
    swarm.write(health={"request_timeout": 60})
    with ThreadPoolExecutor() as pool:
        one = pool.submit(swarm.attempt, "playbooks/swarm.py")
        until(lambda: inside(swarm.hosts[FIRST], f"cat /srv/{APP}/lock"), 120)
        two = swarm.attempt("playbooks/swarm.py")
        assert one.result().status == 0
    assert two.status != 0
    assert f"refused, nothing was changed: {APP} is being released by" in two.stderr
    assert swarm.run("playbooks/swarm.py").changed == []


def test_updates_under_load_lose_no_request(swarm: Swarm) -> None:
    before = len(swarm.migrations())
    releases = range(0, UPDATES, 5)
    with load(swarm.hosts[SECOND].address) as visitors:
        for number in range(UPDATES):
            if number in releases:
                # Another release, and so another image.
                swarm.environment = {"BUILD": str(number + 1)}
            swarm.write(health={"request_timeout": 11 + number})
            if number in releases:
                told(swarm.run("playbooks/release.py"), "release")
            told(swarm.run("playbooks/swarm.py"), f"update {number + 1}")
            print(f"{visitors.requests} requests, failed: {visitors.failures}")
    assert visitors.requests > 100
    assert visitors.failures == []
    # The hook has run for every release, and for none twice.
    migrations = swarm.migrations()
    assert len(migrations) == before + len(releases)
    assert set(migrations.values()) == {1}


def test_a_broken_update_goes_back_and_fails_the_run(swarm: Swarm) -> None:
    # The release stays the same; its new containers never become healthy.
    swarm.write(health={"path": "/missing"})
    with load(swarm.hosts[SECOND].address) as visitors:
        failed = swarm.attempt("playbooks/swarm.py")
    told(failed, f"went back, {visitors.requests} requests")
    assert failed.status != 0
    assert "went back to what ran before" in failed.stderr
    until(lambda: swarm.services()[f"{APP}_app"] == "3/3", 300)
    assert visitors.requests > 0
    assert visitors.failures == []
    swarm.write()
    swarm.run("playbooks/swarm.py")
    assert swarm.run("playbooks/swarm.py").changed == []


@pytest.fixture
def registry(swarm: Swarm) -> Iterator[str]:
    """A registry that the hosts trust, with the first manager's credentials for it."""
    host = LabHost("swarm-registry", "bookworm", group="registry")
    host.up()
    try:
        password = "for-this-test-only"
        inside(host, REGISTRY.format(address=host.address, password=password))
        name = f"{host.address}:5000"
        certificate = inside(host, "cat /etc/docker/registry/cert.pem")
        for each in swarm.hosts.values():
            folder = f"/etc/docker/certs.d/{name}"
            inside(each, f"mkdir -p {folder} && cat > {folder}/ca.crt", certificate)
        login = f"docker login --username pusher --password-stdin {name}"
        inside(swarm.hosts[FIRST], login, password)
        yield name
    finally:
        host.down()


def test_images_can_come_from_a_registry(swarm: Swarm, registry: str) -> None:
    swarm.registry = {"registry": f"{registry}/shop"}
    swarm.write()
    try:
        # The balancer's image has another name too, and each host's stops once.
        told(swarm.run("playbooks/swarm.py"), "images from a registry")
        swarm.environment = {"BUILD": "for the registry"}
        swarm.write()
        swarm.run("playbooks/release.py")
        with load(swarm.hosts[SECOND].address) as visitors:
            told(swarm.run("playbooks/swarm.py"), "update from a registry")
        assert visitors.requests > 0
        assert visitors.failures == []
        form = "{{.Spec.TaskTemplate.ContainerSpec.Image}}"
        names = inside(
            swarm.hosts[FIRST], f"docker service inspect --format '{form}' {APP}_app {APP}_balancer"
        )
        assert all(name.startswith(f"{registry}/shop/") for name in names.split())
        # The others have pulled them: nothing else brings an image of this name there.
        for name in (SECOND, THIRD):
            there = inside(swarm.hosts[name], "docker image ls --format '{{.Repository}}'")
            assert f"{registry}/shop/" in there
        assert swarm.run("playbooks/swarm.py").changed == []
    finally:
        swarm.registry = {}
        swarm.write()
        swarm.run("playbooks/swarm.py")
    until(lambda: swarm.services()[f"{APP}_app"] == "3/3", 120)


def test_containers_of_a_lost_host_run_elsewhere(swarm: Swarm) -> None:
    third = swarm.hosts[THIRD]
    with load(swarm.hosts[SECOND].address) as visitors:
        third.lose_power()
        try:
            began = time.monotonic()
            until(lambda: len([name for name in swarm.running_on() if name != THIRD]) >= 3, 300)
            print(f"three containers elsewhere after {time.monotonic() - began:.0f} s")
        finally:
            third.power_on()
    # A request that the lost host had begun to answer cannot be sent again.
    print(f"{len(visitors.failures)} of {visitors.requests} requests failed")
    until(lambda: answers(third), 300)
    until(lambda: swarm.services()[f"{APP}_app"] == "3/3", 300)
    assert swarm.run("playbooks/swarm.py").changed == []
    swarm.run("playbooks/verify.py")


def answers(host: LabHost) -> bool:
    """Whether a host answers for the application."""
    try:
        connection = http.client.HTTPConnection(host.address, PORT, timeout=30)
        connection.request("GET", "/v1/models", headers={"Host": SITE})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False

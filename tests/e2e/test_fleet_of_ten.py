"""Ten hosts: two balancers that share an address, five that serve, one for workers, one with the
database, one with the cache. It takes many minutes on a small machine."""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import FULL, LabHost, Run, good, inside, pyinfra
from tests.e2e.test_fleet import DOMAIN, INVENTORY, Fleet, longest, watched

pytestmark = pytest.mark.skipif(not FULL, reason="bin/test --full runs it")

BALANCERS = ["ten-lb1", "ten-lb2"]
WEB = [f"ten-web{number}" for number in range(1, 6)]
WORKER, DATABASE, CACHE = "ten-worker", "ten-db", "ten-cache"
GROUPS = {
    **dict.fromkeys(BALANCERS, "lb"),
    **dict.fromkeys(WEB, "web"),
    WORKER: "worker",
    DATABASE: "db",
    CACHE: "cache",
}
APP = {
    "domains": [DOMAIN],
    "tls": {"certificate": {"type": "self-signed"}},
    "release": {"check_window": 1, "drain": 1},
    "nginx": {"limits": False},
    "needs": {"database": "postgresql", "cache": "redis.cache"},
    "workers": {"jobs": {"command": "sleep infinity"}},
}


PATIENT = {"verify": {"timeout": 60}}


@dataclass
class Ten:
    """The hosts, their inventory, and the address of the balancers."""

    hosts: dict[str, LabHost]
    inventory: Path
    address: str
    first: Run

    def attempt(self, *names: str, playbook: str = "deploy.py") -> Run:
        limit = ",".join(names or self.hosts)
        return pyinfra(limit, playbook=playbook, inventory=self.inventory, timeout=1800)


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ten]:
    hosts = {name: LabHost(name, "bookworm", group=group) for name, group in GROUPS.items()}
    kept = os.environ.get("GROUNDCREW_KEEP")
    try:
        # One after the other: together, the first boots of ten take longer than bin/lab waits.
        for host in hosts.values():
            host.up()
        inside_network = inside(hosts[BALANCERS[0]], "ip -br -4 address show eth0").split()[2]
        network = ipaddress.ip_interface(inside_network).network
        address = str(network.broadcast_address - 5)
        runs: dict[str, Any] = {"apps": ["hello"], "app": {"hello": APP}}
        more: dict[str, Any] = {DATABASE: {"servers": ["postgresql"]}, CACHE: {}}
        # The run asks for many pages at once, on a machine that ten hosts keep busy.
        more = {name: {**data, **PATIENT} for name, data in more.items()}
        for name, group in GROUPS.items():
            if group in ("web", "worker"):
                more[name] = {**runs, **PATIENT}
            elif group == "lb":
                more[name] = {"haproxy": {"address": address}, **PATIENT}
        inventory = tmp_path_factory.mktemp("ten") / "inventory.py"
        inventory.write_text(INVENTORY.format(more=more))
        names = ",".join(hosts)
        yield Ten(hosts, inventory, address, pyinfra(names, inventory=inventory, timeout=1800))
    finally:
        if not kept:
            LabHost.together(hosts.values(), LabHost.down)


def test_ten_hosts_converge(ten: Ten) -> None:
    """The run ends with verify, on every host."""
    good(ten.first)
    print(f"ten bare hosts converged and verified in {ten.first.seconds:.0f} s")
    # Workers run where they should, and nowhere else.
    units = "systemctl list-units --plain --no-legend 'hello-jobs*' --state active"
    assert inside(ten.hosts[WORKER], units).strip()
    assert not inside(ten.hosts[WEB[0]], units).strip()
    assert inside(ten.hosts[DATABASE], "systemctl is-active postgresql@15-main").strip() == "active"
    assert "redis" in inside(ten.hosts[CACHE], "systemctl list-units --plain --state active")
    backends = inside(
        ten.hosts[BALANCERS[0]], "grep -c ' server ten-' /etc/groundcrew/haproxy/haproxy.cfg"
    )
    assert int(backends) == len(WEB)


def test_a_second_run_changes_nothing(ten: Ten) -> None:
    many = good(ten.attempt())
    assert many.changed == []
    one = good(ten.attempt(WEB[0]))
    assert one.changed == []
    print(
        f"a run without changes: ten hosts {many.seconds:.1f} s, one host {one.seconds:.1f} s, "
        f"{many.seconds / one.seconds:.1f} times as long"
    )


def test_a_balancer_is_lost_under_load(ten: Ten) -> None:
    fleet = Fleet(ten.hosts, ten.inventory, Path())
    [holder] = [
        name
        for name in BALANCERS
        if f" {ten.address}/" in inside(ten.hosts[name], "ip -br address show eth0")
    ]
    with fleet.load(ten.address) as load, watched(ten.address) as moments:
        ten.hosts[holder].lose_power()
        time.sleep(5)
    ten.hosts[holder].power_on()
    print(
        f"a balancer lost its power: {longest(moments):.2f} s without an answer; "
        f"{len(load.failures)} of {load.requests} requests failed"
    )
    assert longest(moments) < 5
    assert load.requests > 100
    good(ten.attempt(*BALANCERS, playbook="playbooks/verify.py"))

"""Ten hosts: two balancers that share an address, five that serve, one for workers, one with the
database, one with the cache. It takes many minutes on a small machine."""

from __future__ import annotations

import ipaddress
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.e2e.harness import FULL, GOOD, LabHost, Run, good, inside, pyinfra, version
from tests.e2e.test_fleet import DOMAIN, Fleet, longest, restarted, until, watched

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


# The run asks for many pages at once, on a machine that ten hosts keep busy.
PATIENT = {"verify": {"timeout": 60}}
QUICK = {"check_interval": 0.3, "check_timeout": 0.5}
"""Checks by which a host that is gone leaves within a second."""


RATE = 200
REQUESTS = 80_000


@dataclass
class Ten:
    """The hosts, their inventory, and the address of the balancers."""

    fleet: Fleet
    address: str
    first: Run

    @property
    def hosts(self) -> dict[str, LabHost]:
        return self.fleet.hosts

    def attempt(self, *names: str, playbook: str = "deploy.py") -> Run:
        limit = ",".join(names or self.fleet.listed())
        return pyinfra(limit, playbook=playbook, inventory=self.fleet.inventory, timeout=1800)


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
        folder = tmp_path_factory.mktemp("ten")
        source = folder / "hello"
        shutil.copytree(GOOD, source)
        app = {**APP, "source": {"directory": str(source)}}
        fleet = Fleet(hosts, folder / "inventory.py", source)
        fleet.more = {DATABASE: {"servers": ["postgresql"]}, CACHE: {}}
        for name, group in GROUPS.items():
            if group in ("web", "worker"):
                fleet.more[name] = {"apps": ["hello"], "app": {"hello": app}}
            elif group == "lb":
                fleet.more[name] = {"haproxy": {"address": address, **QUICK}}
        fleet.more = {name: {**data, **PATIENT} for name, data in fleet.more.items()}
        fleet.write()
        first = pyinfra(",".join(hosts), inventory=fleet.inventory, timeout=1800)
        yield Ten(fleet, address, first)
    finally:
        if not kept:
            LabHost.together(hosts.values(), LabHost.down)


def test_ten_hosts_converge(ten: Ten) -> None:
    """The run ends with verify, on every host."""
    good(ten.first)
    print(f"ten bare hosts converged and verified in {ten.first.seconds:.0f} s")
    # Workers run where they should, and nowhere else.
    units = "systemctl list-units --plain --no-legend 'hello.jobs@*' --state active"
    assert inside(ten.hosts[WORKER], units).strip()
    assert not inside(ten.hosts[WEB[0]], units).strip()
    assert inside(ten.hosts[DATABASE], "systemctl is-active postgresql@15-main").strip() == "active"
    assert "redis" in inside(ten.hosts[CACHE], "systemctl list-units --plain --state active")
    backends = inside(
        ten.hosts[BALANCERS[0]], "grep -c ' server ten-.* check' /etc/groundcrew/haproxy/*.cfg"
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
    fleet = ten.fleet
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


def test_eighty_thousand_requests(ten: Ten) -> None:
    """Releases, restarts, changes of the balancers, and hosts that leave and come, until so many
    requests have been answered. None is lost."""
    requests, rounds, failures = 0, 0, []
    while requests < REQUESTS:
        with ten.fleet.load(ten.address, RATE) as load:
            everything(ten, rounds)
        rounds += 1
        requests += load.requests
        failures += load.failures
    print(f"{requests} requests in {rounds} rounds: {len(failures)} failed")
    assert failures == []


def everything(ten: Ten, number: int) -> None:
    """All that a fleet goes through, once."""
    fleet = ten.fleet
    version(fleet.source, f"version {number}")
    fleet.run("playbooks/release.py", limit=",".join([*WEB, WORKER]))
    with ThreadPoolExecutor() as pool:
        again = [pool.submit(restarted, ten.hosts[name]) for name in WEB]
        fleet.run("playbooks/reboot.py", limit=",".join(WEB))
        for item in again:
            item.result(timeout=60)
    balance = "leastconn" if number % 2 == 0 else "roundrobin"
    for name in BALANCERS:
        fleet.more[name]["haproxy"] = {**fleet.more[name]["haproxy"], "balance": balance}
    fleet.write()
    assert "balancer | configuration" in fleet.run(limit=",".join(BALANCERS)).changed
    fleet.write(WEB[-1])
    fleet.run(limit=",".join(BALANCERS))
    fleet.write()
    fleet.run(limit=",".join([*BALANCERS, WEB[-1]]))


def test_a_host_is_lost_under_load(ten: Ten) -> None:
    """It leaves within a second, and requests that may be repeated are."""
    fleet, lost = ten.fleet, WEB[1]
    with fleet.load(ten.address) as load:
        ten.hosts[lost].lose_power()
        since = time.monotonic()
        until(lambda: fleet.states(BALANCERS[0])[lost].startswith("DOWN"), 10)
        took = time.monotonic() - since
        time.sleep(2)
        ten.hosts[lost].power_on()
        until(lambda: fleet.states(BALANCERS[0])[lost] == "UP")
    print(f"a host lost its power: out after {took:.2f} s; {load.failures} of {load.requests}")
    assert load.repeatable == []
    assert took < 1.5

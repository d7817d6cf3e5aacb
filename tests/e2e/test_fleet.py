"""A balancer in front of two hosts: what visitors see while hosts are released, changed, restarted
and lost."""

from __future__ import annotations

import ipaddress
import itertools
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import (
    FULL,
    GOOD,
    INVENTORY,
    ROOT,
    LabHost,
    Run,
    good,
    inside,
    pyinfra,
    version,
)
from tests.e2e.load import Https

LB, FIRST, SECOND = "fleet-lb", "fleet-web1", "fleet-web2"
OTHER = "fleet-lb2"
"""A second balancer, for the tests of the address that both share."""

DOMAIN = "fleet.test"
RATE = 24
CA = ROOT / ".groundcrew" / "ca" / "ca.pem"
OLDER = """\
cd $(mktemp -d) && mkdir -p cowsay/DEBIAN && printf '%s\\n' 'Package: cowsay' 'Version: 0.9' \\
    'Architecture: all' 'Maintainer: nobody <root@localhost>' 'Description: an older version' \\
    > cowsay/DEBIAN/control && dpkg-deb -b cowsay >/dev/null && dpkg -i cowsay.deb"""
"""Installs an older version of a package than Debian has."""

SOCKET = "/run/groundcrew-haproxy/admin.sock"


@dataclass
class Load:
    """What clients of every kind have got; known when the load has ended."""

    requests: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def repeatable(self) -> list[str]:
        """The failures of requests that may be repeated."""
        return [text for text in self.failures if " GET " in text]


@dataclass
class Fleet:
    """The hosts, and the inventory that says what they are."""

    hosts: dict[str, LabHost]
    inventory: Path
    source: Path
    more: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write(self, *without: str) -> None:
        """Writes the inventory, without some of the hosts."""
        kept = {name: data for name, data in self.more.items() if name not in without}
        self.inventory.write_text(INVENTORY.format(more=kept))

    def attempt(
        self, playbook: str = "deploy.py", *options: str, limit: str = "", **data: Any
    ) -> Run:
        names = limit or ",".join(self.listed())
        return pyinfra(
            names, *options, data=data, playbook=playbook, inventory=self.inventory, timeout=400
        )

    def run(self, playbook: str = "deploy.py", *options: str, limit: str = "") -> Run:
        return good(self.attempt(playbook, *options, limit=limit))

    @property
    def lb(self) -> LabHost:
        return self.hosts[LB]

    def listed(self) -> list[str]:
        """The hosts in the inventory."""
        text = self.inventory.read_text()
        return [name for name in self.more if repr(name) in text]

    def talk(self, command: str, balancer: str = LB) -> str:
        """What HAProxy answers."""
        program = (
            "import socket; s = socket.socket(socket.AF_UNIX); s.connect('%s'); "
            "s.sendall(b'%s\\n'); print(b''.join(iter(lambda: s.recv(65536), b'')).decode())"
        )
        return inside(self.hosts[balancer], f'python3 -c "{program % (SOCKET, command)}"')

    def states(self, balancer: str = LB) -> dict[str, str]:
        """Host -> how HAProxy sees it."""
        rows = [line.split(",") for line in self.talk("show stat", balancer).splitlines()]
        return {row[1]: row[17] for row in rows if row[0] == "app-hello" and row[1] != "BACKEND"}

    def echo(self, headers: dict[str, str]) -> dict[str, Any]:
        """What the application says about a request."""
        context = ssl.create_default_context(cafile=str(CA))
        connection = Https(self.lb.address, DOMAIN, context)
        connection.request("POST", "/echo", "1", {"Host": DOMAIN, **headers})
        return json.loads(connection.getresponse().read())

    @contextmanager
    def load(self, address: str = "", rate: int = RATE) -> Iterator[Load]:
        """Steady load over HTTPS through the balancer, GET and POST, kept and new connections:
        `rate` requests a second."""
        result = Load()
        program = [sys.executable, str(Path(__file__).with_name("load.py"))]
        program.append(address or self.lb.address)
        client = subprocess.Popen(
            [*program, DOMAIN, "3000", str(rate), "0", str(CA)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            time.sleep(1)
            yield result
            time.sleep(1)
        finally:
            out, _ = client.communicate(timeout=90)
            told = json.loads(out)
            result.requests = len(told["samples"])
            result.failures += told["failures"]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    source = folder / "hello"
    shutil.copytree(GOOD, source)
    hosts = {
        LB: LabHost(LB, "bookworm", group="lb"),
        FIRST: LabHost(FIRST, "bookworm", group="web"),
        SECOND: LabHost(SECOND, "bookworm", group="web"),
    }
    app = {
        "source": {"directory": str(source)},
        "domains": [DOMAIN],
        "tls": {"certificate": {"type": "self-signed"}},
        "release": {"check_window": 1, "drain": 1},
        "nginx": {"limits": False},
        "workers": {"beat": {"command": "sleep infinity", "single": True}},
    }
    site = Fleet(hosts, folder / "inventory.py", source)
    site.more = {
        LB: {},
        FIRST: {"apps": ["hello"], "app": {"hello": app}},
        SECOND: {"apps": ["hello"], "app": {"hello": app}},
    }
    LabHost.together(hosts.values(), LabHost.up)
    try:
        site.write()
        site.run()
        yield site
    finally:
        if not os.environ.get("GROUNDCREW_KEEP"):
            LabHost.together(hosts.values(), LabHost.down)


def until(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_nothing_is_done_twice(fleet: Fleet) -> None:
    assert fleet.states() == {FIRST: "UP", SECOND: "UP"}
    assert fleet.run().changed == []
    assert fleet.run("deploy.py", "--dry").planned == []


def test_a_host_leaves_and_joins(fleet: Fleet) -> None:
    with fleet.load() as load:
        fleet.write(SECOND)
        fleet.run(limit=LB)
        assert fleet.states() == {FIRST: "UP"}
        fleet.hosts[SECOND].out("systemctl stop nginx")
        fleet.write()
        # A host that is not healthy gets nothing, and the balancer's checks say so.
        run = fleet.attempt(limit=LB)
        assert run.status == 1
        assert f"{SECOND} gets no requests: DOWN" in run.stderr
        fleet.hosts[SECOND].out("systemctl start nginx")
        until(lambda: fleet.states() == {FIRST: "UP", SECOND: "UP"})
    assert load.requests > 100
    assert load.failures == []


def beats(fleet: Fleet) -> list[str]:
    """The hosts on which the worker runs that only one host runs, and those that would start it at
    their next boot."""
    shown = "systemctl list-units --plain --no-legend --state=active,activating 'hello.beat@*'"
    files = "ls /etc/systemd/system/multi-user.target.wants"
    return [
        name
        for name in (FIRST, SECOND)
        if "hello.beat" in inside(fleet.hosts[name], f"{shown}; {files}")
    ]


FORCED_DRAIN = 0x08


def come_back(fleet: Fleet) -> None:
    """Ends idleness, in the order that keeps the worker from running nowhere."""
    fleet.more[FIRST].pop("idle", None)
    fleet.write()
    good(fleet.attempt("playbooks/start.py", limit=FIRST, app="hello"))
    until(lambda: fleet.states() == {FIRST: "UP", SECOND: "UP"})
    fleet.run()
    until(lambda: fleet.states() == {FIRST: "UP", SECOND: "UP"})


def drained(fleet: Fleet) -> set[tuple[str, str]]:
    """The backends and hosts that HAProxy gives no requests because it was told so."""
    lines = fleet.talk("show servers state").splitlines()
    rows = [line.split() for line in lines if line[:1].isdigit() and " " in line]
    return {(row[1], row[3]) for row in rows if int(row[6]) & FORCED_DRAIN}


def test_an_idle_host_hands_over_and_comes_back(fleet: Fleet) -> None:
    assert beats(fleet) == [FIRST]
    try:
        with fleet.load() as load:
            fleet.more[FIRST]["idle"] = True
            fleet.write()
            fleet.run()
        assert load.requests > 100
        assert load.failures == []
        assert beats(fleet) == [SECOND]
        # It stands in for the other one as soon as somebody starts it.
        assert fleet.states() == {FIRST: "DOWN", SECOND: "UP"}
        assert drained(fleet) == set()
        assert fleet.run().changed == []
        fleet.hosts[FIRST].reboot()
        active = (
            "systemctl list-units --plain --no-legend --state=active,activating 'hello@*.service'"
        )
        assert inside(fleet.hosts[FIRST], active) == ""
        assert beats(fleet) == [SECOND]
        refused = fleet.attempt(limit=f"{LB},{SECOND}")
        assert refused.status == 1
        assert f"{FIRST}, where hello is idle, must be part of the run" in refused.stderr
    finally:
        # Whatever has failed, the tests that follow begin with two hosts.
        come_back(fleet)
    assert beats(fleet) == [FIRST]


def test_hosts_know_the_client_and_nobody_else_reaches_them(fleet: Fleet) -> None:
    with socket.create_connection((fleet.lb.address, 443)) as connection:
        mine = connection.getsockname()[0]
    facts = fleet.echo({"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http"})
    assert facts["address"] == mine
    assert facts["scheme"] == "https"
    logs = [
        fleet.hosts[name].out("cat /var/log/nginx/hello.access.log") for name in (FIRST, SECOND)
    ]
    assert any(re.search(rf'^{re.escape(mine)} .*"POST /echo', text, re.M) for text in logs)
    for name in (FIRST, SECOND):
        with pytest.raises(TimeoutError):
            socket.create_connection((fleet.hosts[name].address, 80), timeout=1)
    # Only they may say who the client is, and only known names get an answer.
    assert fleet.lb.get("/x?y=1", DOMAIN, allow_redirects=False).headers["Location"] == (
        f"https://{DOMAIN}/x?y=1"
    )


def test_hosts_too_busy_for_their_checks_get_requests(fleet: Fleet) -> None:
    """All of them, for longer than the checks wait: no visitor gets the balancer's 503."""
    with fleet.load() as load:
        with paused(fleet.hosts[FIRST], fleet.hosts[SECOND]):
            until(lambda: all(state.startswith("DOWN") for state in fleet.states().values()))
            time.sleep(1)
        until(lambda: fleet.states() == {FIRST: "UP", SECOND: "UP"})
    assert load.requests > 100
    assert load.failures == []


def test_visitors_see_the_maintenance_page_of_hosts(fleet: Fleet) -> None:
    """While the application is stopped, and so no host is healthy: not the balancer's own page."""
    both = f"{FIRST},{SECOND}"
    good(fleet.attempt("playbooks/stop.py", limit=both, app="hello"))
    try:
        until(lambda: all(state.startswith("DOWN") for state in fleet.states().values()))
        context = ssl.create_default_context(cafile=str(CA))
        connection = Https(fleet.lb.address, DOMAIN, context)
        connection.request("GET", "/", headers={"Host": DOMAIN})
        answer = connection.getresponse()
        assert answer.status == 503
        assert b"<title>Down for maintenance</title>" in answer.read()
        assert answer.headers["Retry-After"]
    finally:
        good(fleet.attempt("playbooks/start.py", limit=both, app="hello"))
    until(lambda: fleet.states() == {FIRST: "UP", SECOND: "UP"})


@contextmanager
def paused(*hosts: LabHost) -> Iterator[None]:
    """Hosts whose programs get no processor time."""
    for host in hosts:
        subprocess.run(["docker", "pause", host.container], check=True, capture_output=True)
    try:
        yield
    finally:
        for host in hosts:
            subprocess.run(["docker", "unpause", host.container], check=True, capture_output=True)


def test_releases_and_changes_under_load(fleet: Fleet) -> None:
    before = {name: fleet.hosts[name].live("hello") for name in (FIRST, SECOND)}
    with fleet.load() as load:
        version(fleet.source, "another one")
        fleet.run("playbooks/release.py", limit=f"{FIRST},{SECOND}")
        fleet.more[LB] = {"haproxy": {"balance": "leastconn", "stats_port": 8404}}
        fleet.write()
        assert "balancer | configuration" in fleet.run(limit=LB).changed
        for name in (FIRST, SECOND):
            fleet.more[name]["nginx"] = {"keepalive_timeout": 30}
        fleet.write()
        assert "nginx | configuration" in fleet.run().changed
    assert all(fleet.hosts[name].live("hello") != live for name, live in before.items())
    assert load.requests > 200
    assert load.failures == []
    assert "balance leastconn" in inside(fleet.lb, "cat /etc/groundcrew/haproxy/haproxy.cfg")


def restarted(host: LabHost) -> None:
    """Starts the host again once it has stopped: a lab host cannot do that itself."""
    subprocess.run(["docker", "wait", host.container], check=True, capture_output=True, timeout=300)
    host.power_on()


def test_hosts_restart_one_after_the_other(fleet: Fleet) -> None:
    web = [fleet.hosts[name] for name in (FIRST, SECOND)]
    with ThreadPoolExecutor() as pool, fleet.load() as load:
        again = [pool.submit(restarted, host) for host in web]
        run = fleet.run("playbooks/reboot.py", limit=f"{FIRST},{SECOND}")
        for item in again:
            item.result(timeout=60)
    assert re.findall(r"\[(\S+)\] has restarted", run.stderr) == [FIRST, SECOND]
    assert load.failures == []
    assert fleet.states() == {FIRST: "UP", SECOND: "UP"}


@pytest.mark.skipif(not FULL, reason="bin/test --full runs it")
def test_packages_are_upgraded_one_host_after_the_other(fleet: Fleet) -> None:
    names = f"{FIRST},{SECOND}"
    assert "has no package to upgrade" in fleet.run("playbooks/upgrade.py", limit=names).stderr
    for name in (FIRST, SECOND):
        inside(fleet.hosts[name], OLDER)
    with fleet.load() as load:
        run = fleet.run("playbooks/upgrade.py", limit=names)
    assert re.findall(r"\[(\S+)\] has new packages", run.stderr) == [FIRST, SECOND]
    for name in (FIRST, SECOND):
        assert "0.9" not in inside(fleet.hosts[name], "dpkg-query -W -f '${Version}' cowsay")
    assert load.failures == []
    assert fleet.states() == {FIRST: "UP", SECOND: "UP"}


def test_a_host_is_lost(fleet: Fleet) -> None:
    with fleet.load() as load:
        fleet.hosts[SECOND].lose_power()
        lost = time.monotonic()
        until(lambda: fleet.states()[SECOND].startswith("DOWN"))
        assert time.monotonic() - lost < 3
        time.sleep(2)
        # Nothing takes the last host away.
        run = fleet.attempt("playbooks/reboot.py", limit=FIRST)
        assert run.status == 1
        assert f"{FIRST} would be the next, but {SECOND}" in run.stderr
        fleet.hosts[SECOND].power_on()
        until(lambda: fleet.states()[SECOND] == "UP")
    assert load.repeatable == []


@contextmanager
def unreachable(host: LabHost) -> Iterator[None]:
    """A host that nobody reaches. One without power would not be in the lab's inventory."""
    rule = "type filter hook input priority -150; reject with icmpx type host-unreachable;"
    inside(host, "nft -f -", f"table inet cut {{\nchain input {{ {rule} }}\n}}\n")
    try:
        yield
    finally:
        inside(host, "nft delete table inet cut")


def test_a_run_goes_on_without_a_host_that_is_down(fleet: Fleet) -> None:
    with unreachable(fleet.hosts[SECOND]):
        until(lambda: fleet.states()[SECOND].startswith("DOWN"))
        # Nothing takes the last host away, whatever is allowed.
        options = {"limit": f"{FIRST},{SECOND}", "down": 1, "unreachable": "skip"}
        run = fleet.attempt("playbooks/reboot.py", **options)
        assert run.status == 1
        assert "would have no healthy host left" in run.stderr
        go_without(fleet, SECOND)
    until(lambda: fleet.states()[SECOND] == "UP")
    assert keepalive(fleet, FIRST) != keepalive(fleet, SECOND)
    fleet.run()
    assert keepalive(fleet, FIRST) == keepalive(fleet, SECOND)


def keepalive(fleet: Fleet, name: str) -> str:
    """A value of a host's nginx."""
    return inside(fleet.hosts[name], "nginx -T 2>/dev/null | grep -m1 keepalive_timeout")


def go_without(fleet: Fleet, lost: str) -> None:
    """A run ends at a host that is down, unless it is told to leave it out."""
    for name in (FIRST, SECOND):
        fleet.more[name]["nginx"] = {"keepalive_timeout": 41}
    fleet.write()
    run = fleet.attempt()
    assert run.status == 1
    assert f"{lost}: connecting" in run.stderr
    assert "nothing was changed" in run.stderr
    run = fleet.attempt(unreachable="skip")
    assert run.status == 1
    assert f"[{lost}] is left out: it is down" in run.stderr
    # That one of its hosts gets no requests is what a balancer's checks are for.
    assert f"{lost} gets no requests: DOWN" in run.stderr
    assert "keepalive_timeout 41" in keepalive(fleet, FIRST)


@pytest.mark.skipif(not FULL, reason="bin/test --full runs it")
def test_a_bare_host_joins_under_load(fleet: Fleet) -> None:
    """It gets requests once it is healthy, and none if its release fails."""
    third = LabHost("fleet-web3", "bookworm", group="web", bare=True)
    third.up()
    fleet.hosts[third.name] = third
    fleet.more[third.name] = {**fleet.more[SECOND]}
    try:
        with fleet.load() as load:
            broken = {**fleet.more[SECOND]["app"]["hello"], "health": {"path": "/none"}}
            health = {"health": {"path": "/none", "timeout": 5}}
            fleet.more[third.name]["app"] = {"hello": {**broken, **health}}
            fleet.write()
            run = fleet.attempt()
            # All hosts behind a balancer need the same health path.
            assert run.status == 1
            assert "app.hello.health differs" in run.stderr
            fleet.more[third.name] = {**fleet.more[SECOND], "python": {"interpreter": "3.99"}}
            fleet.write()
            assert fleet.attempt().status == 1
            assert third.name not in fleet.states()
            fleet.more[third.name] = {**fleet.more[SECOND]}
            fleet.write()
            fleet.run()
            until(lambda: fleet.states()[third.name] == "UP")
            time.sleep(2)
            log = "grep -c -v groundcrew-health /var/log/nginx/hello.access.log"
            assert int(inside(third, log)) > 0
        assert load.requests > 300
        assert load.failures == []
    finally:
        del fleet.more[third.name], fleet.hosts[third.name]
        fleet.write()
        fleet.run()
        third.down()


@pytest.mark.skipif(not FULL, reason="bin/test --full runs it")
def test_a_host_is_lost_in_the_middle_of_a_release(fleet: Fleet) -> None:
    before = fleet.hosts[FIRST].live("hello")
    version(fleet.source, "the one that loses a host")
    with fleet.load() as load, ThreadPoolExecutor() as pool:
        release = pool.submit(fleet.attempt, "playbooks/release.py", limit=f"{FIRST},{SECOND}")
        until(lambda: fleet.hosts[FIRST].live("hello") != before, 120)
        fleet.hosts[SECOND].lose_power()
        run = release.result(timeout=300)
    fleet.hosts[SECOND].power_on()
    until(lambda: fleet.states()[SECOND] == "UP")
    assert run.status == 1
    assert SECOND in run.stderr
    assert load.repeatable == []
    # Wherever it stopped, the same run again brings both to the new release.
    fleet.run("playbooks/release.py", limit=f"{FIRST},{SECOND}")
    live = {fleet.hosts[name].live("hello") for name in (FIRST, SECOND)}
    assert before not in live
    for name in (FIRST, SECOND):
        assert "the one that loses a host" in inside(
            fleet.hosts[name], "cat /srv/hello/current/app/templates/page.html"
        )


@pytest.mark.skipif(not FULL, reason="bin/test --full runs it")
def test_applications_come_behind_the_balancer_one_by_one(fleet: Fleet) -> None:
    """A balancer that balances nothing yet is set up beside hosts that serve directly."""
    fleet.more[LB] = {"haproxy": {"apps": []}}
    fleet.write()
    fleet.run()
    assert fleet.run().changed == []
    context = ssl.create_default_context(cafile=str(CA))
    for name in (FIRST, SECOND):
        connection = Https(fleet.hosts[name].address, DOMAIN, context)
        connection.request("GET", "/", headers={"Host": DOMAIN})
        assert connection.getresponse().status == 200
    fleet.more[LB] = {"haproxy": {"apps": ["hello"]}}
    fleet.write()
    fleet.run()
    assert fleet.states() == {FIRST: "UP", SECOND: "UP"}
    assert fleet.echo({})["scheme"] == "https"
    fleet.more[LB] = {}
    fleet.write()
    assert fleet.run().changed == []


def test_a_host_that_somebody_has_taken_out(fleet: Fleet) -> None:
    fleet.talk(f"set server app-hello/{FIRST} state drain")
    run = fleet.attempt("playbooks/verify.py", limit=LB)
    assert run.status == 1
    assert f"{FIRST} gets no requests: DRAIN" in run.stderr
    assert re.search(rf"hello +{FIRST} +DRAIN", fleet.run("playbooks/status.py", limit=LB).stderr)
    assert fleet.run(limit=LB).changed == ["balancer | no host is left out"]
    file = "/etc/groundcrew/haproxy/haproxy.cfg"
    inside(fleet.lb, f"sed -i '/server {SECOND}/d' {file}; systemctl reload haproxy")
    until(lambda: SECOND not in fleet.states())
    run = fleet.attempt("playbooks/verify.py", limit=LB)
    assert run.status == 1
    assert f"{SECOND} is missing" in run.stderr
    fleet.run(limit=LB)
    assert fleet.states() == {FIRST: "UP", SECOND: "UP"}


@pytest.fixture(scope="module")
def shared(fleet: Fleet) -> str:
    """The address that two balancers share."""
    fleet.hosts[OTHER] = LabHost(OTHER, "bookworm", group="lb")
    fleet.hosts[OTHER].up()
    network = ipaddress.ip_interface(inside(fleet.lb, "ip -br -4 address show eth0").split()[2])
    address = str(network.network.broadcast_address - 5)
    for name in (LB, OTHER):
        fleet.more[name] = {"haproxy": {"address": address}}
    fleet.write()
    fleet.run()
    return address


def holders(fleet: Fleet, address: str) -> list[str]:
    """The balancers that hold the address."""
    return [
        name
        for name in (LB, OTHER)
        if f" {address}/" in inside(fleet.hosts[name], "ip -br address show eth0")
    ]


@contextmanager
def watched(address: str) -> Iterator[list[float]]:
    """Asks the address for a redirect twenty times a second, over new connections. The moments at
    which it answered."""
    good: list[float] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.05):
            try:
                with socket.create_connection((address, 80), timeout=0.3) as connection:
                    request = f"GET / HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n"
                    connection.sendall(request.encode())
                    if b" 308 " in connection.recv(4096):
                        good.append(time.monotonic())
            except OSError:
                continue

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        time.sleep(0.5)
        yield good
        time.sleep(1)
    finally:
        stop.set()
        thread.join()


def longest(moments: list[float]) -> float:
    """Seconds of the longest time without an answer."""
    return max(after - before for before, after in itertools.pairwise(moments))


def test_one_balancer_holds_the_shared_address(fleet: Fleet, shared: str) -> None:
    until(lambda: len(holders(fleet, shared)) == 1)
    [holder] = holders(fleet, shared)
    run = fleet.run("deploy.py")
    assert run.changed == []
    told = fleet.run("playbooks/status.py", limit=f"{LB},{OTHER}").stderr
    assert told.count(f"shared address: {shared}: held here") == 1
    assert told.count(f"shared address: {shared}: held by another balancer") == 1
    # The packet filter lets in VRRP from the other balancer alone.
    for name, peer in ((LB, OTHER), (OTHER, LB)):
        rules = inside(fleet.hosts[name], "nft list table inet groundcrew")
        # Where Debian's list of protocols is installed, the number has a name.
        place = re.escape(fleet.hosts[peer].address)
        assert re.search(rf"ip saddr {place} meta l4proto (112|vrrp) accept", rules)
    # A second machine that has the address, as after a bad copy of a configuration, is told.
    [other] = {LB, OTHER} - {holder}
    inside(fleet.hosts[other], f"ip address add {shared}/32 dev eth0")
    run = fleet.attempt("playbooks/verify.py", limit=f"{LB},{OTHER}")
    inside(fleet.hosts[other], f"ip address delete {shared}/32 dev eth0")
    assert run.status == 1
    assert f"{shared} is held here and by another machine" in run.stderr


def test_the_address_leaves_a_balancer_that_is_lost_or_does_not_serve(
    fleet: Fleet, shared: str
) -> None:
    seconds = {}
    for what in ("HAProxy stops", "HAProxy hangs", "power cut"):
        [holder] = holders(fleet, shared)
        host = fleet.hosts[holder]
        with watched(shared) as moments:
            if what == "HAProxy stops":
                inside(host, "systemctl stop haproxy")
            elif what == "HAProxy hangs":
                inside(host, "systemctl kill -s STOP haproxy")
            else:
                host.lose_power()
            time.sleep(6)
        seconds[what] = longest(moments)
        if what == "HAProxy stops":
            inside(host, "systemctl start haproxy")
        elif what == "HAProxy hangs":
            inside(host, "systemctl kill -s CONT haproxy")
        else:
            host.power_on()
        [after] = holders(fleet, shared)
        assert after != holder
        # Until it could take the address back.
        time.sleep(5)
    print(f"seconds without an answer at the shared address: {seconds}")
    assert max(seconds.values()) < 6


def test_balancers_restart_one_after_the_other(fleet: Fleet, shared: str) -> None:
    [holder] = holders(fleet, shared)
    [other] = {LB, OTHER} - {holder}
    with ThreadPoolExecutor() as pool, watched(shared) as moments:
        again = [pool.submit(restarted, fleet.hosts[name]) for name in (LB, OTHER)]
        run = fleet.run("playbooks/reboot.py", limit=f"{LB},{OTHER}")
        for item in again:
            item.result(timeout=60)
    assert re.findall(r"\[(\S+)\] has restarted", run.stderr) == [other, holder]
    assert re.findall(r"\[(\S+)\] has handed over", run.stderr) == [holder]
    print(f"seconds without an answer while both balancers restarted: {longest(moments):.2f}")
    assert longest(moments) < 3
    assert holders(fleet, shared) == [other]


def test_a_challenge_of_a_ca_reaches_the_balancer_that_asks(fleet: Fleet, shared: str) -> None:
    tls = {"certificate": {"type": "acme"}}
    acme = {"tls": {"acme": {"agree_tos": True}}}
    assert shared
    for name in (LB, OTHER):
        fleet.more[name] |= acme
    for name in (FIRST, SECOND):
        fleet.more[name] |= acme
        fleet.more[name]["app"]["hello"]["tls"] = tls
    fleet.write()
    # No CA can be reached here: all else is in place.
    fleet.attempt("deploy.py", "--data", "only=haproxy", limit=f"{LB},{OTHER}")
    folder = "/root/challenge/.well-known/acme-challenge"
    for asking in (LB, OTHER):
        inside(fleet.hosts[asking], f"mkdir -p {folder}; echo proof-{asking} > {folder}/token; "
               "cd /root/challenge; setsid python3 -m http.server 8402 --bind 127.0.0.1 "
               ">/dev/null 2>&1 & sleep 1; true")  # fmt: skip
        for name in (LB, OTHER):
            answer = fleet.hosts[name].get(
                "/.well-known/acme-challenge/token", DOMAIN, allow_redirects=False
            )
            assert (answer.status_code, answer.text) == (200, f"proof-{asking}\n")
        inside(fleet.hosts[asking], "pkill -f '[h]ttp.server 8402'")

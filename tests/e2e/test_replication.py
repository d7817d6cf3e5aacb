"""Replicas of PostgreSQL and Redis follow their primaries, tell their lag, and take over without a
loss."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.harness import INVENTORY, PYINFRA, ROOT, LabHost, Run, good, inside, pyinfra, until

FIRST, SECOND, WEB = "repl-db1", "repl-db2", "repl-web"
QUICK = {"app.notes.release.drain": 0, "app.notes.release.check_window": 1}


@dataclass
class Site:
    """Two database hosts, an application host, and the inventory that says what they are."""

    hosts: Mapping[str, LabHost]
    inventory: Path

    def replicate(self, replica: str, primary: str) -> None:
        """Changes the inventory."""
        needs = {"jobs": {"service": "redis.queue", "host": primary}}
        more: dict[str, dict[str, Any]] = {
            primary: {},
            replica: {
                "postgresql": {"replica_of": primary},
                "redis": {"instances": {"queue": {"replica_of": primary}}},
            },
            WEB: {"apps": ["notes"], "app": {"notes": {"needs": needs}}},
        }
        self.inventory.write_text(INVENTORY.format(more=more))

    def run(self, playbook: str = "deploy.py", *options: str, **data: Any) -> Run:
        return good(self.attempt(playbook, *options, **data))

    def attempt(
        self, playbook: str, *options: str, limit: str = f"{FIRST},{SECOND},{WEB}", **data: Any
    ) -> Run:
        values = {**QUICK, **data}
        inventory = self.inventory
        return pyinfra(limit, *options, data=values, playbook=playbook, inventory=inventory)

    def queue(self, host: str, *command: str) -> str:
        """What the queue of a host answers to its administrator."""
        login = "/var/lib/groundcrew/credentials/redis-admin/queue/active"
        client = f"redis-cli -s /run/redis-queue/server.sock --user $(cat {login}/user)"
        words = " ".join(map(shlex.quote, command))
        return self.hosts[host].out(f"REDISCLI_AUTH=$(cat {login}/password) {client} {words}")

    def jobs(self, host: str) -> set[int]:
        """The numbers that the queue of a host has."""
        return {int(item) for item in self.queue(host, "LRANGE", "test:numbers", "0", "-1").split()}

    def rows(self, host: str) -> set[int]:
        """The notes that a database host has."""
        query = "psql -d notes_database -tAc 'SELECT id FROM notes'"
        told = self.hosts[host].out(f"cd / && runuser -u postgres -- {query}")
        return {int(line) for line in told.splitlines()}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    hosts = {
        FIRST: LabHost(FIRST, "bookworm", group="postgresql,redis"),
        SECOND: LabHost(SECOND, "bookworm", group="postgresql,redis"),
        WEB: LabHost(WEB, "bookworm", group="web,redis"),
    }
    with ThreadPoolExecutor() as pool:
        list(pool.map(LabHost.up, hosts.values()))
    try:
        yield Site(hosts, tmp_path_factory.mktemp("replication") / "inventory.py")
    finally:
        if not os.environ.get("GROUNDCREW_KEEP"):
            with ThreadPoolExecutor() as pool:
                list(pool.map(LabHost.down, hosts.values()))


@dataclass
class Written:
    """The notes that the application has acknowledged."""

    numbers: set[int] = field(default_factory=set)

    def wait_for(self, more: int) -> None:
        wanted, deadline = len(self.numbers) + more, time.monotonic() + 30
        while len(self.numbers) < wanted:
            assert time.monotonic() < deadline, f"{len(self.numbers)} of {wanted} notes"
            time.sleep(0.1)


@contextmanager
def writing(host: LabHost) -> Iterator[Written]:
    """Writes notes all the time, in the background. Those that fail are not counted."""
    written = Written()
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            try:
                answer = requests.post(
                    f"http://{host.address}/notes",
                    data="text",
                    headers={"Host": "notes.test"},
                    timeout=10,
                )
                if answer.status_code == 200:
                    written.numbers.add(answer.json()["id"])
            except requests.RequestException:
                pass
            time.sleep(0.02)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield written
    finally:
        stop.set()
        thread.join(timeout=20)


PUSH = """\
import re, time, redis
# Larger than all that an earlier one has pushed.
number = int(time.time() * 1000)
while True:
    text = open("/srv/notes/current/env").read()
    url = re.search(r'JOBS_URL="?([^"\\n]+)', text).group(1)
    try:
        queue = redis.Redis.from_url(url, socket_timeout=5)
        while True:
            number += 1
            queue.rpush("test:numbers", number)
            print(number, flush=True)
            time.sleep(0.005)
    except redis.RedisError:
        time.sleep(0.05)
"""
"""Fills a queue as the application would, and prints what was acknowledged."""


@contextmanager
def pushing(host: LabHost) -> Iterator[Callable[[], set[int]]]:
    """Fills the queue all the time, in the background. Yields what tells the numbers that were
    acknowledged."""

    def acknowledged() -> set[int]:
        return {int(line) for line in host.out("cat /root/acknowledged").split()}

    program = shlex.quote(f"/srv/notes/current/venv/bin/python -c {shlex.quote(PUSH)}")
    host.out(
        "systemd-run --quiet --collect --unit=push "
        f"sh -c {program[:-1]} > /root/acknowledged' && sleep 1"
    )
    try:
        yield acknowledged
    finally:
        host.out("systemctl stop push")


def connects(host: LabHost, address: str, port: int) -> bool:
    program = f"import socket; socket.create_connection(('{address}', {port}), 3)"
    return bool(host.shell.run(f'python3 -c "{program}"').rc == 0)


def test_replicas_follow(site: Site) -> None:
    site.replicate(SECOND, FIRST)
    told = site.run().stderr
    for role in ("postgresql", "redis queue"):
        assert re.search(rf"{role} replica {SECOND} +ok +\d.* behind", told)
        assert re.search(rf"{role} replication +ok +\d.* behind", told)
    with pushing(site.hosts[WEB]) as acknowledged:
        until(lambda: len(acknowledged()) > 50)
    numbers = acknowledged()
    assert numbers <= site.jobs(FIRST)
    until(lambda: site.jobs(SECOND) == site.jobs(FIRST))
    assert "READONLY" in site.queue(SECOND, "SET", "key", "value")
    users = site.queue(FIRST, "ACL", "LIST")
    [mine] = [line for line in users.splitlines() if "user replica_" in line and " on " in line]
    may = mine.partition(" resetchannels ")[2].split()
    assert sorted(may) == ["+ping", "+psync", "+replconf", "-@all"]
    told = site.run("playbooks/status.py").stderr
    assert len(re.findall(rf"replica on {SECOND}: \d.* behind", told)) == 2
    assert len(re.findall(rf"replica of {FIRST}: \d.* behind", told)) == 2
    assert "needed by no application" not in told


def test_a_second_run_changes_nothing(site: Site) -> None:
    assert site.run().changed == []
    assert site.run("deploy.py", "--dry").planned == []


def test_only_the_replica_is_let_in(site: Site) -> None:
    first, second, web = (site.hosts[name] for name in (FIRST, SECOND, WEB))
    # The application and the replica reach the primary's queue, over TLS only.
    assert connects(second, first.address, 16380)
    assert connects(web, first.address, 16380)
    assert not any(connects(second, first.address, port) for port in (6379, 6380, 16379))
    ports = (5432, 6379, 6380, 16379, 16380)
    assert not any(connects(first, second.address, port) for port in ports)


def test_verify_is_red_when_the_link_is_cut(site: Site) -> None:
    second, first = site.hosts[SECOND], site.hosts[FIRST].address
    second.out(f"ip route add blackhole {first}/32")
    try:
        site.queue(SECOND, "CLIENT", "KILL", "TYPE", "master")
        run = site.attempt("playbooks/verify.py", limit=SECOND)
        assert run.status == 1
        assert re.search(r"redis queue replication +FAIL +receives nothing", run.stderr, re.I)
    finally:
        second.out(f"ip route del blackhole {first}/32")
    until(lambda: "master_link_status:up" in site.queue(SECOND, "INFO", "replication"))
    site.run("playbooks/verify.py")


def interrupted(site: Site, store: str, *options: str) -> None:
    """Begins a rotation, and kills the run when there is a new password on the first host."""
    command = [*PYINFRA, str(site.inventory), "playbooks/rotate.py", "-y", *options]
    run = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        there = f"test -e {store}/rotating && echo yes || true"
        until(lambda: inside(site.hosts[FIRST], there).strip() == "yes", 60)
    finally:
        run.kill()
        run.wait()


def test_a_rotation_leaves_the_copies_as_they_are(site: Site) -> None:
    first, second = site.hosts[FIRST], site.hosts[SECOND]
    units = "postgresql@15-main redis-server@queue"
    started = f"systemctl show --property=ActiveEnterTimestampMonotonic {units}"

    def state() -> tuple[str, str, str]:
        """When the primaries have started, and what whole copies have been made."""
        stats = site.queue(FIRST, "INFO", "stats")
        full = re.findall(r"sync_full:\d+", stats)[0]
        return first.out(started), full, second.out("ls /var/lib/postgresql/15")

    before = state()
    stores = "/var/lib/groundcrew/credentials/redis.queue.replicas/*"
    interrupted(site, stores, f"--data=host={SECOND}", "--data=part=redis.queue")
    told = site.attempt("playbooks/verify.py").stderr
    assert re.search(r"redis queue rotation +warn", told)
    assert re.search(r"redis queue replication +ok", told)
    with writing(site.hosts[WEB]) as written, pushing(site.hosts[WEB]) as acknowledged:
        site.run("playbooks/rotate.py", limit=f"{FIRST},{SECOND}", host=SECOND)
        written.wait_for(10)
    login = first.out(
        "runuser -u postgres -- psql -XAtc "
        "'select usename, rolcanlogin from pg_stat_replication, pg_roles where "
        "rolname = overlay(usename::text placing $$a$$ from length(usename::text))'"
    )
    assert re.fullmatch(r"replica_\w+_b\|f", login)
    users = site.queue(FIRST, "ACL", "LIST")
    assert re.search(r"user replica_\w+_a off ", users)
    until(
        lambda: re.search(r"user=replica_\w+_b ", site.queue(FIRST, "CLIENT", "LIST")) is not None
    )
    assert written.numbers <= site.rows(FIRST)
    until(lambda: site.rows(SECOND) == site.rows(FIRST))
    assert acknowledged() <= site.jobs(FIRST)
    until(lambda: site.jobs(SECOND) == site.jobs(FIRST))
    assert state() == before
    assert site.run().changed == []


def test_a_planned_promotion_loses_nothing(site: Site) -> None:
    with writing(site.hosts[WEB]) as written, pushing(site.hosts[WEB]) as acknowledged:
        written.wait_for(20)
        told = site.run("playbooks/promote.py", host=SECOND).stderr
        assert f"{SECOND} is the primary of PostgreSQL now" in told
        assert f"{SECOND} is the primary of Redis (queue) now" in told
        # The old one is stopped, and would accept no writes if somebody started it.
        data = "/var/lib/postgresql/15/main"
        site.hosts[FIRST].out(f"test -e {data}/standby.signal && ! test -e {data}/postmaster.pid")
        site.hosts[FIRST].out("systemctl restart redis-server@queue && sleep 1")
        assert "NOREPLICAS" in site.queue(FIRST, "SET", "key", "value")
        # With the old inventory, nothing is undone.
        run = site.attempt("deploy.py")
        assert run.status == 1
        assert "it accepts no writes" in run.stderr
        site.replicate(FIRST, SECOND)
        before = len(acknowledged())
        told = site.run().stderr
        for role in ("postgresql", "redis queue"):
            assert re.search(rf"{role} replica {FIRST} +ok", told)
        written.wait_for(20)
        until(lambda: len(acknowledged()) > before + 50)
    rows, numbers = site.rows(SECOND), site.jobs(SECOND)
    assert written.numbers
    assert written.numbers <= rows
    assert acknowledged() <= numbers
    until(lambda: site.rows(FIRST) == rows and site.jobs(FIRST) == numbers)
    assert site.run().changed == []


def test_a_lost_primary_is_replaced(site: Site) -> None:
    promote = {"limit": FIRST, "host": FIRST, "part": "redis.queue"}
    run = site.attempt("playbooks/promote.py", **promote)
    assert run.status == 1
    assert f"{SECOND} still answers" in run.stderr
    with pushing(site.hosts[WEB]) as acknowledged:
        until(lambda: len(acknowledged()) > 20)
    until(lambda: acknowledged() <= site.jobs(FIRST))
    site.hosts[SECOND].out("systemctl stop redis-server@queue")
    told = site.run("playbooks/promote.py", **promote).stderr
    assert f"{FIRST} is the primary of Redis (queue) now" in told
    assert "the last of it is from 20" in told
    assert site.queue(FIRST, "SET", "key", "value") == "OK"
    site.hosts[FIRST].out("systemctl restart redis-server@queue && sleep 1")
    assert acknowledged() <= site.jobs(FIRST)
    # The old one comes back, and somebody runs the old inventory.
    run = site.attempt("deploy.py")
    assert run.status == 1
    assert "it has been promoted" in run.stderr
    assert site.queue(FIRST, "GET", "key") == "value"

"""What runs libraries that an update has replaced is restarted, and nobody notices."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.harness import LabHost, Run, Traffic, converged, good, inside, pyinfra, traffic

LIBRARY = "/usr/lib/x86_64-linux-gnu/libssl.so.3"
REPLACE = f"cp -a {LIBRARY} {LIBRARY}.dpkg-new && mv {LIBRARY}.dpkg-new {LIBRARY}"
"""As dpkg does it."""

USED = "grep -ls 'libssl.so.3 (deleted)' /proc/[0-9]*/maps || true"
STANDIN = "groundcrew-standin-hello.service"


@pytest.fixture(scope="module")
def bookworm() -> Iterator[LabHost]:
    """A host of its own: what other tests have left running runs replaced libraries too."""
    with converged("e2e-renew", "bookworm") as host:
        yield host


def update(host: LabHost) -> None:
    """An update of a library that the applications and nginx run."""
    inside(host, f"{REPLACE} && touch /var/lib/dpkg/status")
    assert inside(host, USED)


def renew(host: LabHost) -> Run:
    return pyinfra(host.name, playbook="playbooks/renew.py")


def verify(host: LabHost) -> Run:
    return pyinfra(host.name, playbook="playbooks/verify.py")


def unit(host: LabHost) -> str:
    return f"hello@{host.live('hello')}.service"


def main_process(host: LabHost, name: str) -> str:
    return inside(host, f"systemctl show --value --property=MainPID {shlex.quote(name)}").strip()


@contextmanager
def served(host: LabHost) -> Iterator[list[Traffic]]:
    """Visitors, none of whom may notice anything. Each request has a connection of its own: nginx
    closes idle ones when it ends, and a request may just be on its way, as with any reload."""
    own = {"Connection": "close"}
    with (
        traffic(host, "/", "hello.test", headers=own) as pages,
        traffic(host, "/echo", "hello.test", body="x" * 2000, headers=own) as forms,
        traffic(host, "/get", "httpbin.test", headers=own) as others,
    ):
        kinds = [pages, forms, others]
        yield kinds
    assert [item.failures for item in kinds] == [[], [], []]
    assert min(item.requests for item in kinds) > 50


def test_all_that_runs_a_replaced_library_is_renewed(bookworm: LabHost) -> None:
    update(bookworm)
    before = {name: main_process(bookworm, name) for name in (unit(bookworm), "nginx.service")}
    told = good(verify(bookworm)).stderr
    assert "libraries" in told
    assert "libssl.so.3" in told
    shown = good(pyinfra(bookworm.name, playbook="playbooks/status.py")).stderr
    assert "nginx.service still runs what an update has replaced: libssl.so.3" in shown
    with served(bookworm):
        run = good(renew(bookworm))
    assert run.changed == ["renewal"]
    assert inside(bookworm, USED) == ""
    after = {name: main_process(bookworm, name) for name in before}
    assert all(after[name] not in ("0", before[name]) for name in before)
    assert after["nginx.service"] == inside(bookworm, "cat /run/nginx.pid").strip()
    assert good(renew(bookworm)).changed == []
    assert {name: main_process(bookworm, name) for name in before} == after
    words = " ".join(good(verify(bookworm)).stderr.split())
    assert "libraries ok nothing runs one that an update has replaced" in words
    assert inside(bookworm, f"ls /run/systemd/system | grep {STANDIN} || true") == ""


def test_a_new_process_that_does_not_start_leaves_the_old_one(bookworm: LabHost) -> None:
    update(bookworm)
    name = unit(bookworm)
    before = main_process(bookworm, name)
    inside(bookworm, "mv /srv/hello/current/env /root/env")
    try:
        with served(bookworm):
            run = renew(bookworm)
        assert run.status == 1
        assert f"{name}: a new process is not healthy" in run.stderr
        assert "the old one goes on serving" in run.stderr
        assert main_process(bookworm, name) == before
        assert inside(bookworm, f"ls /run/systemd/system | grep {STANDIN} || true") == ""
        verification = verify(bookworm)
        assert verification.status == 1
        assert "the old one goes on" in " ".join(verification.stderr.split())
    finally:
        inside(bookworm, "mv /root/env /srv/hello/current/env")
    # The others were renewed the first time.
    assert "nginx.service: renewed" not in good(renew(bookworm)).stderr
    assert inside(bookworm, USED) == ""


def test_a_unit_that_does_not_come_back_is_stood_in_for(bookworm: LabHost) -> None:
    update(bookworm)
    name = unit(bookworm)
    folder = f"/run/systemd/system/{name}.d"
    broken = "[Service]\\nExecStart=\\nExecStart=/bin/false\\n"
    inside(bookworm, f"mkdir {folder}; printf '{broken}' > {folder}/broken.conf")
    link = "readlink /run/groundcrew/nginx/hello/current.sock"
    try:
        with served(bookworm):
            run = renew(bookworm)
            assert run.status == 1
            assert f"{name}: restarted, is not healthy" in run.stderr
            assert "its stand-in serves" in run.stderr
            assert inside(bookworm, link).startswith("/run/groundcrew/standin/hello/")
            inside(bookworm, f"rm -r {folder}; systemctl daemon-reload")
            assert good(renew(bookworm)).changed == ["renewal"]
    finally:
        inside(bookworm, f"rm -rf {folder}; systemctl daemon-reload")
    assert inside(bookworm, link).startswith("/run/groundcrew/apps/hello/")
    assert inside(bookworm, f"systemctl is-active {name}").strip() == "active"
    assert inside(bookworm, f"ls /run/systemd/system | grep {STANDIN} || true") == ""
    good(verify(bookworm))


def test_instances_workers_and_held_sockets(bookworm: LabHost) -> None:
    clock = {"command": "python -c 'import ssl, time; time.sleep(9e5)'"}
    data = {
        "app.httpbin.instances": 2,
        "app.hello.workers": {"clock": clock},
        "app.hello.release.strategy": "restart",
        "renewal.enabled": False,
    }
    try:
        good(pyinfra(bookworm.name, data=data))
        assert good(pyinfra(bookworm.name, data=data)).changed == []
        timer = "systemctl is-active groundcrew-renew.timer || true"
        assert inside(bookworm, timer).strip() == "inactive"
        update(bookworm)
        assert "renewal.enabled is off" in " ".join(
            good(pyinfra(bookworm.name, playbook="playbooks/verify.py", data=data)).stderr.split()
        )
        with served(bookworm):
            run = good(renew(bookworm))
        for part in ("httpbin@", ".2.service", "hello.clock@", "hello@"):
            lines = [line for line in run.stderr.splitlines() if part in line]
            assert any("renewed" in line for line in lines), run.stderr
        assert inside(bookworm, USED) == ""
    finally:
        good(pyinfra(bookworm.name))
    assert inside(bookworm, timer).strip() == "active"


@pytest.mark.parametrize("busy", ["a release", "apt"])
def test_it_waits_for_others(bookworm: LabHost, busy: str) -> None:
    """While a run releases the application it is left alone; nothing is restarted while packages
    are being installed."""
    lock = {"a release": "/srv/hello/lock", "apt": "/var/lib/dpkg/lock-frontend"}[busy]
    kind = "flock(f, fcntl.LOCK_EX)" if busy == "a release" else "lockf(f, fcntl.LOCK_EX)"
    update(bookworm)
    before = main_process(bookworm, unit(bookworm))
    program = f"import fcntl, time; f = open('{lock}', 'r+'); fcntl.{kind}; time.sleep(600)"
    inside(
        bookworm,
        f"systemd-run --quiet --unit=busy.service python3 -c {shlex.quote(program)}; sleep 1",
    )
    try:
        if busy == "apt":
            inside(bookworm, "systemctl start --no-block groundcrew-renew; sleep 8")
            assert inside(bookworm, USED)
        else:
            run = good(renew(bookworm))
            assert "hello: a run is at work on it: it is left for the next time" in run.stderr
        assert main_process(bookworm, unit(bookworm)) == before
    finally:
        inside(bookworm, "systemctl stop busy.service")
    assert good(renew(bookworm)).changed == ["renewal"]
    assert inside(bookworm, USED) == ""

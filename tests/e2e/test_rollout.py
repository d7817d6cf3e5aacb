"""A release over three hosts: one first, then batches; who fails takes the others back."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import GOOD, LabHost, Run, pyinfra, traffic

BROKEN_HERE = """
import pathlib
if pathlib.Path("/etc/broken-here").exists():
    raise RuntimeError("this host cannot run it")
"""


UNWELL = """
import time
from pathlib import Path

BEGAN = time.monotonic()


@app.before_request
def unwell():
    if Path("/etc/unwell-here").exists() and time.monotonic() - BEGAN > 3:
        return "unwell", 500
"""


MARK = "cat /proc/sys/kernel/random/uuid > mark"
"""A build hook whose result is another one in every build."""

HOSTILE_TAR = """#!/bin/sh
case " $* " in (*" --create "*) exec cat /etc/hostile.tar;; esac
exec /usr/bin/tar.real "$@"
"""


@pytest.fixture(scope="module")
def three() -> Iterator[list[LabHost]]:
    hosts = [LabHost(f"e2e-roll-{letter}", "bookworm") for letter in "abc"]
    try:
        LabHost.together(hosts, LabHost.up)
        run = pyinfra(names(hosts), data={"apps": ["hello"]})
        assert run.status == 0, run.stderr
        yield hosts
    finally:
        LabHost.together(hosts, LabHost.down)


def names(hosts: list[LabHost]) -> str:
    return ",".join(host.name for host in hosts)


def release(
    hosts: list[LabHost], source: Path, text: str, *options: str, window: int = 1, **more: Any
) -> Run:
    app = (GOOD / "hello.py").read_text()
    (source / "hello.py").write_text(f"{app}\n\n# {text}\n{BROKEN_HERE}")
    data = {
        "apps": ["hello"],
        "app.hello.source.directory": str(source),
        "app.hello.health.timeout": 15,
        "app.hello.release.drain": 3,
        "app.hello.release.check_window": window,
        "app.hello.hooks.build": [MARK],
        **{f"app.hello.rollout.{key}": value for key, value in more.items()},
    }
    return pyinfra(names(hosts), *options, data=data, playbook="playbooks/release.py")


def live(hosts: list[LabHost]) -> dict[str, str]:
    return {host.name: host.live("hello") for host in hosts}


def test_all_hosts_get_the_release(three: list[LabHost], source: Path) -> None:
    before = live(three)
    run = release(three, source, "good", batch=1)
    assert run.status == 0, run.stderr
    after = live(three)
    assert len(set(after.values())) == 1
    assert set(after.values()).isdisjoint(before.values())
    # One host has built, and the others have the same files with the same modes and times.
    assert len({host.out("cat /srv/hello/current/app/mark") for host in three}) == 1
    assert len(set(parts(three).values())) == 1
    assert len(re.findall(r"hello: .* of \d parts are fetched for others", run.stderr)) == 1
    assert len(re.findall(r"hello: .* sent in", run.stderr)) == 2


def parts(hosts: list[LabHost]) -> dict[str, str]:
    """The fingerprints of what the hosts' releases consist of."""
    script = (
        "import json; root = '/srv/hello/'; "
        "known = json.load(open(root + 'current/release.json')); "
        "places = ['environments/' + item for item in known['environments']]; "
        "places.append('code/' + known['code']); "
        "print([open(root + item + '/part.json').read() for item in places])"
    )
    return {host.name: host.out(f'python3 -c "{script}"') for host in hosts}


def test_a_host_that_lost_its_releases_gets_them_from_another(
    three: list[LabHost], source: Path
) -> None:
    """As one that is added later."""
    release(three, source, "good", batch=1)
    mark = three[0].out("cat /srv/hello/current/app/mark")
    late = three[1]
    late.out("rm -rf /srv/hello/code/* /srv/hello/environments/* /srv/hello/releases/*")
    run = release(three, source, "good", batch=1)
    assert run.status == 0, run.stderr
    assert late.out("cat /srv/hello/current/app/mark") == mark
    assert len(set(parts(three).values())) == 1
    assert release(three, source, "good", batch=1).changed == []


@contextmanager
def hostile_builders(hosts: list[LabHost], members: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Hosts whose root sends an archive with these members in place of what was built."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as target:
        for name, values in members.items():
            item = tarfile.TarInfo(name)
            for key, value in values.items():
                setattr(item, key, value)
            data = b"evil\n" if item.isreg() else b""
            item.size = len(data)
            target.addfile(item, io.BytesIO(data))
    for host in hosts:
        for path, data in (
            ("/etc/hostile.tar", content.getvalue()),
            ("/etc/tar", HOSTILE_TAR.encode()),
        ):
            command = ["docker", "exec", "-i", host.container, "sh", "-c", f"cat > {path}"]
            subprocess.run(command, input=data, check=True)
        host.out("mv /usr/bin/tar /usr/bin/tar.real; install -m755 /etc/tar /usr/bin/tar")
    try:
        yield
    finally:
        for host in hosts:
            host.out("mv /usr/bin/tar.real /usr/bin/tar")


def test_an_archive_made_to_harm_harms_nobody(three: list[LabHost], source: Path) -> None:
    """Its digest is right: the builder's root itself has made it."""
    before = live(three)
    members: dict[str, dict[str, Any]] = {
        "su": {"mode": 0o6755},
        "/etc/cron.d/evil": {},
        "code/../../../../../../etc/evil": {},
        "lead": {"type": tarfile.SYMTYPE, "linkname": "/etc"},
        "lead/evil": {},
        "disk": {"type": tarfile.BLKTYPE, "devmajor": 8},
        "shadow": {"type": tarfile.LNKTYPE, "linkname": "/etc/shadow"},
    }
    with hostile_builders(three, members):
        run = release(three, source, "hostile", batch=2)
    assert run.status == 1
    assert live(three) == before
    assert "/usr/bin/tar" in run.stderr
    assert len(re.findall(r"not released: hello", run.stderr)) >= 2
    for host in three:
        assert host.out("ls -d /etc/evil /etc/cron.d/evil 2>&1 | grep -c 'No such'") == "2"
        assert host.out("find /srv/hello '(' -perm /6000 -type f -o -type b ')' | wc -l") == "0"
        assert host.out("ls /srv/hello/build | wc -l") == "0"
        assert host.get("/", "hello.test").status_code == 200
    run = release(three, source, "hostile", batch=2)
    assert run.status == 0, run.stderr
    # The builder kept its release from the first run; the digest is that of all.
    assert len({name.rpartition("-")[2] for name in live(three).values()}) == 1
    assert set(live(three).values()).isdisjoint(before.values())
    assert len({host.out("cat /srv/hello/current/app/mark") for host in three}) == 1


def test_a_broken_batch_takes_the_others_back(three: list[LabHost], source: Path) -> None:
    """The first host in the inventory goes first and is fine; the next two are not."""
    before = live(three)
    first, *rest = sorted(three, key=lambda host: host.name)
    for host in rest:
        host.out("touch /etc/broken-here")
    with traffic(first, "/", "hello.test") as counts:
        run = release(three, source, "broken after the first", batch=2)
    for host in rest:
        host.out("rm /etc/broken-here")
    assert run.status == 1
    assert "this host cannot run it" in run.stderr
    assert f"[{first.name}] is back on the release before" in run.stderr
    assert live(three) == before
    assert counts.failures == []


def test_one_that_does_not_stay_healthy_takes_the_others_back(
    three: list[LabHost], source: Path
) -> None:
    """All have switched when one of them is not healthy any more."""
    before = live(three)
    first, broken, last = sorted(three, key=lambda host: host.name)
    broken.out("touch /etc/unwell-here")
    with traffic(first, "/", "hello.test") as one, traffic(last, "/", "hello.test") as other:
        run = release(three, source, f"unwell\n{UNWELL}", batch=1, window=5)
    broken.out("rm /etc/unwell-here")
    assert run.status == 1
    assert f"[{first.name}] is back on the release before" in run.stderr
    # The last one may have passed its own check window before the other failed, or not.
    assert re.search(
        rf"\[{last.name}\].* (went back: {broken.name} failed|is back on the release before)",
        run.stderr,
    )
    assert live(three) == before
    assert one.failures == other.failures == []
    for host in three:
        assert host.get("/health", "hello.test").status_code == 200
    # Nothing is left of it that runs.
    for host in three:
        assert host.out("systemctl list-units --no-legend 'hello@*' | wc -l") == "1"


def test_a_broken_host_under_serial(three: list[LabHost], source: Path) -> None:
    """pyinfra takes the hosts in any order: whoever came before the broken one goes back."""
    before = live(three)
    broken = three[1]
    broken.out("touch /etc/broken-here")
    run = release(three, source, "broken under serial", "--serial")
    broken.out("rm /etc/broken-here")
    assert run.status == 1
    assert live(three) == before
    for host in three:
        assert host.get("/", "hello.test").status_code == 200


def test_a_broken_canary_touches_one_host(three: list[LabHost], source: Path) -> None:
    before = live(three)
    for host in three:
        host.out("touch /etc/broken-here; rm -f /srv/hello/releases.log")
    run = release(three, source, "broken everywhere", batch=2)
    for host in three:
        host.out("rm /etc/broken-here")
    assert run.status == 1
    assert live(three) == before, run.stderr
    logs = [host.shell.file("/srv/hello/releases.log").exists for host in three]
    assert logs.count(True) == 1


def test_hooks_run_on_one_host(three: list[LabHost], source: Path) -> None:
    for host in three:
        host.out("rm -f /srv/hello/shared/home/hooks")
    (source / "note").write_text("hooks")
    app = (GOOD / "hello.py").read_text()
    (source / "hello.py").write_text(f"{app}\n\n# hooks\n")
    data = {
        "apps": ["hello"],
        "app.hello.source.directory": str(source),
        "app.hello.release.drain": 0,
        "app.hello.hooks.release": ["date >> $HOME/hooks"],
    }
    run = pyinfra(names(three), data=data)
    assert run.status == 0, run.stderr
    ran = [host.shell.file("/srv/hello/shared/home/hooks").exists for host in three]
    assert ran.count(True) == 1
    assert len(set(live(three).values())) == 1
    assert pyinfra(names(three), data=data).changed == []

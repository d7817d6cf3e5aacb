"""What is left when a run is killed, a release is taken back, or a file is damaged."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.harness import (
    ROLLBACK,
    LabHost,
    Run,
    good,
    held_build,
    inside,
    pyinfra,
    start_pyinfra,
    traffic,
    version,
)

RELEASE = "playbooks/release.py"


def data(source: Path, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "apps": ["hello"],
        "app.hello.source.directory": str(source),
        "app.hello.health.timeout": 15,
        **(more or {}),
    }


def release(host: LabHost, source: Path, more: Mapping[str, Any] | None = None) -> Run:
    return pyinfra(host.name, data=data(source, more), playbook=RELEASE)


def rollback(host: LabHost, **more: Any) -> Run:
    return pyinfra(host.name, playbook=ROLLBACK, data={"app": "hello", **more})


def page(host: LabHost) -> str:
    return host.get("/", "hello.test").text


def kill_at(run: subprocess.Popen[str], step: str, seconds: float = 0) -> None:
    """Ends the operator's process, which cannot tidy up, some seconds into a step."""
    assert run.stdout is not None
    for line in run.stdout:
        if "Starting operation" in line and step in line:
            break
    time.sleep(seconds)
    run.send_signal(signal.SIGKILL)
    run.wait(timeout=30)
    run.stdout.close()


def wait_for(host: LabHost, command: str) -> None:
    deadline = time.monotonic() + 60
    while inside(host, f"{command} && echo yes || true").strip()[-3:] != "yes":
        assert time.monotonic() < deadline, command
        time.sleep(0.2)


def test_what_drains_for_a_run_that_is_gone_does_not_stop_what_is_live_again(
    bookworm: LabHost, source: Path
) -> None:
    version(source, "one")
    good(release(bookworm, source))
    one = bookworm.live("hello")
    version(source, "two")
    drain = 16
    more = {"app.hello.release.drain": drain, "app.hello.release.check_window": 1}
    with traffic(bookworm, "/health", "hello.test") as counts:
        slow = subprocess.Popen(
            ["curl", "-s", "-H", "Host: hello.test",
             f"http://{bookworm.address}/slow?seconds=20"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        time.sleep(0.5)
        run = start_pyinfra(bookworm.name, data(source, more))
        kill_at(run, "retire", 2)
        killed = time.monotonic()
        assert bookworm.live("hello") != one
        good(rollback(bookworm))
        assert bookworm.live("hello") == one
        # For longer than the drain of the run that is gone would have lasted.
        time.sleep(max(0.0, killed + drain + 3 - time.monotonic()))
        assert slow.communicate(timeout=30)[0].startswith("{"), "it was cut off"
    assert counts.requests > 100
    assert counts.failures == []
    assert bookworm.out(f"systemctl is-active hello@{one}.service") == "active"
    good(pyinfra(bookworm.name, playbook=RELEASE, data={"app": "hello"}))


def test_hooks_of_a_run_that_is_gone_are_waited_for(bookworm: LabHost, source: Path) -> None:
    version(source, "hooks")
    bookworm.out("rm -f /srv/hello/shared/home/migrations")
    hook = "echo begin >> $HOME/migrations; sleep 8; echo end >> $HOME/migrations"
    more = {"app.hello.hooks.release": [hook]}
    run = start_pyinfra(bookworm.name, data(source, more))
    kill_at(run, "release hooks", 1)
    wait_for(bookworm, "grep -q begin /srv/hello/shared/home/migrations")
    good(release(bookworm, source, more))
    assert bookworm.out("cat /srv/hello/shared/home/migrations").split() == ["begin", "end"]
    assert release(bookworm, source, more).changed == []


def test_a_build_of_a_run_that_is_gone_ends(bookworm: LabHost, source: Path) -> None:
    version(source, "long build")
    slow = {"app.hello.hooks.build": ["sleep 600"]}
    run = start_pyinfra(bookworm.name, data(source, slow))
    wait_for(bookworm, "pgrep -u hello-build sleep >/dev/null")
    run.kill()
    run.communicate(timeout=30)
    started = time.monotonic()
    version(source, "short build")
    good(release(bookworm, source))
    assert time.monotonic() - started < 200
    assert "short build" in page(bookworm)
    assert inside(bookworm, "pgrep -u hello-build || true") == ""
    assert inside(bookworm, "ls -A /srv/hello/build") == ""


@pytest.mark.parametrize("where", ["application", "nginx"])
def test_a_page_under_checks_decides_over_a_release(
    bookworm: LabHost, source: Path, where: str
) -> None:
    before = bookworm.live("hello")
    version(source, "broken page")
    text = (source / "hello.py").read_text()
    if where == "application":
        page_of = '@app.get("/")\ndef page() -> str:\n    raise RuntimeError("no table orders")\n'
    else:
        page_of = '@app.get("/")\ndef page() -> str:\n    return "welcome"\n'
    begin, end = text.index('@app.get("/")'), text.index('@app.get("/health")')
    (source / "hello.py").write_text(text[:begin] + page_of + text[end:])
    with traffic(bookworm, "/", "hello.test") as counts:
        run = release(bookworm, source)
    assert run.status != 0
    assert "check failed: /" in run.stderr
    if where == "application":
        assert "no table orders" in run.stderr
    else:
        assert "does not contain 'It works'" in run.stderr
    assert bookworm.live("hello") == before
    assert counts.failures == []
    units = bookworm.out("systemctl list-units --plain --no-legend --state=active 'hello@*'")
    assert len(units.splitlines()) == 1


@pytest.mark.parametrize("part", ["code", "environment"])
def test_a_damaged_file_is_built_again(bookworm: LabHost, source: Path, part: str) -> None:
    version(source, f"whole {part}")
    good(release(bookworm, source))
    live = bookworm.live("hello")
    folder = f"/srv/hello/releases/{live}"
    file = {
        "code": f"{folder}/app/hello.py",
        "environment": f"{folder}/venv/lib/python3.11/site-packages/flask/__init__.py",
    }[part]
    inside(bookworm, f": > $(readlink -f {file}); find -L {folder} -name __pycache__ | head -0")
    inside(bookworm, f"find -L {folder}/app {folder}/venv -name '{Path(file).stem}*.pyc' -delete")
    inside(bookworm, f"systemctl restart --no-block hello@{live}.service")
    for _ in range(20):
        time.sleep(1)
        broken = bookworm.get("/", "hello.test").status_code
        if broken == 502:
            break
    assert broken == 502
    good(release(bookworm, source))
    assert f"whole {part}" in page(bookworm)
    assert release(bookworm, source).changed == []


def test_a_rollback_leads_to_what_served_before(bookworm: LabHost, source: Path) -> None:
    ids = {}
    for name in ("A", "B"):
        version(source, name)
        good(release(bookworm, source))
        ids[name] = bookworm.live("hello")
    # One whose hook fails never serves, and is newer than all others.
    version(source, "never")
    assert release(bookworm, source, {"app.hello.hooks.release": ["false"]}).status != 0
    version(source, "A")
    good(release(bookworm, source))
    assert bookworm.live("hello") == ids["A"]
    good(rollback(bookworm))
    assert bookworm.live("hello") == ids["B"]
    with traffic(bookworm, "/", "hello.test") as counts:
        twice = rollback(bookworm)
    assert counts.failures == []
    assert bookworm.live("hello") not in (ids["A"],), "that was left just now"
    if twice.status != 0:
        assert f"--data release={ids['A']}" in twice.stderr

    # A deploy for something else says so, and leaves it as it is.
    live = bookworm.live("hello")
    version(source, "A")
    other = good(pyinfra(bookworm.name, data=data(source)))
    assert bookworm.live("hello") == live
    assert "left by a rollback" in other.stderr
    assert "--data again=hello" in other.stderr
    assert not [name for name in other.changed if name.startswith("app |")]
    good(pyinfra(bookworm.name, data=data(source, {"again": "hello"})))
    assert bookworm.live("hello") == ids["A"]
    assert "left by a rollback" not in good(release(bookworm, source)).stderr


def test_a_slow_start_does_not_spoil_a_good_release(bookworm: LabHost, source: Path) -> None:
    version(source, "slow one day")
    slow = "import os, time\nfrom pathlib import Path\n" + (
        "if Path(os.environ['HOME'], 'slow').exists():\n    time.sleep(30)\n"
    )
    path = source / "hello.py"
    path.write_text(path.read_text().replace("import os\n", slow, 1))
    more = {"app.hello.server.preload": True, "app.hello.health.timeout": 6}
    good(release(bookworm, source, more))
    first = bookworm.live("hello")
    version(source, "the next")
    good(release(bookworm, source, more))
    second = bookworm.live("hello")
    inside(bookworm, "touch /srv/hello/shared/home/slow")
    try:
        failed = pyinfra(
            bookworm.name, playbook=ROLLBACK, data={**data(source, more), "app": "hello"}
        )
        assert failed.status != 0
        assert bookworm.live("hello") == second
    finally:
        inside(bookworm, "rm /srv/hello/shared/home/slow")
    good(pyinfra(bookworm.name, playbook=ROLLBACK, data={**data(source, more), "app": "hello"}))
    assert bookworm.live("hello") == first


def test_a_switch_that_fails_leaves_the_old_release_alone(bookworm: LabHost, source: Path) -> None:
    version(source, "before the full disk")
    good(release(bookworm, source))
    before = bookworm.live("hello")
    version(source, "on a full disk")
    full = "/etc/tmpfiles.d"
    inside(bookworm, f"mount -t tmpfs -o nr_inodes=1 tmpfs {full}")
    try:
        with traffic(bookworm, "/", "hello.test") as counts:
            run = release(bookworm, source)
    finally:
        inside(bookworm, f"umount {full}")
    assert run.status != 0
    assert f"the switch failed; {before} still serves" in run.stderr
    assert counts.failures == []
    assert bookworm.live("hello") == before
    running = bookworm.out("systemctl list-units --plain --no-legend --state=active 'hello@*'")
    assert [line.split()[0] for line in running.splitlines()] == [f"hello@{before}.service"]
    wants = bookworm.out("ls /etc/systemd/system/multi-user.target.wants").split()
    assert [name for name in wants if name.startswith("hello@")] == [f"hello@{before}.service"]
    good(release(bookworm, source))
    assert "on a full disk" in page(bookworm)


def test_twelve_locks_need_one_session(bookworm: LabHost, source: Path) -> None:
    """sshd allows ten at a time; what is locked shows in the lock file of each application."""
    version(source, "locks")
    with held_build(bookworm, data(source)) as run:
        holder = json.loads(inside(bookworm, "cat /srv/hello/lock"))
        assert set(holder) == {"operator", "since", "run"}
        refused = release(bookworm, source)
    assert refused.status != 0
    assert f"hello is being released by {holder['operator']} since" in refused.stderr
    told, _ = run.communicate(timeout=120)
    assert run.returncode == 0, told
    assert inside(bookworm, "cat /srv/hello/lock") == ""


def test_back_to_the_manifest(bookworm: LabHost) -> None:
    """By way of a host that may reach every other; leaves it as the other tests expect it."""
    opened = good(pyinfra(bookworm.name, data={"app.hello.network": "any"}))
    assert "0.2 of it for `network: any`" in " ".join(opened.stderr.split())
    good(pyinfra(bookworm.name))
    assert pyinfra(bookworm.name).changed == []
    assert requests.get(
        f"http://{bookworm.address}/", headers={"Host": "hello.test"}, timeout=10
    ).ok

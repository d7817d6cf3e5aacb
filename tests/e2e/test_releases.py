"""Releases that follow one another: rollback, background work, locks, and what breaks late."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import (
    FULL,
    GOOD,
    ROLLBACK,
    LabHost,
    Run,
    good,
    held_build,
    pyinfra,
    start_pyinfra,
    traffic,
    version,
)

# Seconds into a release; few of them in a normal run.
MOMENTS = [1.5, 4, 9, 0.5, 2, 2.5, 3, 5, 6.5, 11]
KILLED_AFTER = MOMENTS if FULL else MOMENTS[:2]

WORKER = """
import os, pathlib, signal, time
out = pathlib.Path(os.environ["HOME"], "worker.log")
stop = False
def end(*_):
    global stop
    stop = True
signal.signal(signal.SIGTERM, end)
def note(text):
    with out.open("a") as file:
        file.write(f"{os.environ['WORKER_INSTANCE']} VERSION {text}\\n")
note("started")
while not stop:
    time.sleep(0.2)
time.sleep(JOB)
note("finished its job")
"""


def data(source: Path, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "apps": ["hello"],
        "app.hello.source.directory": str(source),
        "app.hello.health.timeout": 15,
        # Sync workers keep no connections: nothing is left to drain but requests in flight.
        "app.hello.release.drain": 6,
        **(more or {}),
    }


def release(host: LabHost, source: Path, more: Mapping[str, Any] | None = None) -> Run:
    return pyinfra(host.name, data=data(source, more), playbook="playbooks/release.py")


def log(host: LabHost) -> list[dict[str, Any]]:
    return [json.loads(line) for line in host.out("cat /srv/hello/releases.log").splitlines()]


def page(host: LabHost) -> str:
    return host.get("/", "hello.test").text


RELOADS = r"journalctl --sync; journalctl -q --no-pager -o cat _PID=1 | grep -c '^Reloading\.$'"


def test_systemd_is_reloaded_once_at_most(bookworm: LabHost, source: Path) -> None:
    """It takes time that a release waits for."""
    for number in (1, 2):
        version(source, f"reloads {number}")
        before = int(bookworm.out(RELOADS))
        good(release(bookworm, source))
        assert int(bookworm.out(RELOADS)) <= before + 1


def test_rollback_needs_no_build_and_brings_the_settings_back(
    bookworm: LabHost, source: Path
) -> None:
    version(source, "one")
    good(release(bookworm, source, {"app.hello.env.GREETING": "first greeting"}))
    one = bookworm.live("hello")
    version(source, "two")
    more = {"app.hello.env.GREETING": "second greeting", "app.hello.server.workers": 2}
    good(release(bookworm, source, more))
    two = bookworm.live("hello")
    assert "second greeting" in page(bookworm)
    # Until the switch it made way for the one that served.
    weight = bookworm.out(f"systemctl show --property=CPUWeight --value hello@{two}")
    assert weight.strip() == "100"

    with traffic(bookworm, "/", "hello.test") as counts:
        run = good(pyinfra(bookworm.name, playbook=ROLLBACK, data={"app": "hello"}))
    assert counts.failures == []
    assert bookworm.live("hello") == one
    assert "first greeting" in page(bookworm)
    assert "<!-- one -->" in page(bookworm)
    assert not any("build" in name for name in run.changed)
    entry = log(bookworm)[-1]
    assert (entry["action"], entry["release"], entry["result"]) == ("rollback", one, "live")
    assert entry["seconds"] < 30

    assert two in json.loads(bookworm.out("cat /srv/hello/history.json"))["taken_back"]
    back = good(pyinfra(bookworm.name, playbook=ROLLBACK, data={"app": "hello", "release": two}))
    assert bookworm.live("hello") == two
    again = pyinfra(bookworm.name, playbook=ROLLBACK, data={"app": "hello", "release": two})
    assert good(again).changed == []
    assert back.changed


def test_rollback_to_a_release_that_is_not_kept(bookworm: LabHost) -> None:
    before = bookworm.live("hello")
    wanted = {"app": "hello", "release": "20000101T000000Z-000000000000"}
    run = pyinfra(bookworm.name, playbook=ROLLBACK, data=wanted)
    assert run.status == 1
    assert "no release 20000101T000000Z-000000000000 is kept" in run.stderr
    assert bookworm.live("hello") == before


def test_a_page_that_fails_behind_nginx_goes_back_by_itself(
    bookworm: LabHost, source: Path
) -> None:
    """Healthy on its socket, but not when it is asked through nginx."""
    version(source, "fails behind nginx")
    app = source / "hello.py"
    app.write_text(
        app.read_text().replace(
            'return jsonify(status="ok")',
            'from flask import request\n    if "X-Request-Id" in request.headers:\n'
            '        raise RuntimeError("only behind nginx")\n    return jsonify(status="ok")',
        )
    )
    before = bookworm.live("hello")
    run = release(bookworm, source)
    assert run.status == 1
    assert bookworm.live("hello") == before
    assert bookworm.get("/health", "hello.test").status_code == 200
    assert log(bookworm)[-1]["result"] == f"failed behind nginx, back on {before}"
    units = bookworm.out("systemctl list-units --plain --no-legend --state=active 'hello@*'")
    assert [line.split()[0] for line in units.splitlines()] == [f"hello@{before}.service"]


def test_a_crash_after_five_seconds(bookworm: LabHost, source: Path) -> None:
    version(source, "crashes")
    app = source / "hello.py"
    app.write_text(
        app.read_text()
        + "\n\nimport signal, threading\n"
        + "threading.Timer(5, lambda: os.kill(os.getppid(), signal.SIGKILL)).start()\n"
    )
    before = bookworm.live("hello")
    with traffic(bookworm, "/", "hello.test") as counts:
        run = release(bookworm, source, {"app.hello.release.check_window": 6})
    assert run.status == 1
    assert counts.failures == []
    assert counts.requests > 100
    assert bookworm.live("hello") == before


def test_memory_over_its_limit(bookworm: LabHost, source: Path) -> None:
    version(source, "eats memory")
    app = source / "hello.py"
    app.write_text(app.read_text() + "\n\nhog = bytearray(300_000_000)\n")
    before = bookworm.live("hello")
    with traffic(bookworm, "/", "hello.test") as counts:
        more = {"app.hello.limits.memory_max": "150M", "app.hello.health.timeout": 6}
        run = release(bookworm, source, more)
    assert run.status == 1
    assert counts.failures == []
    assert bookworm.live("hello") == before


def test_one_release_at_a_time(bookworm: LabHost, source: Path) -> None:
    version(source, "slow to build")
    with held_build(bookworm, data(source)) as first:
        second = release(bookworm, source, {"app.hello.env.GREETING": "second run"})
    assert second.status == 1
    assert "hello is being released by" in second.stderr
    assert "since 20" in second.stderr
    told, _ = first.communicate(timeout=120)
    assert first.returncode == 0, told


def test_the_lock_of_a_run_that_is_gone(bookworm: LabHost, source: Path) -> None:
    version(source, "killed")
    run = start_pyinfra(bookworm.name, data(source, {"app.hello.hooks.build": ["sleep 5"]}))
    assert run.stdout is not None
    for line in run.stdout:
        if "Starting operation" in line and "build releases" in line:
            break
    time.sleep(2)
    run.send_signal(signal.SIGKILL)
    run.wait()
    time.sleep(1)
    again = good(release(bookworm, source))
    assert "took over the lock of" in again.stderr
    assert bookworm.out("cat /srv/hello/lock") == ""


@pytest.mark.parametrize("delay", KILLED_AFTER)
def test_the_operators_process_is_killed(bookworm: LabHost, source: Path, delay: float) -> None:
    version(source, f"killed after {delay} s")
    with traffic(bookworm, "/", "hello.test") as counts:
        run = start_pyinfra(bookworm.name, data(source))
        time.sleep(delay)
        if run.poll() is None:
            run.send_signal(signal.SIGKILL)
        run.wait()
        if run.stdout:
            run.stdout.close()
        good(release(bookworm, source))
    assert counts.failures == []
    assert f"killed after {delay} s" in page(bookworm)
    assert release(bookworm, source).changed == []


def test_workers_and_timers_follow_the_release(bookworm: LabHost, source: Path) -> None:
    def with_worker(text: str, job: int) -> None:
        version(source, text)
        worker = WORKER.replace("VERSION", text).replace("JOB", str(job))
        (source / "worker.py").write_text(worker)

    more = {
        "app.hello.workers": {
            "mail": {"command": "python worker.py", "instances": 2, "stop_timeout": 40}
        },
        "app.hello.timers": {
            "tick": {"command": "sh -c 'date >> $HOME/ticks'", "schedule": "*:*:0/5"}
        },
        "app.hello.release.drain": 2,
    }
    bookworm.out("rm -f /srv/hello/shared/home/worker.log /srv/hello/shared/home/ticks")
    with_worker("A", 12)
    good(release(bookworm, source, more))
    assert release(bookworm, source, more).changed == []
    with_worker("B", 0)
    good(release(bookworm, source, more))
    live = bookworm.live("hello")
    notes = bookworm.out("cat /srv/hello/shared/home/worker.log").splitlines()
    assert {"1 A started", "2 A started", "1 B started", "2 B started"} <= set(notes)
    for _ in range(45):
        notes = bookworm.out("cat /srv/hello/shared/home/worker.log").splitlines()
        if "2 A finished its job" in notes and "1 A finished its job" in notes:
            break
        time.sleep(1)
    assert {"1 A finished its job", "2 A finished its job"} <= set(notes)
    running = bookworm.out("systemctl list-units --plain --no-legend --state=active 'hello.*'")
    names = {line.split()[0] for line in running.splitlines()}
    assert names == {
        f"hello.mail@{live}.1.service",
        f"hello.mail@{live}.2.service",
        f"hello.tick@{live}.timer",
    }
    assert bookworm.out("wc -l < /srv/hello/shared/home/ticks") != "0"
    without = good(release(bookworm, source))
    assert "app | hello: workers and timers" in without.changed
    left = bookworm.out("systemctl list-units --plain --no-legend --state=active 'hello.*'")
    assert left == ""


def test_a_worker_that_does_not_stay_up_takes_the_release_back(
    bookworm: LabHost, source: Path
) -> None:
    def worker(command: str) -> dict[str, Any]:
        return {
            "app.hello.workers": {"mail": {"command": command}},
            "app.hello.release.drain": 2,
            "app.hello.release.check_window": 5,
        }

    version(source, "with a worker that works")
    good(release(bookworm, source, worker("sleep infinity")))
    live = bookworm.live("hello")
    version(source, "with one that does not")
    with traffic(bookworm, "/", "hello.test") as counts:
        run = release(bookworm, source, worker("sh -c 'sleep 2; echo no such queue; exit 3'"))
    assert run.status == 1
    assert counts.failures == []
    assert "no such queue" in run.stderr
    assert "is back on the release before" in run.stderr
    assert bookworm.live("hello") == live
    running = bookworm.out("systemctl list-units --plain --no-legend --state=active 'hello.*'")
    assert [line.split()[0] for line in running.splitlines()] == [f"hello.mail@{live}.1.service"]
    good(release(bookworm, source))


def test_static_files_of_the_release_before_stay_reachable(bookworm: LabHost, source: Path) -> None:
    more = {"app.hello.static": {"path": "static"}}

    def release_with(name: str) -> None:
        for old in (source / "static").glob("app.*.js"):
            old.unlink()
        (source / "static" / name).write_text(f"// {name}")
        good(pyinfra(bookworm.name, data=data(source, more)))

    release_with("app.11111111.js")
    release_with("app.22222222.js")
    for name in ("app.11111111.js", "app.22222222.js", "page.css"):
        answer = bookworm.get(f"/static/{name}", "hello.test")
        assert answer.status_code == 200, name
        assert answer.headers["Cache-Control"] == "max-age=3600"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert bookworm.get("/static/.releases/", "hello.test").status_code == 404
    log_lines = bookworm.out("tail -n 4 /var/log/nginx/hello.access.log")
    assert "app.11111111.js" in log_lines
    good(pyinfra(bookworm.name, data=data(source)))


def test_everything_comes_back_after_a_reboot(bookworm: LabHost, source: Path) -> None:
    version(source, "before the reboot")
    (source / "worker.py").write_text(WORKER.replace("VERSION", "R").replace("JOB", "0"))
    more = {
        "app.hello.workers": {"mail": {"command": "python worker.py"}},
        "app.hello.timers": {"tick": {"command": "true", "schedule": "daily"}},
    }
    good(release(bookworm, source, more))
    live = bookworm.live("hello")
    bookworm.reboot()
    for _ in range(60):
        try:
            if "before the reboot" in page(bookworm):
                break
        except OSError:
            pass
        time.sleep(0.5)
    assert "before the reboot" in page(bookworm)
    assert bookworm.live("hello") == live
    for unit in (f"hello@{live}", f"hello.mail@{live}.1", "nginx"):
        assert bookworm.shell.service(unit).is_running
    assert bookworm.out(f"systemctl is-active hello.tick@{live}.timer") == "active"
    assert release(bookworm, source, more).changed == []
    assert "chain input" in bookworm.out("nft list table inet groundcrew")
    good(release(bookworm, source))


def test_the_hooks_run_once_per_release(bookworm: LabHost, source: Path) -> None:
    version(source, "hooks")
    more = {"app.hello.hooks.release": ["echo $GREETING $(id -un) >> $HOME/hooks"]}
    bookworm.out("rm -f /srv/hello/shared/home/hooks")
    good(release(bookworm, source, more))
    good(release(bookworm, source, more))
    assert bookworm.out("cat /srv/hello/shared/home/hooks") == "good morning hello"
    kept = bookworm.out("cat /srv/hello/current/hooks.log")
    assert "hook failed" not in kept


def test_strategy_restart_lets_requests_wait(bookworm: LabHost, source: Path) -> None:
    version(source, "restart one")
    more = {"app.hello.release.strategy": "restart"}
    # As long as nginx waits for an application.
    with traffic(bookworm, "/", "hello.test", patience=60) as counts:
        good(release(bookworm, source, more))
        version(source, "restart two")
        good(release(bookworm, source, more))
        assert "restart two" in page(bookworm)
        assert release(bookworm, source, more).changed == []
        (source / "hello.py").write_text("raise RuntimeError('broken')\n")
        broken = release(bookworm, source, more)
        assert broken.status == 1
        assert "restart two" in page(bookworm)
        shutil.copy(GOOD / "hello.py", source / "hello.py")
        version(source, "switch again")
        good(release(bookworm, source))
    assert counts.failures == []
    assert "switch again" in page(bookworm)
    assert not bookworm.shell.file("/etc/systemd/system/hello.socket").exists


def test_only_the_newest_releases_are_kept(bookworm: LabHost, source: Path) -> None:
    for number in range(3):
        version(source, f"kept {number}")
        good(release(bookworm, source, {"app.hello.release.keep": 2, "app.hello.release.drain": 0}))
    kept = bookworm.out("ls /srv/hello/releases").split()
    assert len(kept) == 2
    assert bookworm.live("hello") == max(kept)
    units = bookworm.out("ls -d /etc/systemd/system/hello@*.service").split()
    assert len(units) == 2


def test_back_to_the_manifest(bookworm: LabHost) -> None:
    """Leaves the host as the other tests expect it."""
    good(pyinfra(bookworm.name))
    assert pyinfra(bookworm.name).changed == []

"""The checks at the end of a run, on a host that keeps its promises and on one that breaks them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from groundcrew import remote
from tests.e2e.harness import LabHost, Run, inside, pyinfra


def verify(host: LabHost, folder: Path, **data: Any) -> tuple[Run, dict[str, dict[str, str]]]:
    """A run of verify alone, and its checks by name."""
    path = folder / "verify.json"
    run = pyinfra(
        host.name, playbook="playbooks/verify.py", data={"verify.json": str(path), **data}
    )
    report = json.loads(path.read_text())
    assert report["ok"] == (run.status == 0)
    assert run.status != 0 or run.changed == []
    return run, {check["name"]: check for check in report["hosts"][host.name]["checks"]}


def test_every_promise_is_kept(converged: LabHost, tmp_path: Path) -> None:
    run, checks = verify(converged, tmp_path)
    assert run.status == 0, run.stderr
    for name in (
        "hello: unit",
        "hello: sandbox",
        "nginx: sandbox",
        "own units: sandbox",
        "hello: gzip",
        "httpbin: connection reuse",
        "httpbin: headers on missing page",
        "httpbin: headers on bad request",
        "hello: unknown name",
        "listening sockets",
        "firewall: policy",
        "firewall: from outside (IPv4)",
        "ssh policy",
        "sudo policy",
        "logrotate dry run",
        "unattended upgrades",
    ):
        assert checks[name]["status"] == "ok", checks[name]
        assert f"{name} " in run.stderr


def test_a_broken_promise_fails_the_run(bookworm: LabHost, tmp_path: Path) -> None:
    bookworm.out("systemctl stop nginx")
    try:
        run, checks = verify(bookworm, tmp_path)
    finally:
        bookworm.out("systemctl start nginx")
    assert run.status == 1
    assert checks["nginx: unit"]["status"] == "fail"
    assert checks["hello: sandbox"]["status"] == "ok"
    assert " 0 failed" not in run.stderr


def test_a_healthy_application_whose_page_is_broken_fails_the_run(
    bookworm: LabHost, tmp_path: Path
) -> None:
    data = {"app.hello.checks": [{"path": "/", "contains": "sign in"}, {"path": "/nowhere"}]}
    run, checks = verify(bookworm, tmp_path, **data)
    assert run.status == 1
    failed = {name for name, check in checks.items() if check["status"] == "fail"}
    assert len(failed) == 2
    assert all(name.startswith("hello: ") for name in failed)
    assert verify(bookworm, tmp_path)[0].status == 0


def test_hosts_say_whether_their_clock_is_kept(converged: LabHost) -> None:
    """Which is judged where the clock is the host's own: not in a container."""
    call = "import sys; names = {'__name__': ''}; exec(sys.stdin.read(), names); "
    call += "print(names['json'].dumps(names['upkeep']({})))"
    found = json.loads(inside(converged, f'python3 -c "{call}"', remote.source("verify_host")))
    assert set(found["clock"]) == {"NTP", "NTPSynchronized"}
    assert found["upgrade_timer"] == "enabled"

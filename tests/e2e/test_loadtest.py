"""bin/loadtest as people use it: against an application that is fast enough, a slow one, and while
something else is done."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.five import inventory_of
from tests.e2e.harness import ROOT, LabHost, converged, good, pyinfra, until

APP = "ragagent-like"


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return inventory_of(tmp_path_factory.mktemp("load"), "e2e-load")


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return {
        "apps": [APP],
        f"app.{APP}.release.check_window": 1,
        f"app.{APP}.env.MODEL_LOAD_SECONDS": 0,
        # All load comes from one address.
        "nginx.limits.allow": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
    }


@pytest.fixture(scope="module")
def host(data: dict[str, Any], inventory: Path) -> Iterator[LabHost]:
    with converged("e2e-load", "bookworm", data, inventory=inventory) as target:
        yield target


def loadtest(
    inventory: Path, data: dict[str, Any], folder: Path, *options: str
) -> tuple[int, str, dict[str, Any]]:
    """Exit status, output, and the report."""
    report = folder / "report.json"
    done = subprocess.run(
        [
            ROOT / "bin/loadtest",
            *options,
            f"--inventory={inventory}",
            *(f"--data={key}={json.dumps(value)}" for key, value in data.items()),
            f"--json={report}",
            f"--html={folder / 'report.html'}",
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    told = json.loads(report.read_text()) if report.exists() else {}
    return done.returncode, done.stdout, told


def workers(host: LabHost) -> set[str]:
    main = host.out(f"systemctl show -P MainPID '{APP}@*.service'")
    return set(host.out(f"pgrep -P {main}").split())


def test_an_application_that_reaches_its_targets(
    host: LabHost, inventory: Path, data: dict[str, Any], tmp_path: Path
) -> None:
    """50 users, 1,000 requests: above 99.5 % within 2 s, more than 100 a second."""
    status, output, report = loadtest(
        inventory, data, tmp_path, APP, "--users=50", "--requests=1000", "--ramp-up=1"
    )
    assert status == 0, output
    assert report["ok"]
    assert report["total"]["requests"] == 1000
    assert report["failures"] == []
    assert report["total"]["rate"] > 100
    # It ends with the last request, long before the default duration.
    assert report["seconds"] < 45
    counts = {item["name"]: item["requests"] for item in report["steps"]}
    assert counts["GET /api/v1/search?word=pump"] > 4 * counts["POST /api/v1/documents"] > 0
    assert "seconds  users  requests" in output
    page = (tmp_path / "report.html").read_text()
    assert "<html" in page
    # The log of nginx has them too.
    log = host.out(f"grep -c 'GET /api/v1/search' /var/log/nginx/{APP}.access.log")
    assert int(log) == counts["GET /api/v1/search?word=pump"]


def test_a_restart_under_load(
    host: LabHost, inventory: Path, data: dict[str, Any], tmp_path: Path
) -> None:
    before = workers(host)
    status, output, report = loadtest(
        inventory, data, tmp_path, APP, "--users=5", "--rate=0", "--ramp-up=0", "--during=restart"
    )
    assert status == 0, output
    assert report["during"] == {**report["during"], "playbook": "playbooks/restart.py", "status": 0}
    assert report["total"]["requests"] > 100
    # Gunicorn's old workers end when their last connection does.
    until(lambda: before.isdisjoint(workers(host)))


def test_a_url_of_the_inventory_and_another_one(
    host: LabHost, inventory: Path, data: dict[str, Any], tmp_path: Path
) -> None:
    url = "http://ragagent.test/api/v1/search?word=x"
    limits = ("--users=2", "--requests=20", "--rate=0")
    status, output, report = loadtest(inventory, data, tmp_path, url, *limits)
    assert status == 0, output
    assert report["total"]["requests"] == 20
    status, output, _ = loadtest(inventory, data, tmp_path, f"http://{host.address}1/", *limits)
    assert status == 2
    assert "is not a host of" in output


def test_a_slow_application_fails(
    host: LabHost, inventory: Path, data: dict[str, Any], tmp_path: Path
) -> None:
    source = tmp_path / "slow"
    shutil.copytree(ROOT / "examples" / APP, source)
    code = (source / "app.py").read_text()
    slow = code.replace(
        "    index = read()\n    hits", "    time.sleep(3)\n    index = read()\n    hits"
    )
    assert slow != code
    (source / "app.py").write_text(slow)
    slower = {**data, f"app.{APP}.source.directory": str(source)}
    good(pyinfra(host.name, data=slower, inventory=inventory, playbook="playbooks/release.py"))
    status, output, report = loadtest(
        inventory, slower, tmp_path, APP, "--users=10", "--requests=20", "--ramp-up=0"
    )
    assert status == 1, output
    failed = [item["name"] for item in report["checks"] if item["status"] == "fail"]
    assert failed == ["answer time", "requests"]
    assert report["total"]["p95"] >= 3

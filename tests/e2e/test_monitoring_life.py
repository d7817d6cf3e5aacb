"""What happens on any day makes no alert, and a monitoring host that is lost comes back."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import FULL, GOOD, LabHost, good, inside, until, version
from tests.e2e.watched import DIRECTORY, PROGRAM, Site, watched

pytestmark = pytest.mark.skipif(not FULL, reason="bin/test --full")

WEB, MONITOR = "life-web", "life-mon"
HELLO: dict[str, Any] = {"domains": ["hello.test"]}
STORED = {"backup": {"targets": {"disk": {"type": "directory", "path": DIRECTORY}}}}
VISITOR = """
import http.client, time
while True:
    try:
        client = http.client.HTTPConnection("127.0.0.1", timeout=20)
        while True:
            client.request("GET", "/", headers={"Host": "hello.test"})
            client.getresponse().read()
            time.sleep(0.1)
    except (OSError, http.client.HTTPException):
        time.sleep(0.1)
"""
CALM = 150
"""Seconds after the last change: HostDown, for one, fires after a minute."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("life")
    (folder / "key").write_text("a-long-key-of-the-operator-for-tests-only")
    data = {
        "backup.key.file": str(folder / "key"),
        # Where nothing keeps the machine's clock right, the kernel says so after half an hour.
        "monitoring.lasting": {"ClockNotSynchronised": 30 * 86400},
    }
    more = {
        WEB: {"apps": ["hello"], "app": {"hello": HELLO}, **STORED},
        MONITOR: {"monitoring": {"backup": True}, **STORED},
    }
    hosts = LabHost(WEB, "bookworm"), LabHost(MONITOR, "trixie", group="monitoring")
    with watched(*hosts, folder, more, data) as site:
        yield site


def visit(site: Site) -> None:
    """A visitor on the host itself, from now on."""
    inside(site.web, "cat > /root/visitor.py", VISITOR)
    inside(
        site.web,
        "systemctl is-active -q visitor || systemd-run -q --unit=visitor python3 /root/visitor.py",
    )


def test_releases_restarts_and_changes_make_no_alert(site: Site, tmp_path: Path) -> None:
    """With the thresholds that groundcrew has."""
    source = tmp_path / "hello"
    shutil.copytree(GOOD, source)
    released = {**HELLO, "source": {"directory": str(source)}}
    began = len(site.inbox.messages)
    visit(site)
    for number in range(20):
        version(source, f"version {number}")
        good(site.run(app={"hello": released}, playbook="playbooks/release.py"))
        if number % 4 == 3:
            host = site.monitor if number == 11 else site.web
            host.reboot()
            visit(site)
    for level in (2, 4, 6):
        data = {"app": {"hello": released}, "nginx.gzip_level": level}
        good(site.run(limit=WEB, **data))
    time.sleep(CALM)
    told = [
        (item["labels"]["alertname"], item["labels"]["instance"], item["status"])
        for message in site.inbox.messages[began:]
        for item in message["alerts"]
    ]
    assert told == []


def measured_at(site: Site, moment: float) -> int:
    """How many targets Prometheus knows to have been up then."""
    return len(site.ask(f"query?query=up==1&time={moment:.0f}")["result"])


def test_a_monitoring_host_that_is_lost_comes_back_with_its_history(
    site: Site, tmp_path: Path
) -> None:
    moment = time.time() - 30
    wanted = measured_at(site, moment)
    assert wanted >= 5
    inside(site.monitor, f"{PROGRAM} run full && {PROGRAM} drill disk")
    copied = f"{site.monitor.container}:{DIRECTORY}"
    subprocess.run(["docker", "cp", "-q", copied, tmp_path], check=True)
    site.monitor.up()
    copied = f"{site.monitor.container}:{Path(DIRECTORY).parent}"
    subprocess.run(["docker", "cp", "-q", tmp_path / Path(DIRECTORY).name, copied], check=True)
    good(site.run(prepare="yes"))
    # It measures all, and watches for all, before anything has been restored.
    until(lambda: measured_at(site, time.time()) == wanted)
    assert measured_at(site, moment) == 0
    good(site.run(playbook="playbooks/restore.py", app="monitoring", restore="monitoring"))
    assert measured_at(site, moment) == wanted
    good(site.run())
    assert site.run("--dry").planned == []

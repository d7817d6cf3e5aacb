"""An application is taken off a host, with and without its data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import LabHost, Run, pyinfra

APP = "hello-asgi"
BEHIND = {
    f"app.{APP}.workers": {"mail": {"command": "sleep infinity", "instances": 2}},
    f"app.{APP}.timers": {"tick": {"command": "true", "schedule": "*-*-* *:*:0/3"}},
}
TRACES = (
    f"ls -d /srv/{APP}/* /run/groundcrew/*/{APP} /etc/tmpfiles.d/groundcrew-{APP}* "
    f"/var/log/nginx/{APP}.* "
    f"/etc/systemd/system/{APP}[@.]* /run/systemd/system.control/{APP}* 2>/dev/null; "
    f"ls /etc/nginx/groundcrew/*/{APP}.* /etc/nginx/sites-enabled/*{APP}* 2>/dev/null; "
    f"getent passwd {APP} {APP}-build | cut -d: -f1; "
    f"getent group {APP} {APP}-build {APP}-web | cut -d: -f1; "
    f"systemctl list-units --all --plain --no-legend '{APP}*' | cut -d' ' -f1; true"
)


def remove(host: LabHost, *options: str, **data: Any) -> Run:
    return pyinfra(host.name, *options, playbook="playbooks/remove.py", data={"app": APP, **data})


def leftovers(host: LabHost, folder: Path) -> dict[str, str]:
    path = folder / "verify.json"
    run = pyinfra(host.name, playbook="playbooks/verify.py", data={"verify.json": str(path)})
    assert run.status == 0, run.stderr
    checks = json.loads(path.read_text())["hosts"][host.name]["checks"]
    check: dict[str, str] = next(item for item in checks if item["name"] == "leftovers")
    return check


@pytest.fixture
def left(trixie: LabHost) -> Iterator[LabHost]:
    """A host that still runs an application that its settings do not name any more."""
    run = pyinfra(trixie.name, data={"apps": ["hello", "httpbin", APP], **BEHIND})
    assert run.status == 0, run.stderr
    assert f"{APP}: sandbox of workers and timers" in run.stderr
    trixie.out(f"runuser -u {APP} -- touch /srv/{APP}/shared/upload")
    yield trixie
    remove(trixie, purge=APP)
    assert pyinfra(trixie.name).status == 0


def test_an_application_goes_and_its_data_only_when_that_is_said(
    left: LabHost, tmp_path: Path
) -> None:
    named = remove(left, apps=["hello", APP])
    assert named.status == 1
    assert "still among `apps`" in named.stderr
    assert leftovers(left, tmp_path)["status"] == "warn"
    before = left.out(TRACES)
    for trace in (f"{APP}.mail@", f"{APP}.tick@", f"/run/groundcrew/apps/{APP}", f"{APP}-build"):
        assert trace in before

    dry = remove(left, "--dry")
    assert dry.status == 0, dry.stderr
    assert f"path /srv/{APP}/releases" in dry.stderr
    assert left.out(TRACES) == before
    # Somebody else's unit whose name begins as one of ours.
    left.out(f"printf '[Service]\\nExecStart=true\\n' > /etc/systemd/system/{APP}@mine.service")

    run = remove(left)
    assert run.status == 0, run.stderr
    assert run.changed[-1] == f"{APP}: remove"
    assert left.out(TRACES).split() == [
        f"/etc/systemd/system/{APP}@mine.service",
        f"/srv/{APP}/lock",
        f"/srv/{APP}/releases.log",
        f"/srv/{APP}/shared",
        f"/var/log/nginx/{APP}.access.log",
        f"/var/log/nginx/{APP}.error.log",
        APP,
        APP,
        f"{APP}-web",
    ]
    assert left.out(f"ls /srv/{APP}/shared") == "home\nupload"
    assert leftovers(left, tmp_path)["status"] == "ok"
    assert remove(left).changed == []
    for name in ("hello", "httpbin"):
        assert left.live(name)
    assert left.get("/health", "hello.test").status_code == 200

    left.out(f"rm /etc/systemd/system/{APP}@mine.service")
    run = remove(left, purge=APP)
    assert run.status == 0, run.stderr
    assert left.out(TRACES) == ""
    assert remove(left, purge=APP).changed == []


def test_a_name_is_needed_that_can_be_one(trixie: LabHost) -> None:
    for data, word in (({}, "is required"), ({"app": "root"}, '"root" is no name')):
        run = pyinfra(trixie.name, playbook="playbooks/remove.py", data=data)
        assert run.status == 1
        assert word in run.stderr

"""Several instances of an application: the load is spread, one may die, releases take all along."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import GOOD, LabHost, good, pyinfra

RATE = 120
TELL = """

@app.get("/instance")
def instance() -> str:
    \"\"\"Which of several it is.\"\"\"
    return os.environ.get("INSTANCE", "alone")
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, with a page that tells the instance."""
    copy = tmp_path_factory.mktemp("instances") / "hello"
    shutil.copytree(GOOD, copy)
    module = copy / "hello.py"
    module.write_text(module.read_text() + TELL)
    return copy


def settings(source: Path, instances: int, **more: Any) -> dict[str, Any]:
    return {
        "apps": ["hello"],
        "app.hello.source.directory": str(source),
        "app.hello.instances": instances,
        # One address, more requests than a client may send.
        "app.hello.nginx.limits": False,
        "app.hello.server.workers": 2,
        "app.hello.limits": {"memory_max": "512M", "cpu_quota": "50%"},
        "app.hello.release.check_window": 1,
        # Nobody asks while these releases replace one another, but where it is said.
        "app.hello.release.drain": 0,
        **more,
    }


def units(host: LabHost) -> list[str]:
    """The units that serve."""
    text = host.out("systemctl list-units --plain --no-legend --state=active 'hello@*'")
    return sorted(line.split()[0] for line in text.splitlines())


def spread(host: LabHost, requests: int = 60) -> Counter[str]:
    """How many answers came from each instance."""
    return Counter(host.get("/instance", "hello.test").text for _ in range(requests))


@dataclass
class Load:
    """What clients saw; POST requests may fail where the instance dies that has them."""

    failures: list[str] = field(default_factory=list)
    requests: int = 0

    @property
    def idempotent(self) -> list[str]:
        return [text for text in self.failures if " POST " not in text]


@contextmanager
def load(host: LabHost) -> Iterator[Load]:
    """Twelve clients, GET and POST, over kept and new connections."""
    program = Path(__file__).with_name("load.py")
    clients = subprocess.Popen(
        [sys.executable, str(program), host.address, "hello.test", "600", str(RATE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    measured = Load()
    try:
        time.sleep(1)
        yield measured
    finally:
        out, _ = clients.communicate(timeout=60)
    result = json.loads(out)
    measured.failures, measured.requests = result["failures"], len(result["samples"])


def test_requests_are_spread_over_instances_with_limits_of_their_own(
    bookworm: LabHost, source: Path
) -> None:
    good(pyinfra(bookworm.name, data=settings(source, 1)))
    assert set(spread(bookworm, 5)) == {"alone"}
    data = settings(source, 3)
    run = good(pyinfra(bookworm.name, data=data))
    assert "hello 3: socket" in run.stderr
    names = units(bookworm)
    assert len(names) == 3
    counts = spread(bookworm)
    assert set(counts) == {"1", "2", "3"}
    assert min(counts.values()) >= 15, counts
    for name in names:
        shown = bookworm.out(
            f"systemctl show --property=MemoryMax --property=CPUQuotaPerSecUSec {name}"
        )
        assert "MemoryMax=536870912" in shown
        assert "CPUQuotaPerSecUSec=500ms" in shown
        assert bookworm.out(f"systemctl is-enabled {name}") == "enabled"
    assert good(pyinfra(bookworm.name, data=data)).changed == []
    status = good(
        pyinfra(bookworm.name, playbook="playbooks/status.py", data={**data, "app": "hello"})
    )
    assert all(f"web{number} " in status.stderr for number in ("", " 2", " 3"))


def test_one_instance_dies_and_no_request_that_can_be_repeated_fails(
    bookworm: LabHost, source: Path
) -> None:
    [victim] = [name for name in units(bookworm) if name.endswith(".2.service")]
    with load(bookworm) as seen:
        for _ in range(2):
            bookworm.out(f"systemctl kill --signal=KILL {victim}")
            time.sleep(4)
    assert seen.idempotent == []
    # Six of the clients send POST requests: what each has under way, at each of two deaths.
    assert len(seen.failures) <= 12
    assert seen.requests > 500
    assert bookworm.out(f"systemctl show --property=NRestarts --value {victim}") == "2"
    assert len(units(bookworm)) == 3


def test_releases_rollbacks_and_restarts_take_all_instances_along(
    bookworm: LabHost, source: Path
) -> None:
    """Also to a release that has another number of them, while nginx knows three."""
    data = settings(source, 3, **{"app.hello.release.drain": None})
    before = bookworm.live("hello")
    with load(bookworm) as seen:
        (source / "release.txt").write_text("next")
        good(pyinfra(bookworm.name, data=data, playbook="playbooks/release.py", nice=10))
        assert bookworm.live("hello") != before
        good(
            pyinfra(
                bookworm.name,
                data={**data, "app": "hello"},
                playbook="playbooks/restart.py",
                nice=10,
            )
        )
        alone = bookworm.out("ls -tr /srv/hello/releases").split()[-3]
        back = {**data, "app": "hello", "release": alone}
        good(pyinfra(bookworm.name, data=back, playbook="playbooks/rollback.py", nice=10))
        assert set(spread(bookworm, 9)) == {"alone"}
        assert len(units(bookworm)) == 1
        again = {**data, "again": "hello"}
        good(pyinfra(bookworm.name, data=again, playbook="playbooks/release.py", nice=10))
    assert seen.failures == []
    assert set(spread(bookworm)) == {"1", "2", "3"}
    run = "/run/groundcrew/nginx/hello"
    links = bookworm.out(f"readlink {run}/current.sock {run}/current.3.sock").split()
    live = bookworm.live("hello")
    sockets = "/run/groundcrew/apps/hello"
    assert links == [f"{sockets}/{live}.sock", f"{sockets}/{live}.3.sock"]


def test_all_instances_are_back_after_a_reboot(bookworm: LabHost, source: Path) -> None:
    # Tests before this one drain for longer, which the host notes.
    good(pyinfra(bookworm.name, data=settings(source, 3)))
    bookworm.reboot()
    deadline = time.monotonic() + 30
    while len(units(bookworm)) < 3 and time.monotonic() < deadline:
        time.sleep(0.5)
    assert set(spread(bookworm)) == {"1", "2", "3"}
    assert good(pyinfra(bookworm.name, data=settings(source, 3))).changed == []


def test_development_loads_changed_code(bookworm: LabHost, source: Path) -> None:
    """For one run and back."""
    data, play = settings(source, 3), "playbooks/release.py"
    live = bookworm.live("hello")
    good(pyinfra(bookworm.name, data={**data, "app.hello.mode": "development"}, playbook=play))
    assert len(units(bookworm)) == 1
    assert bookworm.live("hello") != live
    bookworm.out('sed -i \'s/"alone"/"changed"/\' /srv/hello/current/app/hello.py')
    deadline = time.monotonic() + 20
    while (answers := set(spread(bookworm, 1))) == {"alone"} and time.monotonic() < deadline:
        time.sleep(0.5)
    assert answers == {"changed"}
    good(pyinfra(bookworm.name, data=data, playbook=play))
    assert bookworm.live("hello") == live, "the release that was there already"
    assert set(spread(bookworm)) == {"1", "2", "3"}


def test_instances_under_uwsgi(bookworm: LabHost, source: Path) -> None:
    server = {"type": "uwsgi", "processes": 1}
    data = settings(source, 2)
    del data["app.hello.server.workers"]
    data["app.hello.server"] = server
    good(pyinfra(bookworm.name, data=data))
    assert set(spread(bookworm, 20)) == {"1", "2"}
    links = bookworm.out("ls /run/groundcrew/nginx/hello").split()
    assert sorted(name for name in links if name.startswith("current")) == [
        "current.2.sock",
        "current.2.uwsgi.sock",
        "current.sock",
        "current.uwsgi.sock",
    ]
    [victim] = [name for name in units(bookworm) if name.endswith(".2.service")]
    bookworm.out(f"systemctl stop {victim}")
    assert set(spread(bookworm, 20)) == {"1"}
    good(pyinfra(bookworm.name))

"""A host asks its applications for their health, and restarts what does not answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.e2e.harness import LabHost, good, inside, pyinfra

POLL = {"interval": 1, "timeout": 1, "retries": 2, "start_period": 3, "restarts": 2}
BROKEN = "/srv/hello/shared/broken"
COUNT = "journalctl -u groundcrew-health-hello -o cat | grep -c 'it is restarted$' || true"
AGAIN = "it is healthy again, and serves in place of its stand-in"
OVER = "it is not restarted again within this hour"


@pytest.fixture
def polled(bookworm: LabHost, source: Path) -> Iterator[tuple[LabHost, dict[str, object]]]:
    """A host that asks an application, which is not healthy while a file exists."""
    main = next(path for path in source.glob("*.py") if "def health" in path.read_text())
    text = main.read_text()
    broken = f'    if os.path.exists("{BROKEN}"):\n        return "broken", 500\n'
    answer = '    return jsonify(status="ok")'
    assert answer in text
    main.write_text(text.replace(answer, broken + answer))
    data: dict[str, object] = {
        "app.hello.source.directory": str(source),
        "app.hello.checks": [],
        "app.hello.health.poll": POLL,
        "app.hello.health.timeout": 5,
    }
    try:
        good(pyinfra(bookworm.name, data=data))
        yield bookworm, data
    finally:
        inside(bookworm, f"rm -f {BROKEN}")
        good(pyinfra(bookworm.name))


def unit(host: LabHost) -> str:
    return f"hello@{host.live('hello')}.service"


def wait(host: LabHost, seconds: float) -> float:
    """Seconds until the application answers visitors again."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            if requests.get(
                f"http://{host.address}/", headers={"Host": "hello.test"}, timeout=1
            ).ok:
                return time.monotonic() - began
        except requests.RequestException:
            pass
        time.sleep(0.2)
    raise AssertionError(f"no answer within {seconds} s")


def restarts(host: LabHost) -> int:
    return int(inside(host, COUNT))


def test_maintenance_and_runs_are_left_alone(polled: tuple[LabHost, dict[str, object]]) -> None:
    host, data = polled
    broken = f"sh -c 'touch {BROKEN}; sleep 6; rm {BROKEN}'"
    inside(host, f"sleep {POLL['start_period']}; touch /srv/hello/maintenance/on")
    inside(host, f"{broken}; sleep 1; rm /srv/hello/maintenance/on")
    inside(host, f"flock /srv/hello/lock {broken}")
    assert restarts(host) == 0
    # Without the setting, nothing is asked any more.
    good(pyinfra(host.name, data={**data, "app.hello.health.poll": None}))
    state = "systemctl is-active groundcrew-health-hello || true"
    inside(
        host, f'for i in $(seq 20); do [ "$({state})" = inactive ] && exit; sleep 1; done; false'
    )


def test_what_hangs_is_restarted_but_not_for_ever(
    polled: tuple[LabHost, dict[str, object]],
) -> None:
    host, data = polled
    assert good(pyinfra(host.name, data=data)).changed == []
    assert "asked every 1 s, and answers" in " ".join(look(host, data).split())
    before = restarts(host)

    # It hangs: nothing has died, and systemd sees nothing.
    time.sleep(POLL["start_period"])
    inside(host, f"systemctl kill --signal=STOP {unit(host)}")
    assert wait(host, 20) > 0
    assert restarts(host) == before + 1

    # It is never healthy again: one more restart is allowed.
    inside(host, f"touch {BROKEN}")
    inside(host, f"for i in $(seq 60); do journalctl -u groundcrew-health-hello -o cat "
           f"| grep -q '{OVER}' && exit; sleep 1; done; false")  # fmt: skip
    time.sleep(6)
    assert restarts(host) == before + 2
    run = pyinfra(host.name, playbook="playbooks/verify.py", data=data)
    assert run.status == 1
    words = " ".join(run.stderr.split())
    assert "/health gives status 500; restarted 2 times within the last hour" in words
    shown = good(pyinfra(host.name, playbook="playbooks/status.py", data=data)).stderr
    assert "/health gives status 500" in shown

    # It is fixed: it serves again itself, by then.
    inside(host, f"rm {BROKEN}; for i in $(seq 30); do journalctl -u groundcrew-health-hello "
           f"-o cat | grep -q '{AGAIN}' && exit; sleep 1; done; false")  # fmt: skip
    assert "was restarted 2 times within the last hour" in " ".join(look(host, data).split())


def look(host: LabHost, data: dict[str, object]) -> str:
    """What verify says, which fails nothing."""
    return good(pyinfra(host.name, playbook="playbooks/verify.py", data=data)).stderr

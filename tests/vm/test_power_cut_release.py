"""The power fails in the middle of a release, while visitors are there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.e2e.harness import start_pyinfra, traffic, version
from tests.vm.harness import SETTINGS, Machine

MOMENTS = {
    "built": 'test -n "$(ls -A /srv/hello/build)"',
    "started": "test $(systemctl list-units --plain --no-legend 'hello@*.service' | wc -l) -gt 1",
}
"""What is true on the host, of the new release while the other one is live."""

SLOW_START = "import time\n\ntime.sleep(10)\n"
"""Before the new release answers: the cut comes before the switch."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_was_live_serves_after_a_power_cut(
    machine: Machine, source: Path, tmp_path: Path, moment: str
) -> None:
    before = machine.live("hello")
    mark = f"after the power cut, {moment}"
    version(source, mark)
    path = source / "hello.py"
    path.write_text(path.read_text() + SLOW_START)
    data = {"app.hello.source.directory": str(source)}
    with traffic(machine, "/", "hello.test") as counts:
        run = start_pyinfra(machine.name, {**SETTINGS, **data})
        try:
            when(machine, MOMENTS[moment], run)
            served, failed = counts.requests, list(counts.failures)
            machine.lose_power()
        finally:
            run.kill()
            run.communicate()
    assert served > 20
    assert failed == []

    machine.power_on()
    assert machine.live("hello") == before
    answer = machine.get("/", "hello.test")
    assert answer.status_code == 200
    assert mark not in answer.text
    assert machine.out("systemctl --failed --no-legend --plain") == ""

    again = machine.run(data)
    assert again.status == 0, again.stderr
    assert mark in machine.get("/", "hello.test").text
    back = machine.run()
    assert back.status == 0, back.stderr
    machine.is_well(tmp_path)


def when(machine: Machine, true: str, run: subprocess.Popen[str]) -> None:
    """Waits, on the host, until something is true, which is while the run goes on."""
    machine.out(f"for i in $(seq 3000); do {true} && exit; sleep 0.1; done; false")
    assert run.poll() is None, run.communicate()[0]

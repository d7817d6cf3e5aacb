"""Units that a module on the host keeps running with their current files."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from groundcrew.remote import unit_control
from groundcrew.remote.unit_control import UnitError, bring_up, unit_differences


class Systemd:
    """What systemctl says, and what it was asked to do."""

    def __init__(self) -> None:
        self.state = {"ActiveState": "active", "UnitFileState": "enabled"}
        self.started = time.monotonic()
        self.asked: list[tuple[str, ...]] = []
        self.status = 0

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        self.asked.append(command)
        told = ""
        if command[:2] == ("systemctl", "show"):
            stamp = int(self.started * 1e6)
            lines = {**self.state, "ActiveEnterTimestampMonotonic": stamp}
            told = "".join(f"{key}={value}\n" for key, value in lines.items())
        elif command[0] == "journalctl":
            told = "its last words\n"
        failed = self.status if command[:2] == ("systemctl", "restart") else 0
        return subprocess.CompletedProcess(command, failed, told, "Job failed\n")


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> Systemd:
    fake = Systemd()
    monkeypatch.setattr(unit_control, "run", fake.run)
    return fake


def test_a_unit_that_runs_with_its_files_is_left_alone(systemd: Systemd, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for file, age in ((old, 60), (new, -60)):
        file.write_text("")
        os.utime(file, (time.time() - age,) * 2)
    assert unit_differences("x.service", [str(old), str(tmp_path / "none")]) == []
    assert unit_differences("x.service", [str(old), str(new)]) == [f"x.service has not read {new}"]
    systemd.state["UnitFileState"] = "disabled"
    assert unit_differences("x.service", []) == ["x.service does not start at boot"]
    systemd.state["ActiveState"] = "failed"
    assert unit_differences("x.service", [str(new)]) == ["x.service does not run"]


def test_it_is_restarted_and_waited_for(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([False, True])
    bring_up("x.service", lambda: next(answers))
    verbs = [command[1] for command in systemd.asked if command[0] == "systemctl"]
    assert verbs == ["daemon-reload", "enable", "reset-failed", "restart"]
    monkeypatch.setattr(unit_control, "SECONDS", 0.2)
    with pytest.raises(UnitError, match="does not answer\nits last words"):
        bring_up("x.service", lambda: False)
    systemd.status = 1
    never: Any = pytest.fail
    with pytest.raises(UnitError, match="Job failed\nits last words"):
        bring_up("x.service", never)

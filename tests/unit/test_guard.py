"""Runs the dead man's switch on this machine, with stand-ins for systemd's commands."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from groundcrew import remote
from groundcrew.entries import Absent, File, PathEntry, payload
from tests.unit.test_apply_files import file, tree


class Switch:
    """A host's guard program whose state and systemd live in a temporary directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "guard/ssh"
        self.log = root / "log"
        self.log.touch()
        (root / "bin").mkdir()
        (root / "etc").mkdir()
        for name in ("systemctl", "systemd-run"):
            program = root / "bin" / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.log}\n')
            program.chmod(0o755)

    def apply(self, *entries: PathEntry, **options: Any) -> subprocess.CompletedProcess[str]:
        request = {
            "name": "ssh",
            "seconds": 90,
            "program": remote.source("apply_files"),
            "entries": [payload(entry) for entry in entries],
            "validate": None,
            "snapshot": ["echo before > saved"],
            "activate": [f"echo activated >> {self.log}"],
            "revert": [f"cat saved >> {self.log}"],
            **options,
        }
        program = remote.source("guard").replace("/run/groundcrew/guard", str(self.root / "guard"))
        environment = {**os.environ, "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}"}
        return subprocess.run(
            [sys.executable, "-ISc", program],
            input=json.dumps(request),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def events(self) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if not line.startswith("file ")]

    def wake_up(self) -> None:
        """What the sleeper does when its time has come."""
        line = next(x for x in reversed(self.events()) if x.startswith("systemd-run"))
        script = line.partition("/bin/sh -c ")[2].replace("sleep 90", "true")
        subprocess.run(["sh", "-c", script], check=False, capture_output=True)


@pytest.fixture
def switch(tmp_path: Path) -> Switch:
    return Switch(tmp_path)


def test_the_switch_is_armed_before_the_change_is_activated(switch: Switch) -> None:
    result = switch.apply(file(switch.root / "etc/conf", "new"))
    assert result.returncode == 0, result.stderr
    assert [event.split()[0] for event in switch.events()] == ["systemd-run", "activated"]
    assert "--unit=groundcrew-guard-ssh.service" in switch.events()[0]
    assert (switch.state / "undo.json").stat().st_mode & 0o777 == 0o600
    assert switch.state.stat().st_mode & 0o777 == 0o700


def test_the_sleeper_puts_everything_back(switch: Switch) -> None:
    kept, gone = switch.root / "etc/kept", switch.root / "etc/gone"
    kept.write_text("old")
    kept.chmod(0o640)
    gone.write_text("was here")
    before = tree(switch.root / "etc")
    result = switch.apply(
        file(kept, "new"), file(switch.root / "etc/extra", "x"), Absent(str(gone))
    )
    assert result.returncode == 0, result.stderr
    assert tree(switch.root / "etc") != before
    switch.wake_up()
    assert tree(switch.root / "etc") == before
    assert switch.events()[-1] == "before"
    assert list((switch.root / "guard").iterdir()) == []


def test_a_change_that_was_kept_is_not_put_back(switch: Switch) -> None:
    conf = switch.root / "etc/conf"
    switch.apply(file(conf, "new"))
    switch.state.rename(switch.root / "guard/ssh.kept")
    switch.wake_up()
    assert conf.read_text() == "new"


@pytest.mark.parametrize(
    "failure",
    [{"validate": "echo wrong >&2; false"}, {"activate": ["echo wrong >&2; false"]}],
    ids=["validation", "activation"],
)
def test_what_fails_at_once_is_put_back_at_once(switch: Switch, failure: dict[str, Any]) -> None:
    conf = switch.root / "etc/conf"
    conf.write_text("old")
    result = switch.apply(file(conf, "new"), **failure)
    assert result.returncode == 1
    assert "wrong" in result.stderr and "Everything was put back." in result.stderr
    assert conf.read_text() == "old"
    assert not switch.state.exists()
    assert "systemctl stop groundcrew-guard-ssh.service" in switch.events()


def test_an_unfinished_change_is_taken_over_with_its_own_way_back(switch: Switch) -> None:
    first, second = switch.root / "etc/first", switch.root / "etc/second"
    first.write_text("original")
    second.write_text("original")
    assert switch.apply(file(first, "attempt 1")).returncode == 0
    result = switch.apply(
        file(first, "attempt 2"), file(second, "attempt 2"), snapshot=["echo too late > saved"]
    )
    assert result.returncode == 0, result.stderr
    assert switch.events().count("systemctl stop groundcrew-guard-ssh.service") == 1
    switch.wake_up()
    assert (first.read_text(), second.read_text()) == ("original", "original")
    assert switch.events()[-1] == "before"


def test_without_a_way_back_nothing_is_changed(switch: Switch) -> None:
    conf = switch.root / "etc/conf"
    conf.write_text("old")
    (switch.root / "bin/systemd-run").write_text("#!/bin/sh\necho no bus >&2\nexit 1\n")
    result = switch.apply(File(str(conf), "new"))
    assert result.returncode == 1
    assert "no bus" in result.stderr and "Nothing was changed." in result.stderr
    assert conf.read_text() == "old"
    assert not switch.state.exists()


def test_the_sleepers_command_survives_quoting(switch: Switch) -> None:
    switch.apply(file(switch.root / "etc/conf", "new"))
    script = switch.events()[0].partition("/bin/sh -c ")[2]
    assert shlex.split(script)[:2] == ["sleep", "90"]

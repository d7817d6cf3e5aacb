from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from groundcrew.facts.systemd import Units, timestamp
from groundcrew.remote import inspect_units
from groundcrew.units import Wanted, plan, script

RECOVER = ["daemon-reload", "reset-failed", "restart"]
RUNNING = {
    "Id": "shop.service",
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
    "NeedDaemonReload": "no",
}


def verbs(
    running: bool | None = True,
    enabled: bool | None = True,
    restart: bool = False,
    reload: bool = False,
    **state: str,
) -> list[str]:
    return plan({**RUNNING, **state}, Wanted(running, enabled, restart, reload, True))


def test_a_unit_as_wanted_needs_nothing() -> None:
    assert verbs() == []
    assert verbs(UnitFileState="static") == []


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"ActiveState": "inactive", "SubState": "dead"}, ["daemon-reload", "start"]),
        (
            {"ActiveState": "failed", "SubState": "failed"},
            ["daemon-reload", "reset-failed", "restart"],
        ),
        (
            {"ActiveState": "activating", "SubState": "auto-restart"},
            ["daemon-reload", "reset-failed", "restart"],
        ),
        ({"ActiveState": "activating", "SubState": "start"}, []),
        ({"UnitFileState": "disabled"}, ["enable"]),
        ({"NeedDaemonReload": "yes"}, ["daemon-reload"]),
        (
            {"LoadState": "not-found", "UnitFileState": "", "ActiveState": "inactive"},
            ["daemon-reload", "enable", "start"],
        ),
    ],
)
def test_what_is_missing_is_done(state: dict[str, str], expected: list[str]) -> None:
    assert plan({**RUNNING, **state}, Wanted(True, True, False, False, True)) == expected


def test_restart_wins_over_reload_and_start_over_both() -> None:
    assert verbs(restart=True, reload=True)[-1] == "restart"
    assert verbs(reload=True)[-1] == "reload-or-restart"
    assert verbs(restart=True, ActiveState="inactive", SubState="dead")[-1] == "start"


def test_files_are_read_anew_before_a_restart() -> None:
    assert verbs(restart=True) == ["daemon-reload", "restart"]


def test_stopped_units_stay_stopped() -> None:
    assert verbs(running=False, enabled=False) == ["disable", "stop"]
    assert verbs(running=False, enabled=None, ActiveState="failed") == []
    absent = verbs(
        running=False, enabled=None, LoadState="not-found", UnitFileState="", ActiveState="inactive"
    )
    assert absent == []
    assert verbs(running=None, restart=True, ActiveState="inactive", SubState="dead") == []


def test_a_unit_that_is_not_there_need_not_be_stopped() -> None:
    state = {**RUNNING, "LoadState": "not-found", "ActiveState": "inactive"}
    assert plan(state, Wanted(False, None, False, False, True)) == []


def test_systemd_is_asked_once_for_all_requests(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "a b").touch()
    os.utime(tmp_path / "a b", (1700000000.25, 1700000000.25))
    (tmp_path / "link").symlink_to("/")
    os.utime(tmp_path / "link", (1700000001, 1700000001), follow_symlinks=False)
    asked = []

    def show(*command: str) -> subprocess.CompletedProcess[str]:
        asked.append(command[command.index("--") + 1 :])
        output = "Id=ssh.service\nSubState=running\n\nId=x.service\n"
        return subprocess.CompletedProcess(command, 0, output, "")

    monkeypatch.setattr(inspect_units, "run", show)
    requests = [
        {
            "units": ["sshd.service", "x.service"],
            "files": [f"{tmp_path}/{name}" for name in ("a b", "none", "link")],
        },
        {"units": ["x.service"], "files": []},
    ]
    assert inspect_units.main([json.dumps(request) for request in requests]) == 0
    assert asked == [("sshd.service", "x.service")]
    first, second = capsys.readouterr().out.splitlines()
    assert Units().process([first]) == {
        "units": {
            "sshd.service": {"Id": "ssh.service", "SubState": "running"},
            "x.service": {"Id": "x.service"},
        },
        "modified": {f"{tmp_path}/a b": 1700000000.25, f"{tmp_path}/link": 1700000001},
    }
    assert json.loads(second) == {"units": {"x.service": {"Id": "x.service"}}, "modified": {}}


def test_a_systemd_that_does_not_answer_for_all_units_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def show(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "Failed to connect to bus\n")

    monkeypatch.setattr(inspect_units, "run", show)
    assert inspect_units.main([json.dumps({"units": ["x.service"], "files": []})]) == 1
    assert capsys.readouterr() == ("", "Failed to connect to bus\n")


def test_timestamps() -> None:
    assert timestamp("Tue 2023-11-14 22:13:20.250000 UTC") == 1700000000.25
    assert timestamp("") == 0.0


def test_the_script_is_valid_shell_and_watches_started_units_only() -> None:
    started = script("a@b.service", ["daemon-reload", "restart"], settle=1.0)
    subprocess.run(["sh", "-n"], input=started, text=True, check=True)
    assert "seq 5" in started
    assert "seq" not in script("a.service", ["enable"], settle=1.0)

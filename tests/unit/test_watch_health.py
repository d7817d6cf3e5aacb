"""What the host does when an application does not answer as it should."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from groundcrew.entries import Absent, File
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.releases.steps.renewal import renewal_payload
from groundcrew.releases.target import Target
from groundcrew.remote import watch_health
from groundcrew.remote.app_client import Answer
from groundcrew.remote.renewal_app import LockedError, NoRoomError
from groundcrew.remote.renewal_state import RenewalError
from groundcrew.results.result import Status
from groundcrew.roles.app import health, on_host_health
from groundcrew.verify.seen import Seen, View

ID = "20261129T132032Z-da5f4d62cbf0"
UNIT, SECOND = f"shop@{ID}.service", f"shop@{ID}.2.service"
POLL = {"interval": 0, "timeout": 2, "retries": 2, "start_period": 10, "restarts": 2}


class Host:
    """A host with two instances, and what is done there."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.restarted: list[str] = []
        self.sick: set[str] = set()
        self.busy = False
        self.left = ""
        """Unit in whose place a stand-in serves."""

        self.problem: RenewalError | None = None
        self.up = 1000.0
        self.active = "active"
        for name in (UNIT, SECOND, f"shop.mails@{ID}.1.service"):
            (folder / name).write_text("")
        self.states: dict[str, Any] = {}
        self.app: dict[str, Any] = {
            "name": "shop",
            "runtime": "/run/groundcrew/apps/shop",
            "poll": POLL,
            "probe": {"path": "/health", "status": 200, "maintenance": str(folder / "on")},
        }
        monkeypatch.setattr(watch_health, "SYSTEM", folder)
        monkeypatch.setattr(watch_health, "STATES", str(folder / "states"))
        monkeypatch.setattr(watch_health, "live_release", lambda _: (ID, False))
        monkeypatch.setattr(watch_health, "show_units", self.show)
        monkeypatch.setattr(watch_health, "ask", self.ask)
        monkeypatch.setattr(watch_health, "locked", self.locked)
        monkeypatch.setattr(watch_health, "systemctl", self.systemctl)
        monkeypatch.setattr(watch_health, "one", self.one)
        monkeypatch.setattr(watch_health, "unfinished", lambda _: self.left or None)

    def show(self, *_: object) -> list[dict[str, str]]:
        since = int((time.monotonic() - self.up) * 1e6)
        return [{"ActiveState": self.active, "ActiveEnterTimestampMonotonic": str(since)}]

    def ask(self, probe: dict[str, Any], socket: str) -> tuple[Answer | None, str]:
        assert probe["request_timeout"] == 2
        assert probe["release"] == f"/srv/shop/releases/{ID}"
        name = f"shop@{Path(socket).name.removesuffix('.sock')}.service"
        status = 500 if name in self.sick else 200
        return Answer(status, b""), f"status {status}"

    @contextlib.contextmanager
    def locked(self, *_: object) -> Any:
        if self.busy:
            raise LockedError("a run is at work on it")
        yield None

    def one(self, app: object, unit: str, run: object, *, restart: bool = True) -> None:
        del app, run
        if self.problem:
            raise self.problem
        if restart:
            self.restarted.append(unit)
        else:
            self.left = ""

    def systemctl(self, *words: str, check: bool = True) -> None:
        del check
        self.restarted.append(words[-1])

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            watch_health.look(self.app, self.states)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_only_the_instance_that_fails_is_restarted_and_not_too_often(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    host.look(5)
    assert host.restarted == []
    host.sick = {SECOND}
    host.look()
    assert host.restarted == []
    host.look()
    assert host.restarted == [SECOND]
    host.look(20)
    assert host.restarted == [SECOND, SECOND]
    told = capsys.readouterr().out
    assert told.count("not restarted again within this hour") == 1
    assert f"{SECOND}: /health gives status 500, 2 times: it is restarted" in told
    assert watch_health.read_state("shop") == host.states
    # An hour later.
    host.states[SECOND]["restarts"] = [time.time() - 3601] * 2
    host.look()
    assert host.restarted == [SECOND] * 3


def test_without_memory_for_a_new_process_it_is_restarted(host: Host) -> None:
    host.problem = NoRoomError("full")
    host.sick = {UNIT}
    host.look(2)
    assert host.restarted == [UNIT]


def test_if_a_new_process_is_not_healthy_either_it_is_left_as_it_is(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    host.problem = RenewalError("the old one goes on serving")
    host.sick = {UNIT}
    host.look(20)
    assert host.restarted == []
    # It was tried as often as it may be.
    assert capsys.readouterr().out.count("the old one goes on serving") == 2


def test_a_unit_that_is_healthy_again_takes_the_place_of_its_stand_in(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    host.left, host.busy = SECOND, True
    host.look()
    assert host.left == SECOND
    host.busy = False
    host.sick = {SECOND}
    host.look()
    assert host.left == SECOND
    host.sick = set()
    host.look(3)
    assert (host.left, host.restarted) == ("", [])
    told = capsys.readouterr().out
    assert told == f"{SECOND}: it is healthy again, and serves in place of its stand-in\n"


def test_failures_must_be_in_a_row(host: Host) -> None:
    for _ in range(5):
        host.sick = {UNIT}
        host.look()
        host.sick = set()
        host.look()
    assert host.restarted == []


@pytest.mark.parametrize("change", [{"up": 5.0}, {"active": "activating"}, {"busy": True}])
def test_starts_and_runs_are_left_alone(host: Host, change: dict[str, Any]) -> None:
    for name, value in change.items():
        setattr(host, name, value)
    host.sick = {UNIT, SECOND}
    host.look(6)
    assert host.restarted == []


@pytest.mark.parametrize("stopped", [False, True])
def test_maintenance_is_left_alone_and_it_ends_when_nothing_is_asked(
    host: Host, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    flag = Path(host.app["probe"]["maintenance"])
    (flag.with_name("stopped") if stopped else flag).write_text("")
    host.sick = {UNIT}
    unit_file = flag.with_name("groundcrew-health-shop.service")
    unit_file.write_text("")
    rounds = [{**host.app, "poll": None}] + [host.app] * 4

    def read(_: str) -> dict[str, Any]:
        if len(rounds) == 1:
            unit_file.unlink()
        return rounds.pop(0)

    monkeypatch.setattr(watch_health, "read_app", read)
    monkeypatch.setattr(watch_health, "LOOK", 0)
    monkeypatch.setattr(sys, "argv", ["watch_health.py", "shop"])
    assert watch_health.main() == 0
    assert rounds == []
    assert host.restarted == []


def test_what_verify_and_status_say(host: Host) -> None:
    app = AppSettings.model_validate({"source": {"directory": "."}, "health": {"poll": {}}})
    polls = health.polled({"shop": app})

    def told(**state: Any) -> tuple[Status, str]:
        state = {"why": None, "restarts": [], **state}
        seen = Seen(View("192.0.2.1"), {"health": {"shop": {UNIT: state}}})
        (check,) = health.health(polls, seen)
        return check.status, check.detail

    assert told() == (Status.OK, "asked every 15 s, and answers")
    assert told(restarts=[1.0])[0] is Status.WARN
    assert told(why="/ gives status 500", restarts=[1.0]) == (
        Status.FAIL,
        f"{UNIT}: / gives status 500; restarted 1 times within the last hour, as it did not answer",
    )
    assert list(health.status({"shop": {UNIT: {"why": "no answer", "restarts": []}}})) == [
        f"{UNIT}: no answer"
    ]
    host.states = {UNIT: {"failures": 1, "why": "x", "restarts": [1.0, time.time()]}}
    folder = Path(watch_health.STATES)
    folder.mkdir()
    (folder / "shop.json").write_text(json.dumps(host.states))
    assert len(on_host_health.health({"apps": ["shop"]})["shop"][UNIT]["restarts"]) == 1
    assert on_host_health.health({"apps": ["other"]}) == {"other": {}}


def test_what_is_on_the_host() -> None:
    app = AppSettings.model_validate({"source": {"directory": "."}, "health": {"poll": {}}})
    quiet = AppSettings.model_validate({"source": {"directory": "."}})
    asked, silent = health.brings({"shop": app}), health.brings({"shop": quiet})
    assert [item.unit for item in asked.services] == ["groundcrew-health-shop.service"]
    assert [item.path for item in asked.files if isinstance(item, File)] == [
        health.PROGRAM,
        health.unit_file("shop"),
    ]
    assert silent.files == [Absent(health.unit_file("shop")), Absent(health.PROGRAM)]
    assert renewal_payload(Target(AppPaths("shop"), app, 1))["poll"]["retries"] == 3

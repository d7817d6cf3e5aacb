from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest
from click import unstyle

from groundcrew import json_file
from groundcrew.columns import columns, size, span
from groundcrew.contract import Reads, StatusLines
from groundcrew.facts.status import AppStatus, HostStatus, UnitStatus
from groundcrew.releases.environment import render
from groundcrew.remote import app_status, unit_status
from groundcrew.roles.nginx.brings import state
from groundcrew.status import tables
from groundcrew.status.parts import Part, part
from groundcrew.status.tables import releases_table, status_table
from tests.environment_values import VALUES

NOW = 1_700_000_000
OLD, LIVE, BAD = (
    "20260101T000000Z-aaaaaaaaaaaa",
    "20260102T000000Z-bbbbbbbbbbbb",
    "20260103T000000Z-cccccccccccc",
)


def unit(**values: Any) -> UnitStatus:
    state: dict[str, Any] = {
        "active": "active",
        "sub": "running",
        "result": "success",
        "restarts": 0,
        "memory": 90 << 20,
        "tasks": 6,
        "cpu": 3_000_000_000,
        "since": NOW - 7200,
        "ended": None,
        "triggered": None,
        "next": None,
    }
    return UnitStatus(**{**state, **values})  # type: ignore[typeddict-item]


def entry(release: str, result: str) -> Any:
    return {
        "time": "2026-01-02T00:00:09Z",
        "seconds": 9,
        "action": "release",
        "release": release,
        "operator": "ann@desk",
        "result": result,
    }


def application(**values: Any) -> AppStatus:
    live, bad = entry(LIVE, "live"), entry(BAD, "not healthy")
    release = {"built": NOW, "bad": False, "source": "shop v1", "last": None, "switched": None}
    state: dict[str, Any] = {
        "live": LIVE,
        "current": LIVE,
        "maintenance": None,
        "lock": None,
        "releases": {
            OLD: {**release, "built": None},
            LIVE: {**release, "last": live, "switched": live},
            BAD: {**release, "bad": True, "last": bad},
        },
        "units": {f"shop@{LIVE}.service": unit()},
        "log": [live, bad],
        "variables": ["COLOUR", "KEY"],
        "logs": 3 << 20,
    }
    return AppStatus(**{**state, **values})  # type: ignore[typeddict-item]


def report(**values: Any) -> HostStatus:
    return {
        "time": NOW,
        "host": {
            "load": [0.5, 0.25, 0.1],
            "cpus": 2,
            "memory": 8 << 30,
            "memory_available": 6 << 30,
            "disk": 100 << 30,
            "disk_free": 40 << 30,
            "journal": 24 << 20,
            "uptime": 300_000.0,
        },
        "apps": {"shop": application(**values)},
    }


def shown(**values: Any) -> list[str]:
    return [unstyle(line).strip() for line in status_table("web1", report(**values))]


def row(lines: list[str], start: str) -> list[str]:
    line = next(line for line in lines if line.startswith(start))
    return re.split(r" {2,}", line)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"shop@{LIVE}.service", Part("web", "web", LIVE)),
        ("shop.socket", Part("socket", "socket", None)),
        (f"shop.mail@{LIVE}.2.service", Part("worker", "worker mail 2", LIVE)),
        (f"shop.tidy-up@{LIVE}.timer", Part("timer", "timer tidy-up", LIVE)),
        (f"shop.tidy-up@{LIVE}.service", Part("job", "timer tidy-up", LIVE)),
    ],
)
def test_units_by_their_names(name: str, expected: Part) -> None:
    assert part("shop", name) == expected


def test_the_host_and_the_live_release() -> None:
    lines = shown()
    assert lines[0] == "Status of web1"
    assert lines[1] == (
        "load 0.50 0.25 0.10 on 2 CPUs; memory 6.0 GiB of 8.0 GiB available; /srv 40.0 GiB of "
        "100.0 GiB free; journal 24 MiB; up 3 days"
    )
    assert f"shop: {LIVE} (shop v1) is live since 2026-01-02 00:00:09 UTC by ann@desk" in lines
    assert lines[-2:] == ["variables: COLOUR, KEY", "nginx's logs take 3 MiB"]
    assert row(lines, "web") == ["web", "active (running)", "2 h", "0", "90 MiB", "6", "3 s"]


def test_releases_newest_first_and_their_fate() -> None:
    lines = [unstyle(line).strip() for line in releases_table("web1", report())]
    names = [line.split()[0] for line in lines if line.startswith("2026")]
    assert names == [BAD, LIVE, OLD]
    assert row(lines, BAD)[1] == "bad"
    assert row(lines, BAD)[-1] == "release: not healthy, 2026-01-02 00:00:09"
    assert row(lines, LIVE)[1] == "live"
    assert row(lines, OLD) == [OLD, "unfinished", "shop v1", "-", "-", "-"]


def test_what_failed_is_red_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "format_text", lambda text, colour: f"{colour}: {text}")

    def red(status: HostStatus) -> list[str]:
        lines = [line.strip() for line in status_table("web1", status)]
        return [line.split()[1] for line in lines if line.startswith("red:")]

    assert red(report()) == [BAD, "2026-01-02"]
    assert red(report(log=[entry(LIVE, "live: another host failed")], releases={})) == []
    assert red(report(log=[], units={f"shop@{LIVE}.service": unit(restarts=1)})) == ["web", BAD]


def test_remarks() -> None:
    lines = shown(
        current=OLD,
        maintenance={"operator": "bob", "since": "2026-01-01T00:00:00Z"},
        lock={"operator": "", "since": "", "held": False},
    )
    text = "\n".join(lines)
    assert f"requests go to {LIVE}, but the link on disk leads to {OLD}" in text
    assert "maintenance is on, by bob since 2026-01-01 00:00:00 UTC" in text
    assert "a run ended without giving its lock back, by somebody" in text
    held = {"operator": "ann@desk", "since": "2026-01-01T00:00:00Z", "held": True}
    assert "a run is at work, by ann@desk since 2026-01-01 00:00:00 UTC" in shown(lock=held)


def test_timers_show_their_last_and_next_run() -> None:
    timer = unit(sub="waiting", next=NOW + 3600, triggered=NOW - 600, memory=None)
    name = f"shop.tidy@{LIVE}"

    def remark(job: UnitStatus | None, **values: Any) -> str:
        units = {f"{name}.timer": UnitStatus(**{**timer, **values})}  # type: ignore[typeddict-item]
        if job:
            units[f"{name}.service"] = job
        return row(shown(units=units), "timer tidy")[-1]

    idle = unit(active="inactive", sub="dead")
    assert remark(idle, triggered=None) == "has not run yet; next in 60 min"
    assert remark(UnitStatus(**{**idle, "ended": NOW - 600})) == (
        "last run: success, 10 min ago; next in 60 min"
    )
    failed = unit(active="failed", sub="failed", result="exit-code", ended=NOW - 60)
    assert remark(failed) == "last run: exit-code, 60 s ago; next in 60 min"
    assert remark(unit(active="activating", sub="start"), next=None) == "running"
    assert remark(idle) == "last run: 10 min ago, by another release; next in 60 min"


def test_of_other_releases_only_what_runs() -> None:
    units = {
        f"shop@{OLD}.service": unit(active="deactivating", sub="stop-sigterm"),
        f"shop@{BAD}.service": unit(active="failed", sub="failed"),
        f"shop.mail@{LIVE}.1.service": unit(active="failed", sub="failed"),
    }
    lines = shown(units=units)
    assert row(lines, "web")[-1] == f"of {OLD}"
    assert sum(line.startswith("web") for line in lines) == 1
    assert row(lines, "worker mail 1")[1] == "failed (failed)"


def test_nothing_there_yet() -> None:
    lines = shown(live=None, current=None, releases={}, units={}, log=[])
    assert "shop: no release is live" in lines
    assert "no release is kept" in lines
    assert "the release log is empty" in lines


@pytest.mark.parametrize(
    ("section", "line"),
    [
        (unit(), "nginx active (running)"),
        (None, "nginx not installed"),
        ({"error": "OSError: gone"}, "nginx: could not be read: OSError: gone"),
    ],
)
def test_what_a_role_shows(section: Any, line: str) -> None:
    told = cast("HostStatus", {**report(), "nginx": section})
    role = StatusLines("nginx", Reads("module", ("nginx",)), state)
    assert status_table("web1", told, None, [role])[2].strip() == line


def test_variables_are_told_by_name_whatever_is_in_their_values(tmp_path: Path) -> None:
    (tmp_path / "env").write_text(render(VALUES))
    assert app_status.variables(tmp_path / "env") == sorted(VALUES)
    assert app_status.variables(tmp_path / "gone") == []


def test_figures() -> None:
    assert [size(value) for value in (None, 0, 1023, 1 << 20, 3 << 29)] == [
        "-",
        "0 B",
        "1023 B",
        "1 MiB",
        "1.5 GiB",
    ]
    assert [span(value) for value in (0, 119, 120, 7199, 7200, 172800)] == [
        "0 s",
        "119 s",
        "2 min",
        "120 min",
        "2 h",
        "2 days",
    ]
    assert columns([("a", "bb"), ("ccc", "")]) == ["a    bb", "ccc"]


def test_columns_that_find_no_room_are_below() -> None:
    rows = [("NAME", "STATE", "SINCE"), ("shop-with-a-name", "live", "now")]
    assert columns(rows, 24) == [
        "NAME              STATE\n    SINCE",
        "shop-with-a-name  live\n    now",
    ]
    assert columns(rows, 30)[0] == "NAME              STATE  SINCE"


def test_everything_fits_a_narrow_terminal() -> None:
    timer = unit(sub="waiting", next=NOW + 3600, triggered=NOW - 600, memory=None)
    status = report(
        maintenance={"operator": "bob", "since": "2026-01-01T00:00:00Z"},
        lock={"operator": "", "since": "", "held": False},
        current=OLD,
        units={f"shop@{LIVE}.service": unit(), f"shop.tidy@{LIVE}.timer": timer},
        variables=[f"VARIABLE_{number}" for number in range(20)],
    )
    lines = status_table("web1", status, 76) + releases_table("web1", status, 76)
    assert max(len(unstyle(line)) for line in lines) <= 76
    # Nothing is lost.
    wide = " ".join(" ".join(status_table("web1", status)).split())
    narrow = unstyle(" ".join(" ".join(status_table("web1", status, 76)).split()))
    assert sorted(narrow.split()) == sorted(unstyle(wide).split())


def test_json_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "status.json"
    json_file.replace(str(path), {"a": 1})
    json_file.replace(str(path), {"b": 2})
    assert json.loads(path.read_text()) == {"b": 2}
    with pytest.raises(TypeError):
        json_file.replace(str(path), {"c": object()})
    assert [item.name for item in path.parent.iterdir()] == ["status.json"]


def test_what_systemd_does_not_know_is_none() -> None:
    assert unit_status.number("[not set]") is None
    assert unit_status.number(str((1 << 64) - 1)) is None
    assert unit_status.number("12") == 12
    assert unit_status.moment("Sun 2026-11-22 06:00:00 UTC") == 1795327200
    assert unit_status.moment("") is None
    assert unit_status.moment("n/a") is None


def test_a_broken_line_of_the_log_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "releases.log"
    path.write_text('{"result": "live"}\n{"resu\n7\n{"result": "not healthy"}\n')
    assert [item["result"] for item in app_status.log(path)] == ["live", "not healthy"]
    assert app_status.log(tmp_path / "none") == []


def test_releases_with_what_happened_to_them(tmp_path: Path) -> None:
    for name in (OLD, LIVE):
        (tmp_path / "releases" / name).mkdir(parents=True)
    (tmp_path / "releases" / LIVE / "release.json").write_text('{"source": "shop v2"}')
    history = {"taken_back": {OLD: {"time": "2026-11-22T06:00:00Z", "operator": "ops@desk"}}}
    (tmp_path / "history.json").write_text(json.dumps(history))
    log = [entry(LIVE, "live"), entry(OLD, "live"), entry(LIVE, "not healthy")]
    releases = app_status.releases(tmp_path, log)
    assert releases[LIVE]["source"] == "shop v2"
    assert releases[LIVE]["built"]
    last, switched = releases[LIVE]["last"], releases[LIVE]["switched"]
    assert last is not None
    assert last["result"] == "not healthy"
    assert switched is not None
    assert switched["result"] == "live"
    assert releases[OLD]["bad"]
    assert releases[OLD]["built"] is None
    assert app_status.releases(tmp_path / "none", []) == {}


def test_notes(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert app_status.note(path) is None
    path.write_text("")
    assert app_status.note(path) is None
    path.write_text('{"operator": "ann", "since": "now", "more": 1}')
    assert app_status.note(path) == {"operator": "ann", "since": "now"}
    path.write_text("[1]")
    assert app_status.note(path) == {"operator": "", "since": ""}


def test_a_lock_is_held_while_a_process_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    assert not app_status.is_open(path)
    with path.open():
        assert app_status.is_open(path)

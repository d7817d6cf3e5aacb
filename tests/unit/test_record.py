"""What operations tell the report while they work."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyinfra.api import Host

from groundcrew import record
from groundcrew.console import facts
from groundcrew.releases import apart, bills
from groundcrew.report import build
from groundcrew.results.result import ok
from groundcrew.roles.backup import operations as backup


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """The current host of a run that writes a report, without a connection."""
    monkeypatch.setattr(record, "RECORD", record.Record(path="/tmp/run.html"))
    fake = SimpleNamespace(
        name="web1",
        executing_op_hash="op",
        connector_data={},
        state=SimpleNamespace(is_executing=True),
        get_fact=lambda *_, **__: {"shop": {"live": "1"}},
    )
    monkeypatch.setattr(apart, "current_host", fake)
    monkeypatch.setattr(bills, "host", fake)
    return cast(Host, fake)


def told(host: Host) -> record.HostRecord:
    return record.RECORD.hosts[host.name]


def test_changes_belong_to_the_operation_and_are_not_endless(host: Host) -> None:
    record.change(host, ["File /a"])
    record.change(host, [f"File /{number}" for number in range(1000)])
    assert told(host).changes["op"][:2] == ["File /a", "File /0"]
    assert len(told(host).changes["op"]) == record.MOST
    cast(Any, host).executing_op_hash = None
    record.change(host, ["File /b"])
    assert list(told(host).changes) == ["op"]
    record.checks(host, "verify", [ok("units", "run")])
    assert told(host).checks["verify"][0].detail == "run"


def test_a_restart_of_the_live_release_is_no_release(host: Host) -> None:
    record.release(host, "shop", "1", "1")
    assert told(host).releases == []
    cast(Any, host).state.is_executing = False
    record.release(host, "shop", "1", "2")
    assert told(host).releases == []


def test_a_release_that_went_live_serves_unless_its_application_failed(host: Host) -> None:
    record.serving(host, {"shop": "1", "blog": None})
    item = record.release(host, "shop", "1", "2")
    assert facts.served_by(told(host), {})[0] == {"shop": "1", "blog": None}
    item.live = True
    assert facts.served_by(told(host), {})[0] == {"shop": "2", "blog": None}
    assert build._release(item, {}).outcome == "live"
    # It went back: what serves was looked at.
    assert facts.served_by(told(host), {"shop": "check window"})[0]["shop"] == "1"
    assert build._release(item, {"shop": "check window"}).outcome == "failed"


def test_after_a_failure_the_host_is_asked_what_serves(host: Host) -> None:
    apart.fail(host, "shop", "start, probe and switch")
    apart._look_what_serves()
    assert told(host).serving == {"shop": "1"}


def test_bills_are_read_only_for_a_report_and_only_of_what_went_live(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def bill(app: str, release: str | None) -> Any:
        asked.append(f"{app} {release}")
        return {"bomFormat": "CycloneDX"}

    monkeypatch.setattr(bills, "_bill", bill)
    record.release(host, "blog", None, "9")
    item = record.release(host, "shop", "1", "2")
    bills.note_differences(["shop", "blog"])
    assert asked == []
    item.live = True
    bills.note_differences(["blog"])
    assert asked == []
    bills.note_differences(["shop", "blog"])
    assert asked == ["shop 1", "shop 2"] and item.packages is not None
    bills.note_differences(["shop"])
    assert len(asked) == 2
    record.RECORD.path, item.packages = None, None
    bills.note_differences(["shop"])
    assert len(asked) == 2


@pytest.mark.parametrize("good", [True, False])
def test_what_a_drill_has_said_is_in_the_report(host: Host, good: bool) -> None:
    output = SimpleNamespace(stdout="restored shop in 3 s\n\n", stderr="", stdout_lines=[])
    fake = cast(Any, host)
    fake.run_shell_command = lambda *_, **__: (good, output)
    fake.current_op_global_arguments = {}
    fake.log_styled = lambda *_, **__: None
    assert backup._run_unit(fake.state, host, "groundcrew-backup-drill.service") is good
    assert told(host).told == {"backup-drill": ["restored shop in 3 s"]}

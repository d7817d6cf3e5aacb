"""The checklists: which check decides which line, and what a line says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from groundcrew.checklist.arrange import REST, arrange, decide
from groundcrew.checklist.lines import Line, checklists
from groundcrew.facts.status import HostStatus
from groundcrew.report import earlier
from groundcrew.results.result import Status, fail, not_applicable, ok, warn
from groundcrew.roles import checklist
from groundcrew.roles.metrics.settings import MetricsSettings
from tests.unit.project import Project

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {"preflight", "verify", "settings", "status", "audit", "loadtest"}
UNITS = Line(checks=("verify: *: unit",), absent="no applications")


def test_the_production_checklist_has_its_lines() -> None:
    assert list(checklists()["production"]) == [
        "environment is configured",
        "workers are set",
        "logs are rotated",
        "health check",
        "resource limits",
        "alerts",
        "data is backed up",
        "recovery is tested",
    ]
    assert list(checklists()) == [
        "before a deploy",
        "after a deploy",
        "production",
        "security",
        "operations",
        "performance",
    ]


def patterns() -> Iterator[str]:
    for lines in checklists().values():
        for line in lines.values():
            yield from line.checks


@pytest.mark.parametrize("pattern", sorted(set(patterns())))
def test_every_pattern_is_of_checks_that_exist(pattern: str) -> None:
    source, _, name = pattern.partition(": ")
    assert source in SOURCES
    texts = [*ROOT.glob("roles/**/*.py"), *ROOT.glob("groundcrew/verify/*.py")]
    if name.strip("* :"):
        part = max(name.split("*"), key=len).strip(" :")
        # `backups: key` is a name, `backups` the beginning of several.
        wanted = part.removeprefix("monitoring: ")
        assert any(wanted in path.read_text() for path in texts), part


def test_a_line_must_be_decided_by_something() -> None:
    with pytest.raises(ValidationError, match="needs checks or by_hand"):
        Line()
    with pytest.raises(ValidationError):
        Line.model_validate({"check": []})


def test_a_failed_check_fails_the_line_with_its_reason() -> None:
    results = {"verify": [ok("shop: unit", "runs"), fail("blog: unit", "is failed")]}
    line = decide("units", UNITS, results)
    assert (line.status, line.detail) == (Status.FAIL, "blog: unit: is failed")


def test_a_line_passes_with_what_was_seen_and_warnings_first() -> None:
    checks = [ok(f"app{number}: unit", "runs") for number in range(5)]
    line = decide("units", UNITS, {"verify": [*checks, warn("shop: unit", "slow")]})
    assert line.status is Status.OK
    assert line.detail == (
        "warning: shop: unit: slow; app0: unit: runs; app1: unit: runs; and 3 more"
    )


def test_what_does_not_apply_and_what_is_absent_say_why() -> None:
    results = {"verify": [not_applicable("shop: unit", "maintenance is on")]}
    assert decide("units", UNITS, results).detail == "shop: unit: maintenance is on"
    assert decide("units", UNITS, results).status is Status.NOT_APPLICABLE
    assert decide("units", UNITS, {}).detail == "no applications"
    assert decide("units", UNITS, {}).status is Status.NOT_APPLICABLE
    required = UNITS.model_copy(update={"required": True})
    assert decide("units", required, {}).status is Status.FAIL
    assert decide("units", Line(checks=("verify: x",)), {}).detail == "no check of it was made"


def test_what_no_check_can_judge_says_so() -> None:
    line = decide("growth", Line(by_hand="read the page"), {})
    assert (line.status, line.detail) == (Status.NOT_APPLICABLE, "by hand: read the page")
    both = Line(checks=("verify: *: unit",), by_hand="and look")
    line = decide("units", both, {"verify": [ok("shop: unit", "runs")]})
    assert line.detail == "shop: unit: runs; by hand: and look"


def test_a_failure_that_no_line_is_about_is_not_lost() -> None:
    lists = {"all": {"units": UNITS}}
    results = {"verify": [ok("shop: unit", "runs"), fail("units", "not checked: gone")]}
    *_, last = arrange(lists, results)
    assert (last.name, last.status) == (REST, Status.FAIL)
    assert last.detail == "units: not checked: gone"
    *_, last = arrange(lists, {"verify": [fail("shop: unit", "is failed")]})
    assert last.status is Status.OK


def lines_of(project: Project) -> dict[str, tuple[str, str]]:
    results = checklist.of_settings(project.settings())
    return {item.name: (item.status.value, item.detail) for item in results}


def test_what_the_settings_say(project: Project) -> None:
    project.write("key", "s3cr3t-value\n")
    project.app(
        more="env: {MODE: live}\nsecrets: {KEY: {file: key}}\nrequired: [KEY]\n"
        "server: {workers: 3}\ninstances: 2\n"
    )
    seen = lines_of(project)
    environment = "1 variables, 1 secrets, required and set: KEY"
    assert seen["shop: environment"] == ("ok", environment)
    assert seen["shop: workers"] == ("ok", "gunicorn, 3 workers, 2 x")
    told = "no limit of memory (app.shop.limits.memory_max)"
    assert seen["shop: limits"] == ("fail", told)
    assert seen["shop: HTTPS"] == ("fail", "plain HTTP (app.shop.tls)")
    assert seen["monitored"] == ("fail", "no host is in the group monitoring")
    assert seen["backups"] == ("fail", "no backup.targets")
    assert "s3cr3t-value" not in str(seen)


def test_what_good_settings_say(project: Project) -> None:
    project.app(more="limits: {memory_max: 300M}\nnginx: {forwarded_proto: https}\n")
    project.hosts["web1"] = (["web", "monitoring"], {})
    project.all["backup"] = {"targets": {"disk": {"type": "directory", "path": "/backup"}}}
    seen = lines_of(project)
    assert seen["shop: limits"] == ("ok", "memory 300M")
    assert seen["shop: HTTPS"][0] == "ok"
    assert seen["monitored"][0] == "ok"
    assert seen["backups"] == ("ok", "to disk")


def test_a_host_without_data_needs_no_backup(project: Project) -> None:
    project.hosts["web1"] = ([], {})
    assert lines_of(project)["backups"][0] == "n/a"


def state(**more: Any) -> HostStatus:
    host = {
        "load": [0.5, 0.5, 0.5],
        "cpus": 2,
        "memory": 1000,
        "memory_available": 500,
        "disk": 1000,
        "disk_free": 500,
        **more,
    }
    entry = {"action": "release", "release": "1", "result": more.get("result", "live")}
    app = {"logs": more.get("logs", 10), "log": [entry]}
    return cast(HostStatus, {"time": 0, "host": host, "apps": {"shop": app}})


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"load": [0.1, 2.5, 0.1]}, "load"),
        ({"memory_available": 90}, "memory"),
        ({"disk_free": 90}, "disk"),
        ({"logs": 0}, "shop: logs"),
        ({"result": "not healthy"}, "shop: last release"),
    ],
)
def test_resources_are_judged_as_the_alerts_judge_them(more: dict[str, Any], name: str) -> None:
    assert {item.status for item in checklist.of_status(state(), MetricsSettings())} == {Status.OK}
    results = checklist.of_status(state(**more), MetricsSettings())
    assert [item.name for item in results if item.status is Status.FAIL] == [name]


def test_thresholds_are_those_of_the_alerts() -> None:
    results = checklist.of_status(state(), MetricsSettings(disk_used=40, memory_free=60))
    bad = [item.detail for item in results if item.status is Status.FAIL]
    assert bad == [
        "50 % available (metrics.memory_free)",
        "50 % of /srv in use (metrics.disk_used)",
    ]


def test_audits_and_load_tests_that_were_not_made_are_by_hand(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.app()
    monkeypatch.setattr(checklist, "ROOT", project.root)
    settings = project.settings()
    line = checklist.of_audit(settings, "web1")
    assert line.status is Status.NOT_APPLICABLE and line.detail.startswith("by hand: no audit")
    [line] = checklist.of_load_tests(settings)
    assert line.status is Status.NOT_APPLICABLE and "loadtest shop makes one" in line.detail


@pytest.mark.parametrize(
    ("result", "status"), [("clean", "ok"), ("vulnerable", "fail"), ("not checked", "fail")]
)
def test_the_last_audit_and_load_test_decide(
    project: Project, monkeypatch: pytest.MonkeyPatch, result: str, status: str
) -> None:
    project.app()
    monkeypatch.setattr(checklist, "ROOT", project.root)
    finding = {
        "name": "flask", "version": "3.0", "known_as": ["CVE-1"], "fixed_in": [], "title": "",
    }  # fmt: skip
    audited = {
        "result": result,
        "findings": [finding] if result == "vulnerable" else [],
        "updates": [],
        "not_checked": ["PyPI: no answer"] if result == "not checked" else [],
    }
    project.write(earlier.AUDIT, json.dumps({"audited": {"shop.web1": audited}}))
    line = checklist.of_audit(project.settings(), "web1")
    assert line.status.value == status
    assert {"clean": "audited 2", "vulnerable": "flask 3.0: CVE-1", "not checked": "no answer"}[
        result
    ] in line.detail
    good = result == "clean"
    test = {
        "ok": good,
        "total": {"requests": 9, "failed": 0, "rate": 5.0, "p95": 0.2},
        "checks": [{"name": "answer time", "status": "ok" if good else "fail", "detail": "slow"}],
    }
    project.write(f"{earlier.LOAD_TESTS}/shop.json", json.dumps(test))
    [line] = checklist.of_load_tests(project.settings())
    assert line.status is (Status.OK if good else Status.FAIL)
    assert ("95 % within 0.200 s" if good else "answer time: slow") in line.detail

"""The report of an audit: SARIF, JUnit XML, a page; and the difference of bills of materials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pydantic import ValidationError
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif

from groundcrew.audit import npm_packages, python_packages
from groundcrew.audit.answer import Answer, Finding
from groundcrew.audit.packages import DEB, PYPI, Package, Subject, Update
from groundcrew.audit.report import Result
from groundcrew.audit.sarif import sarif
from groundcrew.releases import bills
from groundcrew.report import earlier
from groundcrew.roles import audit

FLASK = Package(PYPI, "flask", "3.0.0")
KNOWN = Finding(FLASK, ("CVE-1", "GHSA-1"), ("3.1.1",), "Broken <b>")
OPENSSL = Update(Package(DEB, "openssl", "3.0.1"), "3.0.2", True, ("bookworm-security",))
VIM = Update(Package(DEB, "vim", "1"), "2", False)


def results() -> list[Result]:
    return [
        Result(Subject("requirements/dev.lock", {FLASK}), [KNOWN]),
        Result(Subject("shop.web1", {FLASK}), [KNOWN], ["werkzeug: \x1b[1m no answer"]),
        Result(Subject("web1", {OPENSSL.package}, updates=[VIM, OPENSSL])),
        Result(Subject("clean")),
    ]


def test_sarif_is_valid_and_has_each_finding() -> None:
    document = json.loads(json.dumps(sarif(results())))
    Sarif.model_validate(document)
    [run] = document["runs"]
    findings = [(item["ruleId"], item["message"]["text"]) for item in run["results"]]
    assert findings == [
        ("CVE-1", "flask 3.0.0 has CVE-1 GHSA-1; fixed in 3.1.1. Broken <b>"),
        ("CVE-1", "flask 3.0.0 has CVE-1 GHSA-1; fixed in 3.1.1. Broken <b>"),
        ("debian-security-update", "openssl 3.0.1: the security update 3.0.2 waits"),
    ]
    assert {item["id"] for item in run["tool"]["driver"]["rules"]} == {
        "CVE-1",
        "debian-security-update",
    }
    file, host, _ = (item["locations"][0] for item in run["results"])
    assert file["physicalLocation"]["artifactLocation"]["uri"] == "requirements/dev.lock"
    assert host["logicalLocations"][0]["fullyQualifiedName"] == "shop.web1/flask"
    assert "physicalLocation" not in host
    # What could not be checked is no clean result.
    [invocation] = run["invocations"]
    assert not invocation["executionSuccessful"]
    assert "\\x1b[1m no answer" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    document["runs"][0]["results"][0]["lvel"] = "error"
    with pytest.raises(ValidationError):
        Sarif.model_validate(document)


def test_a_clean_audit_is_valid_too() -> None:
    document = sarif([Result(Subject("clean"))])
    Sarif.model_validate(document)
    assert document["runs"][0]["invocations"][0]["executionSuccessful"]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock, and databases that know something against its package."""
    monkeypatch.setattr(python_packages, "ask", lambda *_: Answer([KNOWN]))
    monkeypatch.setattr(npm_packages, "ask", lambda *_: Answer())
    lock = tmp_path / "shop.lock"
    lock.write_text("flask==3.0.0\n")
    return lock


def test_an_audit_writes_its_report(asked: Path, tmp_path: Path) -> None:
    path = tmp_path / "out/audit.html"
    assert audit.main([str(asked), "--report", str(path)], tmp_path) == 1
    files = sorted(item.name for item in path.parent.iterdir())
    assert files == ["audit.html", "audit.json", "audit.sarif", "audit.xml"]
    page = path.read_text()
    assert "Broken &lt;b&gt;" in page and "<b>" not in page and "CVE-1" in page
    Sarif.model_validate(json.loads(path.with_suffix(".sarif").read_text()))
    root = ElementTree.parse(path.with_suffix(".xml")).getroot()
    [failure] = root.findall(".//failure")
    assert "flask 3.0.0: CVE-1" in (failure.text or "")
    assert json.loads(path.with_suffix(".json").read_text())["result"] == "vulnerable"
    # Reports of runs show it.
    assert json.loads((tmp_path / earlier.AUDIT).read_text())["result"] == "vulnerable"


def test_a_report_that_cannot_be_written_is_told_before_anybody_is_asked(
    asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        audit.main([str(asked), "--report", str(tmp_path / "audit.json")], tmp_path)
    assert ended.value.code == audit.USAGE
    assert ".html" in capsys.readouterr().err
    assert not (tmp_path / ".groundcrew").exists()


def bill(**versions: str) -> dict[str, Any]:
    return {
        "bomFormat": "CycloneDX",
        "components": [
            {"type": "library", "name": name, "purl": f"pkg:pypi/{name}@{version}"}
            for name, version in versions.items()
        ],
    }


def test_the_difference_of_two_bills_of_materials() -> None:
    difference = bills.difference(bill(flask="3.0", six="1.16"), bill(flask="3.1", click="8.1"))
    assert difference == {
        "added": ["click 8.1"],
        "removed": ["six 1.16"],
        "changed": ["flask 3.0 -> 3.1"],
        "total": 2,
        "problem": None,
    }
    assert bills.difference(bill(flask="3.0"), bill(flask="3.0"))["changed"] == []


@pytest.mark.parametrize(
    "broken", [None, [], {}, {"bomFormat": "CycloneDX", "components": [{"purl": 1}]}]
)
def test_a_bill_that_a_build_has_spoilt_is_no_failure(broken: Any) -> None:
    difference = bills.difference(bill(flask="3.0"), broken)
    assert difference["problem"] == "a release has no readable bill of materials"
    assert difference["added"] == []


def test_names_of_packages_are_not_endless() -> None:
    [added] = bills.difference(bill(), bill(**{"x" * 9999: "1"}))["added"]
    assert len(added) < 200

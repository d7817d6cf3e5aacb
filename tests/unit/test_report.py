"""What a report is made of, and what comes of it on a page, in JSON and in JUnit XML."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from pydantic import SecretStr

from docs.generate import DOCS
from groundcrew.console import facts
from groundcrew.console.failures import Failure, Story
from groundcrew.report import build, earlier, masks, model, paths
from groundcrew.report.junit import junit
from groundcrew.report.page import LIMIT, page
from groundcrew.report.write import write
from groundcrew.settings.load import _texts
from tests.unit import reports
from tests.unit.project import Project

SCHEMA = json.loads((DOCS / "report.schema.json").read_text(encoding="utf-8"))
LOADING = {"script", "img", "link", "iframe", "object", "embed", "form", "input", "base", "svg"}


class Page(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def test_the_page_tells_what_failed_and_what_serves() -> None:
    told = Page(page(reports.report())).text
    assert "deploy.py: failed" in told
    assert "web1.example.com : app | shop: start, probe and switch" in told
    assert "the application says: no such table" in told
    assert "shop: release 20261128-1 serves" in told and "blog: nothing serves" in told
    assert "20261128-1 → 20261129-2" in told
    assert "packages: 1 changed, 1 added, 1 removed, of 20" in told
    assert "flask 3.0.1 -> 3.1.0" in told
    assert "File /etc/nginx/nginx.conf" in told
    assert "CVE-2026-1" in told and "openssl 3.0.1 -> 3.0.2" in told
    assert "1000 requests, 0 failed, 120.5 per second" in told
    assert "restored in 3 s" in told
    # What needs somebody is before what does not.
    assert told.index("check 5 fail") < told.index("check 4 warn") < told.index("check 0 ok")


def test_a_page_runs_and_loads_nothing_whatever_a_host_says() -> None:
    text = page(reports.report(reports.HOSTILE))
    parsed = Page(text)
    assert not parsed.tags & LOADING
    assert not {name for name in parsed.attributes if name.startswith("on") or name == "src"}
    assert reports.HOSTILE in " ".join(parsed.texts)
    assert "49" not in parsed.text
    assert "default-src 'none'" in text
    assert not re.findall(r"https?://|@import|url\(", text)


def test_a_page_follows_the_reader() -> None:
    text = page(reports.report())
    assert "prefers-color-scheme:dark" in text
    assert 'name="viewport" content="width=device-width,initial-scale=1"' in text


@pytest.mark.parametrize(
    ("hosts", "count", "length"), [(1, 60, 100), (60, 60, 300), (900, 90, 1500)]
)
def test_a_page_stays_below_a_megabyte_and_names_every_host(
    hosts: int, count: int, length: int
) -> None:
    report = reports.report("x" * length, hosts, count)
    text = page(report)
    assert len(text.encode()) < LIMIT
    assert all(host.name in text for host in report.hosts)
    assert ("This page is shortened" in text) == (hosts > 1)
    assert "health path /health gave status 500" in text


def test_the_json_follows_its_schema(tmp_path: Path) -> None:
    write(str(tmp_path / "run.html"), reports.report(reports.HOSTILE, 2))
    data = json.loads((tmp_path / "run.json").read_text())
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(data, SCHEMA)
    data["hosts"][0]["unknown"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, SCHEMA)


def test_files_are_their_owners_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "run.html").write_text("old")
    write(str(tmp_path / "run.html"), reports.report())
    files = sorted(tmp_path.iterdir())
    assert [item.name for item in files] == ["run.html", "run.json", "run.xml"]
    assert {item.stat().st_mode & 0o777 for item in files} == {0o600}


def test_junit_has_a_case_for_each_check_and_the_failures_with_their_text() -> None:
    report = reports.report("of \x00\x1b[31m <b> & \ud800")
    root = ElementTree.fromstring(junit(report))
    cases = root.findall(".//testcase")
    assert root.get("tests") == str(len(cases)) == "13"
    assert root.get("failures") == str(len(root.findall(".//failure"))) == "3"
    assert root.get("skipped") == str(len(root.findall(".//skipped"))) == "2"
    run = root.find("./testsuite[@name='web1.example.com: run']/testcase/failure")
    assert run is not None and "no such table" in (run.text or "")
    check = root.find(".//testcase[@name='check 5']/failure")
    assert check is not None and check.text == "of ??[31m <b> & ?"


def test_all_failures_of_a_host_are_told_and_the_cause_first() -> None:
    report = reports.report()
    outcome = {"step": "app | outcome", "cause": "not released: shop", "lines": ["not released"]}
    report.failures.insert(0, report.failures[0].model_copy(update=outcome))
    [failure] = ElementTree.fromstring(junit(report)).findall("./testsuite[1]/testcase/failure")
    assert (failure.get("message") or "").startswith("app | shop: start, probe and switch: health")
    assert "not released" in (failure.text or "") and "no such table" in (failure.text or "")


def test_a_failure_that_is_no_hosts_is_a_case_too() -> None:
    report = reports.report()
    report.failures = [model.Failure(host="", step="the run", cause="why", lines=[], advice=[])]
    failure = ElementTree.fromstring(junit(report)).find("./testsuite[@name='run']//failure")
    assert failure is not None and failure.get("message") == "why"


@pytest.mark.parametrize("name", ["run.htm", "run", "run.json"])
def test_a_page_must_be_called_one(tmp_path: Path, name: str) -> None:
    [problem] = paths.problems(str(tmp_path / name), "report", "--data")
    assert problem.key == "report" and ".html" in problem.message


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "run.xml").mkdir()
    [problem] = paths.problems(str(tmp_path / "file/run.html"), "report", "--data")
    assert "cannot be written" in problem.message and "name another file" in problem.message
    [problem] = paths.problems(str(tmp_path / "run.html"), "report", "--data")
    assert "run.xml" in problem.message and "is a directory" in problem.message
    assert paths.problems(str(tmp_path / "new/run.html"), "report", "--data") == []
    assert [item.name for item in (tmp_path / "new").iterdir()] == []


def test_secrets_are_taken_out_wherever_an_application_prints_them(project: Project) -> None:
    project.write("key", "s3cr3t-key\n")
    project.app(more="secrets: {KEY: {file: key}}\n")
    words = masks.secrets(project.load().values())
    assert words == {"s3cr3t-key"}
    told = {"lines": ["KeyError: s3cr3t-key\x1b[1m"], "status": "s3cr3t-key", "count": 3}
    hidden = {"lines": ["KeyError: ******\\x1b[1m"], "status": "s3cr3t-key", "count": 3}
    assert masks.masked(told, words) == hidden
    assert len(masks.masked("x" * 10_000, ())) < 2100


def test_a_password_of_a_url_is_a_secret_of_its_own() -> None:
    assert masks.words_of("postgresql://shop:p%40ss-word@db/shop") >= {"p%40ss-word", "p@ss-word"}
    assert masks.words_of("abc") == set()
    assert masks.words_of("one line\nanother") == {"one line\nanother", "one line", "another"}
    assert set(_texts({"a": {"b": SecretStr("x")}, "c": [SecretStr("y")], "d": 1})) == {"x", "y"}


def test_time_is_told_by_role_and_operation() -> None:
    hosts = [reports.host("web1"), reports.host("web2")]
    assert [(item.role, item.seconds, item.operations) for item in build.timings(hosts)] == [
        ("base", 25.0, 2),
        ("app", 18.2, 2),
        ("nginx", 0.8, 2),
    ]
    assert [(item.host, item.name) for item in build.slowest(hosts)][:2] == [
        ("web1", "base | packages"),
        ("web2", "base | packages"),
    ]
    assert facts.role_of("shop: roll back") == "shop" and facts.role_of("status") == "status"


def test_a_failure_has_its_cause_and_advice() -> None:
    story = Story(failures=[Failure("web1", "build", ("one", "E: No space left on device"))])
    [failure] = [build._failure(item) for item in story.complete()]
    assert failure.cause == "E: No space left on device"
    assert failure.lines == ["one", "E: No space left on device"]
    assert failure.advice == ["Free some space on the host, then run the same again."]


def test_earlier_results_are_those_of_the_run(tmp_path: Path) -> None:
    audited = {
        "shop.web1.example.com": {
            "result": "vulnerable",
            "findings": [
                {
                    "name": "flask",
                    "version": "3.0",
                    "known_as": ["CVE-1"],
                    "fixed_in": [],
                    "title": "",
                }
            ],
            "updates": [
                {"name": "a", "installed": "1", "available": "2", "security": True},
                {"name": "b", "installed": "1", "available": "2", "security": False},
            ],
            "not_checked": [],
        },
        "other.web9": {
            "result": "not checked",
            "findings": [],
            "updates": [],
            "not_checked": ["x"],
        },
    }
    place = tmp_path / earlier.AUDIT
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps({"audited": audited}))
    audit = earlier.last_audit(tmp_path, {"shop", "web1.example.com"})
    assert audit is not None and audit.result == "vulnerable" and audit.subjects == 1
    assert audit.updates == ["shop.web1.example.com: a 1 -> 2"]
    assert earlier.last_audit(tmp_path, {"blog", "web1.example.com"}) is None
    place.write_text("[]")
    assert earlier.last_audit(tmp_path, {"shop", "web1.example.com"}) is None
    assert earlier.load_tests(tmp_path, {"shop"}) == []
    result = {
        "ok": True,
        "total": {"requests": 10, "failed": 1, "rate": 5.0, "p95": 0.1},
        "checks": [{"name": "succeeded", "status": "ok", "detail": "90 %"}],
    }
    load = tmp_path / earlier.LOAD_TESTS / "shop.json"
    load.parent.mkdir(parents=True)
    load.write_text(json.dumps(result))
    [test] = earlier.load_tests(tmp_path, {"shop", "blog"})
    assert (test.app, test.requests, test.failed) == ("shop", 10, 1)

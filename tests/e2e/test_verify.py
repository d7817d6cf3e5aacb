"""The checks at the end of a run, on a host that keeps its promises and on one that breaks them."""

from __future__ import annotations

import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema

from groundcrew import remote
from groundcrew.contract import Reads, modules, requests
from tests.e2e.harness import ROOT, LabHost, Run, inside, pyinfra, version


def verify(host: LabHost, folder: Path, **data: Any) -> tuple[Run, dict[str, dict[str, str]]]:
    """A run of verify alone, and its checks by name."""
    path = folder / "verify.json"
    run = pyinfra(
        host.name, playbook="playbooks/verify.py", data={"verify.json": str(path), **data}
    )
    report = json.loads(path.read_text())
    assert report["ok"] == (run.status == 0)
    assert run.status != 0 or run.changed == []
    return run, {check["name"]: check for check in report["hosts"][host.name]["checks"]}


def test_every_promise_is_kept(converged: LabHost, tmp_path: Path) -> None:
    run, checks = verify(converged, tmp_path)
    assert run.status == 0, run.stderr
    for name in (
        "hello: unit",
        "hello: sandbox",
        "nginx: sandbox",
        "own units: sandbox",
        "hello: gzip",
        "httpbin: connection reuse",
        "httpbin: headers on missing page",
        "httpbin: headers on bad request",
        "hello: unknown name",
        "listening sockets",
        "firewall: policy",
        "firewall: from outside (IPv4)",
        "ssh policy",
        "sudo policy",
        "logrotate dry run",
        "unattended upgrades",
    ):
        assert checks[name]["status"] == "ok", checks[name]
        assert f"{name} " in run.stderr


def test_a_broken_promise_fails_the_run(bookworm: LabHost, tmp_path: Path) -> None:
    bookworm.out("systemctl stop nginx")
    try:
        run, checks = verify(bookworm, tmp_path)
    finally:
        bookworm.out("systemctl start nginx")
    assert run.status == 1
    assert checks["nginx: unit"]["status"] == "fail"
    assert checks["hello: sandbox"]["status"] == "ok"
    assert " 0 failed" not in run.stderr


def test_a_healthy_application_whose_page_is_broken_fails_the_run(
    bookworm: LabHost, tmp_path: Path
) -> None:
    data = {"app.hello.checks": [{"path": "/", "contains": "sign in"}, {"path": "/nowhere"}]}
    run, checks = verify(bookworm, tmp_path, **data)
    assert run.status == 1
    failed = {name for name, check in checks.items() if check["status"] == "fail"}
    assert len(failed) == 2
    assert all(name.startswith("hello: ") for name in failed)
    assert verify(bookworm, tmp_path)[0].status == 0


def test_hosts_say_whether_their_clock_is_kept(converged: LabHost) -> None:
    """Not in a container, where the clock is not the host's own and nobody is asked."""
    assert "NTPSynchronized" not in upkeep(converged)["clock"]
    # The lab's hosts are containers: this one is told that it is none.
    marks = "/run/systemd/container /.dockerenv"
    converged.out(f"for mark in {marks}; do mv $mark $mark.away; done")
    try:
        told = upkeep(converged)
    finally:
        converged.out(f"for mark in {marks}; do mv $mark.away $mark; done")
    assert set(told["clock"]) == {"NTP", "NTPSynchronized"}
    assert told["upgrade_timer"] == "enabled"


def upkeep(host: LabHost) -> dict[str, Any]:
    """What the host says about its time synchronisation and its unattended upgrades."""
    reads = [Reads("groundcrew.roles.base.on_host", ("upkeep",))]
    program = remote.source("read_host", *modules(reads))
    command = f"python3 - {shlex.quote(json.dumps(requests(reads)))}"
    upkeep: dict[str, Any] = json.loads(inside(host, command, program))["upkeep"]
    return upkeep


class Texts(HTMLParser):
    """The texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def pinned(package: str) -> str:
    """A package with its hashes, from groundcrew's own lock."""
    lock = (ROOT / "requirements/dev.lock").read_text()
    match = re.search(rf"^{package}==.*?(?=^\S)", lock, re.MULTILINE | re.DOTALL)
    assert match
    return match[0]


def test_a_run_and_a_failed_run_write_their_reports(
    bookworm: LabHost, source: Path, tmp_path: Path
) -> None:
    def release(**more: Any) -> tuple[Run, dict[str, Any], str, ElementTree.Element]:
        data = {
            "app.hello.source.directory": str(source),
            "app.hello.health.timeout": 10,
            "app.hello.release.drain": 3,
            "app.hello.secrets.TOKEN.env": "HELLO_TOKEN",
            "report": str(tmp_path / "run.html"),
            **more,
        }
        run = pyinfra(bookworm.name, data=data, env={"HELLO_TOKEN": "s3cr3t-of-this-test"})
        report = json.loads((tmp_path / "run.json").read_text())
        jsonschema.validate(report, json.loads((ROOT / "docs/report.schema.json").read_text()))
        page = Texts()
        page.feed((tmp_path / "run.html").read_text())
        junit = ElementTree.parse(tmp_path / "run.xml").getroot()
        return run, report, " ".join(" ".join(page.texts).split()), junit

    before = bookworm.live("hello")
    version(source, "<b>reported</b>")
    requirements = source / "requirements.txt"
    requirements.write_text(requirements.read_text() + pinned("iniconfig"))
    run, report, page, junit = release()
    assert run.status == 0, run.stderr
    after = bookworm.live("hello")
    [host] = report["hosts"]
    [told] = host["releases"]
    assert report["outcome"] == "succeeded"
    assert (told["before"], told["after"], told["outcome"]) == (before, after, "live")
    assert any(item.startswith("iniconfig 2") for item in told["packages"]["added"]), told
    assert f"{before} → {after}" in page
    assert {"preflight", "verify"} == {item["title"] for item in host["checks"]}
    changed = {item["name"] for item in host["operations"] if item["outcome"] == "changed"}
    assert changed == set(run.changed)
    assert {item["role"] for item in report["timings"]} >= {"base", "nginx", "app", "verify"}
    assert junit.get("failures") == "0" and int(junit.get("tests", "0")) > 20

    wsgi = source / "hello.py"
    wsgi.write_text("import os\nraise RuntimeError(os.environ['TOKEN'] + ' is wrong')\n")
    run, report, page, junit = release()
    assert run.status == 1
    assert report["outcome"] == "failed"
    [host] = report["hosts"]
    assert {"app": "hello", "release": after} in host["serving"]
    assert host["releases"][0]["outcome"] == "failed"
    assert f"release {after} serves" in page
    failure = junit.find("./testsuite[1]/testcase/failure")
    assert failure is not None and failure.text
    for end in ("html", "json", "xml"):
        text = (tmp_path / f"run.{end}").read_text()
        assert "RuntimeError: ****** is wrong" in text and "s3cr3t-of-this-test" not in text
    assert bookworm.live("hello") == after
    # The host is as the others want it again.
    assert pyinfra(bookworm.name).status == 0


def test_the_checklist_says_of_each_line_what_was_seen(bookworm: LabHost, tmp_path: Path) -> None:
    def go_through(**data: Any) -> tuple[Run, dict[str, dict[str, str]]]:
        path = tmp_path / "checklist.json"
        data = {"checklist.json": str(path), **data}
        run = pyinfra(bookworm.name, playbook="playbooks/checklist.py", data=data)
        report = json.loads(path.read_text())
        assert report["ok"] == (run.status == 0)
        return run, {line["name"]: line for line in report["hosts"][bookworm.name]["checks"]}

    run, lines = go_through()
    assert run.status == 1
    for name in (
        "before a deploy: CPUs",
        "before a deploy: disk",
        "before a deploy: ports",
        "before a deploy: dependencies",
        "after a deploy: units run",
        "after a deploy: health and pages",
        "after a deploy: logs are written",
        "production: environment is configured",
        "production: workers are set",
        "production: logs are rotated",
        "production: health check",
        "security: sandbox",
        "security: packet filter",
        "security: SSH",
        "performance: connections",
        "everything else",
    ):
        assert lines[name]["status"] == "ok", lines[name]
        assert name in run.stderr
    for name, why in (
        ("production: resource limits", "app.hello.limits.memory_max"),
        ("production: alerts", "no host is in the group monitoring"),
        ("production: data is backed up", "no backup.targets"),
        ("production: recovery is tested", "no backup.targets"),
        ("security: HTTPS", "app.hello.tls"),
    ):
        assert lines[name]["status"] == "fail" and why in lines[name]["detail"], lines[name]
    assert lines["operations: growth"]["detail"].startswith("by hand: ")

    limits = {f"app.{name}.limits.memory_max": "300M" for name in ("hello", "httpbin")}
    _, lines = go_through(**limits)
    assert lines["production: resource limits"]["status"] == "ok"

    bookworm.out("systemctl stop nginx")
    try:
        run, lines = go_through()
    finally:
        bookworm.out("systemctl start nginx")
    assert lines["after a deploy: units run"]["status"] == "fail"
    assert lines["production: health check"]["status"] == "fail"
    assert lines["security: SSH"]["status"] == "ok"

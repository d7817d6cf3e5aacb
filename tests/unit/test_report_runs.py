"""Reports of real runs: the command line on a copy of the project."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from docs.generate import DOCS
from tests.unit.checkout import Checkout, Listener

VERIFY = ("playbooks/verify.py", "-y")
SCHEMA = json.loads((DOCS / "report.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    listener = Listener()
    yield Checkout(tmp_path, listener)
    listener.socket.close()


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(500)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def broken() -> Iterator[str]:
    """The URL of a site whose page fails."""
    server = http.server.HTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def report(checkout: Checkout) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((checkout.root / "out/run.json").read_text())
    jsonschema.validate(data, SCHEMA)
    return data


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("out/run.txt", "ends in .html"),
        ("config.py/run.html", "cannot be written"),
        ("/proc/run.html", "cannot be written"),
    ],
)
def test_a_path_that_cannot_be_written_ends_the_run_before_a_host_is_touched(
    checkout: Checkout, path: str, why: str
) -> None:
    told = checkout.refused(*VERIFY, "--data", f"report={path}")
    assert "report" in told and "--data" in told and why in told
    assert not (checkout.root / "out").exists()


def test_a_run_that_reaches_no_host_has_a_report(checkout: Checkout) -> None:
    done = checkout.run(*VERIFY, "--data", "report=out/run.html")
    assert done.returncode == 1, done.stderr
    data = report(checkout)
    assert data["outcome"] == "failed" and data["files"] == ["playbooks/verify.py"]
    [failure] = data["failures"]
    assert failure["host"] == "web1" and failure["step"] == "connecting"
    root = ElementTree.parse(checkout.root / "out/run.xml").getroot()
    assert root.get("failures") == "1"
    page = (checkout.root / "out/run.html").read_text()
    assert "Nothing was changed on this host." in page


def test_checks_are_in_the_report(checkout: Checkout, broken: str) -> None:
    done = checkout.run(
        *VERIFY, "--data", f"verify.url={broken}", "--data", "report=out/run.html",
        inventory="@local",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    data = report(checkout)
    [host] = data["hosts"]
    assert host["name"] == "@local" and host["outcome"] == "failed"
    checks = {item["name"]: item for item in host["checks"][0]["results"]}
    assert checks["status"]["status"] == "fail" and "500" in checks["status"]["detail"]
    assert host["operations"][0]["role"] == "verify"
    cases = ElementTree.parse(checkout.root / "out/run.xml").findall(".//testcase[@name='status']")
    assert [case.find("failure") is not None for case in cases] == [True]


def test_a_mistake_on_the_command_line_is_the_runs_own(checkout: Checkout) -> None:
    checkout.write("playbooks/own.py", "raise ValueError('it is Monday')\n")
    done = checkout.run(
        "playbooks/own.py", "-y", "--data", "report=out/run.html", inventory="@local"
    )
    assert done.returncode == 1, done.stderr
    data = report(checkout)
    [failure] = data["failures"]
    assert failure["host"] == "" and "it is Monday" in failure["cause"]
    checkout.write(
        "playbooks/own.py",
        "from pyinfra import inventory\nfrom groundcrew.roles import arguments\n"
        "arguments.one_app(inventory)\n",
    )
    done = checkout.run(
        "playbooks/own.py", "-y", "--data", "report=out/run.html", inventory="@local"
    )
    assert done.returncode == 1, done.stderr
    [failure] = report(checkout)["failures"]
    assert "app" in failure["cause"] or "app" in "".join(failure["lines"])


def test_what_a_run_changes_is_told_and_secrets_are_not(checkout: Checkout) -> None:
    checkout.write("key", "s3cr3t-value\n")
    checkout.write("group_data/all.py", "_sudo = False\n")
    target = checkout.root / "made"
    checkout.write(
        "playbooks/own.py",
        "from groundcrew.operations import files\n"
        "from pyinfra.operations import server\n"
        f"files.manage(name='own | files', entries=[files.File({str(target)!r}, 'x', "
        "user='%(user)s', group='%(group)s')])\n"
        "server.shell(name='own | fail', commands=['echo KeyError: s3cr3t-value >&2; false'])\n"
        % {"user": target.parent.owner(), "group": target.parent.group()},
    )
    checkout.app(more="domains: [shop.test]\nsecrets: {KEY: {file: key}}")
    checkout.write("inventory/prod.py", "web = ['@local']\n")
    done = checkout.run("playbooks/own.py", "-y", "--data", "report=out/run.html")
    assert done.returncode == 1, done.stderr
    [host] = report(checkout)["hosts"]
    assert [(item["name"], item["outcome"]) for item in host["operations"]] == [
        ("own | files", "changed"),
        ("own | fail", "failed"),
    ]
    assert host["operations"][0]["changes"] == [f"File {target}"]
    for end in ("html", "json", "xml"):
        text = (checkout.root / f"out/run.{end}").read_text()
        assert "KeyError" in text and "s3cr3t-value" not in text


def test_a_dry_run_tells_what_would_change(checkout: Checkout) -> None:
    checkout.write("group_data/all.py", "_sudo = False\n")
    checkout.write(
        "playbooks/own.py",
        "from groundcrew.operations import files\n"
        "files.manage(name='own | files', entries=["
        f"files.File({str(checkout.root / 'made')!r}, 'x')])\n",
    )
    done = checkout.run(
        "playbooks/own.py", "--dry", "--data", "report=out/run.html", inventory="@local"
    )
    assert done.returncode == 0, done.stderr
    data = report(checkout)
    assert data["outcome"] == "dry"
    [host] = data["hosts"]
    [operation] = host["operations"]
    assert operation["outcome"] == "would change" and operation["name"] == "own | files"
    assert not (checkout.root / "made").exists()


def test_a_run_without_the_option_writes_none(checkout: Checkout) -> None:
    checkout.run(*VERIFY)
    assert not (checkout.root / "out").exists()


def test_a_run_that_is_stopped_tells_where_it_was(checkout: Checkout) -> None:
    begun = checkout.root / "begun"
    checkout.write(
        "playbooks/own.py",
        "from pyinfra.operations import server\n"
        f"server.shell(name='base | wait', commands=['touch {begun}; sleep 9'], _sudo=False)\n",
    )
    run = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("pyinfra")),
            *("@local", "playbooks/own.py", "-y", "--data", "report=out/run.html"),
        ],
        cwd=checkout.root,
        env={**os.environ, "PYTHONPATH": ""},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not begun.exists():
        time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=20)
    assert run.returncode == 130, told
    data = report(checkout)
    assert data["outcome"] == "interrupted"
    [host] = data["hosts"]
    assert host["outcome"] == "interrupted"
    assert [(item["name"], item["outcome"]) for item in host["operations"]] == [
        ("base | wait", "interrupted")
    ]


def test_hosts_that_the_failure_of_another_one_has_stopped_are_not_finished(
    checkout: Checkout,
) -> None:
    checkout.write("inventory/prod.py", f"web = [{checkout.host('web1')!r}, '@local']\n")
    done = checkout.run(*VERIFY, "--data", "report=out/run.html")
    assert done.returncode == 1, done.stderr
    outcomes = {host["name"]: host["outcome"] for host in report(checkout)["hosts"]}
    assert outcomes == {"web1": "failed", "@local": "not finished"}, done.stderr
    root = ElementTree.parse(checkout.root / "out/run.xml").getroot()
    assert (root.get("failures"), root.get("skipped")) == ("1", "1")

"""What operators do between releases: maintenance, and looking at hosts."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.harness import GOOD, LabHost, Run, pyinfra, suites

INSIDE = (
    "python3 -c \"import http.client; c = http.client.HTTPConnection('127.0.0.1'); "
    "c.request('GET', '/', headers={'Host': 'hello.test'}); print(c.getresponse().status)\""
)


def maintenance(host: LabHost, wanted: str, **data: Any) -> Run:
    return pyinfra(
        host.name,
        playbook="playbooks/maintenance.py",
        data={"app": "hello", "maintenance": wanted, **data},
    )


def look(host: LabHost, playbook: str, **data: Any) -> str:
    """What a playbook prints that only looks."""
    run = pyinfra(host.name, playbook=f"playbooks/{playbook}.py", data=data)
    assert run.status == 0, run.stderr
    assert run.changed == []
    return run.stderr


def status(host: LabHost, folder: Path) -> dict[str, Any]:
    path = folder / "status.json"
    look(host, "status", **{"status.json": str(path)})
    state: dict[str, Any] = json.loads(path.read_text())["hosts"][host.name]
    return state


@pytest.fixture
def shut(converged: LabHost) -> Iterator[LabHost]:
    """A host with maintenance on."""
    run = maintenance(converged, "on")
    assert run.status == 0, run.stderr
    assert run.changed == ["hello: maintenance on"]
    try:
        yield converged
    finally:
        assert maintenance(converged, "off").status == 0
        assert converged.get("/", "hello.test").status_code == 200


@suites("bookworm")
def test_every_method_gets_the_page(shut: LabHost) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        body = {"data": b"x" * (20 << 20)} if method in ("POST", "PUT") else {}
        url, headers = f"http://{shut.address}/a/b?c=d", {"Host": "hello.test"}
        answer = requests.request(method, url, headers=headers, timeout=10, **body)
        assert answer.status_code == 503, method
        assert answer.headers["Retry-After"] == "300", method
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8", method
        if method != "HEAD":
            assert "Down for maintenance" in answer.text, method


def test_visitors_get_the_page_and_the_health_path_answers(shut: LabHost) -> None:
    answer = shut.get("/", "hello.test")
    assert answer.status_code == 503
    assert "Down for maintenance" in answer.text
    assert answer.headers["Retry-After"] == "300"
    assert answer.headers["Cache-Control"] == "no-store"
    usual = shut.get("/health", "hello.test")
    assert usual.status_code == 200
    assert usual.json() == {"status": "ok"}
    ours = {"Content-Security-Policy"}
    for name in ("Referrer-Policy", "X-Content-Type-Options", "X-Frame-Options", *ours):
        assert name in answer.headers
        assert name in ours or answer.headers[name] == usual.headers[name]
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert shut.get("/health/", "hello.test").status_code == 503
    assert shut.get("/get", "httpbin.test").status_code == 200


@suites("bookworm")
def test_nginx_can_read_the_page_and_nothing_else(shut: LabHost) -> None:
    assert shut.out("runuser -u www-data -- cat /srv/hello/maintenance/page.html")
    for path in ("shared", "releases", "cache"):
        assert shut.shell.run(f"runuser -u www-data -- ls /srv/hello/{path}").rc != 0
    for path in ("", "/page.html", "/on"):
        assert shut.shell.run(f"runuser -u hello -- test -w /srv/hello/maintenance{path}").rc != 0


@suites("bookworm")
def test_the_second_on_changes_nothing_and_nginx_is_never_reloaded(shut: LabHost) -> None:
    workers = shut.out("pgrep -u www-data nginx")
    before = shut.out("cat /srv/hello/maintenance/on")
    assert maintenance(shut, "on").changed == []
    assert shut.out("cat /srv/hello/maintenance/on") == before
    assert maintenance(shut, "off").changed == ["hello: maintenance off"]
    assert maintenance(shut, "off").changed == []
    assert maintenance(shut, "on").changed == ["hello: maintenance on"]
    assert shut.out("pgrep -u www-data nginx") == workers


def test_a_connection_that_a_client_keeps_outlives_the_switch(bookworm: LabHost) -> None:
    seen: list[int] = []
    errors: list[BaseException] = []
    stop = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection(bookworm.address, timeout=10)
        connection.auto_open = 0
        connection.connect()
        try:
            while not stop.is_set():
                connection.request("GET", "/", headers={"Host": "hello.test"})
                answer = connection.getresponse()
                answer.read()
                seen.append(answer.status)
                time.sleep(0.02)
        except (OSError, http.client.HTTPException) as error:
            errors.append(error)

    client = threading.Thread(target=ask, daemon=True)
    client.start()
    try:
        assert maintenance(bookworm, "on").status == 0
    finally:
        assert maintenance(bookworm, "off").status == 0
    time.sleep(0.5)
    stop.set()
    client.join(timeout=30)
    assert errors == []
    assert set(seen) == {200, 503}
    assert seen[0] == seen[-1] == 200


def test_who_is_allowed_gets_the_application(bookworm: LabHost, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p>Back at noon</p>")
    gateway = bookworm.out("ip route show default").split()[2]
    data = {
        "app.hello.maintenance.page": str(page),
        "app.hello.maintenance.retry_after": 60,
        "app.hello.maintenance.allow": ["192.0.2.0/24"],
    }
    try:
        assert maintenance(bookworm, "on", **data).status == 0
        answer = bookworm.get("/", "hello.test")
        assert (answer.status_code, answer.text) == (503, "<p>Back at noon</p>")
        assert answer.headers["Retry-After"] == "60"
        data["app.hello.maintenance.allow"] = [gateway]
        assert maintenance(bookworm, "on", **data).status == 0
        assert "It works" in bookworm.get("/", "hello.test").text
        # The host itself is no exception: a tunnel's visitors come from there.
        assert "503" in bookworm.out(INSIDE)
    finally:
        maintenance(bookworm, "off")
        assert pyinfra(bookworm.name).status == 0


@suites("trixie")
def test_it_is_no_failure_for_verify_but_shown(shut: LabHost) -> None:
    text = look(shut, "verify")
    assert "hello: maintenance" in text
    assert "visitors get 503" in text
    assert " 0 failed" in text


def test_a_release_goes_through_maintenance(bookworm: LabHost, tmp_path: Path) -> None:
    source = tmp_path / "hello"
    shutil.copytree(GOOD, source)
    page = source / "templates" / "page.html"
    page.write_text(page.read_text().replace("It works", "It works again"))
    data = {"apps": ["hello"], "app.hello.source.directory": str(source), "app.hello.checks": []}
    before = bookworm.live("hello")
    try:
        assert maintenance(bookworm, "on").status == 0
        run = pyinfra(bookworm.name, data=data)
        assert run.status == 0, run.stderr
        assert bookworm.live("hello") != before
        assert bookworm.get("/", "hello.test").status_code == 503
    finally:
        assert maintenance(bookworm, "off").status == 0
    assert "It works again" in bookworm.get("/", "hello.test").text
    assert pyinfra(bookworm.name).status == 0


def test_app_and_mode_are_required(bookworm: LabHost) -> None:
    for data, word in (({"app": "hello"}, "on or off"), ({"maintenance": "on"}, "known: hello")):
        run = pyinfra(bookworm.name, playbook="playbooks/maintenance.py", data=data)
        assert run.status == 1
        assert word in run.stderr
    assert pyinfra(bookworm.name, playbook="playbooks/logs.py").status == 1


def test_status_shows_what_is_there(converged: LabHost, tmp_path: Path) -> None:
    text = look(converged, "status")
    for words in ("load ", "; up ", "httpbin", converged.live("hello"), "active (running)"):
        assert words in text
    state = status(converged, tmp_path)
    app = state["apps"]["hello"]
    live = converged.live("hello")
    assert app["live"] == app["current"] == live
    assert app["units"][f"hello@{live}.service"]["active"] == "active"
    assert app["units"][f"hello@{live}.service"]["memory"] > 1 << 20
    assert app["releases"][live]["switched"]["result"] == "live"
    assert app["lock"] is None
    assert state["host"]["cpus"] > 0
    assert "httpbin" not in look(converged, "status", app="hello")


def test_status_shows_timers_and_workers(bookworm: LabHost) -> None:
    data = {
        "app.hello.workers": {"mail": {"command": "sleep infinity", "instances": 2}},
        "app.hello.timers": {
            "tick": {"command": "true", "schedule": "*-*-* *:*:0/3"},
            "wrong": {"command": "false", "schedule": "*-*-* *:*:0/3"},
        },
    }
    try:
        release = pyinfra(bookworm.name, playbook="playbooks/release.py", data=data)
        assert release.status == 0, release.stderr
        wanted = [
            r"worker mail 1 +active",
            r"worker mail 2 +active",
            # What a line of 80 characters has no room for stands below it.
            r"timer tick .*\n.*last run: success, \d+ s ago; next in",
            r"timer wrong .*\n.*last run: exit-code, \d+ s ago; next in",
        ]
        for _ in range(10):
            text = look(bookworm, "status", app="hello")
            missing = [pattern for pattern in wanted if not re.search(pattern, text)]
            if not missing:
                break
            time.sleep(1)
        assert missing == [], text
        # While the job runs again, systemd has forgotten how its last run ended.
        for _ in range(4):
            verified = pyinfra(bookworm.name, playbook="playbooks/verify.py", data=data)
            if verified.status == 1:
                break
        assert verified.status == 1
        assert "timer wrong: its last run failed (exit-code)" in " ".join(verified.stderr.split())
        assert "timer tick" not in verified.stderr
    finally:
        assert pyinfra(bookworm.name).status == 0


def test_a_failed_release_is_named_and_marked(bookworm: LabHost, tmp_path: Path) -> None:
    source = tmp_path / "hello"
    shutil.copytree(GOOD, source)
    code = source / "hello.py"
    code.write_text(code.read_text().replace('return jsonify(status="ok")', "raise OSError(7)"))
    data = {
        "apps": ["hello"],
        "app.hello.source.directory": str(source),
        "app.hello.health.timeout": 6,
    }
    assert pyinfra(bookworm.name, data=data).status != 0
    app = status(bookworm, tmp_path)["apps"]["hello"]
    [bad] = [name for name, release in app["releases"].items() if release["last"]
             and release["last"]["result"] == "not healthy"]  # fmt: skip
    assert app["releases"][bad]["bad"]
    assert bad != app["live"]
    assert app["log"][-1]["release"] == bad
    lines = look(bookworm, "releases", app="hello").splitlines()
    index = next(number for number, line in enumerate(lines) if bad in line)
    assert " bad " in lines[index]
    # What a line of 80 characters has no room for stands below it.
    assert "not healthy" in lines[index + 1]
    text = look(bookworm, "logs", app="hello", lines=200)
    assert "raise OSError(7)" in text
    assert pyinfra(bookworm.name).status == 0


def test_a_lock_is_shown_with_its_holder(bookworm: LabHost, tmp_path: Path) -> None:
    holder = json.dumps({"operator": "ann@desk", "since": "2026-01-01T00:00:00Z"})
    try:
        bookworm.out(f"printf %s '{holder}' > /srv/hello/lock")
        assert status(bookworm, tmp_path)["apps"]["hello"]["lock"]["held"] is False
        assert "ended without giving its lock back, by ann@desk" in look(bookworm, "status")
        bookworm.out(
            "systemd-run --quiet --unit=holder sh -c "
            "'exec 9>>/srv/hello/lock; flock -n 9; sleep 60'; sleep 0.5"
        )
        assert status(bookworm, tmp_path)["apps"]["hello"]["lock"]["held"] is True
        assert "a run is at work, by ann@desk" in look(bookworm, "status")
    finally:
        bookworm.out("systemctl stop holder; : > /srv/hello/lock")


@suites("trixie")
def test_logs_show_the_journal_and_both_logs_of_nginx(converged: LabHost) -> None:
    converged.get("/?day2=seen", "hello.test")
    text = look(converged, "logs", app="hello", lines=20)
    assert f"[{converged.name}]" in text
    assert "gunicorn" in text
    assert "GET /?day2=seen" in text
    assert text.index("gunicorn") < text.index("GET /?day2=seen")
    log = "/var/log/nginx/hello.access.log"
    old = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(time.time() - 3600))
    converged.out(rf"grep day2=seen {log} | sed 's!=seen!=old!; s!\[[^]]*!\[{old}!' >> {log}")
    assert "day2=old" in look(converged, "logs", app="hello")
    converged.get("/?day2=later", "hello.test")
    recent = look(converged, "logs", app="hello", since="10m")
    assert "day2=later" in recent
    assert "day2=old" not in recent


def test_looking_is_nothing_that_a_dry_run_would_change(bookworm: LabHost) -> None:
    for playbook, data in (("status", {}), ("releases", {}), ("logs", {"app": "hello"})):
        run = pyinfra(bookworm.name, "--dry", playbook=f"playbooks/{playbook}.py", data=data)
        assert run.status == 0, run.stderr
        assert run.planned == []

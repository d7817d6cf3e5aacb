"""From bare to serving, once; after that, nothing changes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from groundcrew.terminal import cells
from tests.e2e.harness import PYINFRA, ROOT, LabHost, pyinfra
from tests.terminal import printed


def test_the_first_run_makes_a_bare_host_serve(converged: LabHost) -> None:
    assert converged.first is not None
    assert converged.first.json["results"]["failed_hosts"] == []
    answer = converged.get("/", "hello.test")
    assert answer.status_code == 200
    assert "good morning" in answer.text
    assert converged.get("/get", "httpbin.test").json()["url"] == "http://httpbin.test/get"


def test_the_second_run_changes_nothing(converged: LabHost) -> None:
    run = pyinfra(converged.name)
    assert run.status == 0, run.stderr
    assert run.changed == []
    assert run.json["results"]["totals"]["no_change"] > 20


def test_what_a_terminal_shows(bookworm: LabHost) -> None:
    command = [*PYINFRA, "inventory/lab.py", "deploy.py", "-y", "--limit", bookworm.name]
    status, text = printed(command, ROOT, GROUNDCREW_OUTPUT="normal")
    assert status == 0, text
    # Without the running line, which the next output overwrites.
    shown = re.sub(r"\x1b\[[0-9;]*[mK]", "", re.sub(r"[^\r\n]*\r(?!\n)", "", text))
    assert max(cells(line.rstrip("\r")) for line in shown.split("\n")) <= 80, shown
    assert re.search(r"\n  unchanged +[\d.]+ s  base [\d.]+ s, ", shown), shown
    assert re.search(r"\n  verify +[\d.]+ s  \d+ ok, 0 failed, ", shown), shown
    assert re.search(rf"\n  {bookworm.name}  ok     0        \d", shown), shown
    live = bookworm.live("hello")
    assert re.search(rf"\n  http://hello.test/ +hello +{live}  {bookworm.name}", shown), shown
    assert "groundcrew: nothing to change on 1 host" in shown


def test_a_dry_run_plans_nothing(converged: LabHost) -> None:
    run = pyinfra(converged.name, "--dry")
    assert run.status == 0, run.stderr
    assert run.planned == []


def test_a_dry_run_with_diff_changes_nothing_and_shows_no_secret(bookworm: LabHost) -> None:
    before = bookworm.live("hello")
    run = pyinfra(
        bookworm.name,
        "--dry",
        "--diff",
        data={"app.hello.secrets": {"TOKEN": {"env": "HELLO_TOKEN"}}, "nginx.gzip_level": 4},
        env={"HELLO_TOKEN": "s3cret-value"},
    )
    assert run.status == 0, run.stderr
    assert any("build releases" in name for name in run.planned)
    assert "gzip_comp_level 4" in run.stderr
    assert "s3cret-value" not in run.stdout + run.stderr
    assert bookworm.live("hello") == before


def test_no_process_of_an_application_runs_as_root(converged: LabHost) -> None:
    for app in ("hello", "httpbin"):
        processes = converged.out("ps -eo user:32=,unit:80=").splitlines()
        users = [line.split()[0] for line in processes if f" {app}@" in line]
        assert len(users) >= 3
        assert set(users) == {app}


def test_the_sandbox_is_tight_while_the_application_answers(converged: LabHost) -> None:
    for app, path in (("hello", "/health"), ("httpbin", "/status/200")):
        unit = f"{app}@{converged.live(app)}.service"
        verdict = converged.out(f"systemd-analyze security --no-pager {unit} | tail -n 1")
        assert float(verdict.split(":")[1].split()[0]) <= 1.0, verdict
        assert converged.get(path, f"{app}.test").status_code == 200


def test_the_release_is_read_only_for_the_application(converged: LabHost) -> None:
    for path in ("app", "venv/bin", "gunicorn.conf.py"):
        target = f"/srv/hello/current/{path}"
        assert converged.shell.run(f"runuser -u hello -- test -w {target}").rc != 0
    assert converged.out("stat -c %a:%U /srv/hello/current/env") == "600:root"
    assert converged.shell.run("runuser -u httpbin -- ls /srv/hello/shared").rc != 0


@pytest.mark.parametrize("workers", [3])
def test_an_override_changes_one_key_alone(bookworm: LabHost, workers: int) -> None:
    before = bookworm.live("httpbin")
    run = pyinfra(bookworm.name, data={"app.hello.server.workers": workers})
    assert run.status == 0, run.stderr
    changed = {name.split(":")[0] for name in run.changed}
    files = "app | environments, server configurations and units"
    retired = "app | retire replaced releases of hello, httpbin"
    assert changed == {"app | build releases", files, "app | hello", retired}
    assert bookworm.live("httpbin") == before
    running = bookworm.out(f"pgrep -c -u hello -f {bookworm.live('hello')}")
    assert int(running) == workers + 1
    back = pyinfra(bookworm.name)
    assert back.status == 0, back.stderr


def test_the_end_of_a_failed_release(bookworm: LabHost, tmp_path: Path) -> None:
    live = bookworm.live("hello")
    run = pyinfra(
        bookworm.name,
        playbook="playbooks/release.py",
        data={
            "app": "hello",
            "app.hello.env.OTHER": "1",
            "app.hello.health": {"path": "/missing", "timeout": 1},
            "report": str(tmp_path / "run.html"),
        },
        env={"GROUNDCREW_OUTPUT": "normal"},
    )
    assert run.status == 1
    assert f"\n  {bookworm.name}  failed  " in run.stderr
    _, _, end = run.stderr.partition("groundcrew: the run failed")
    assert f"As before the run:\n      {bookworm.name}: still live: hello {live}\n" in end
    assert "/missing gave status 404\n" in end and "`health.path` in apps/hello.yml" in end
    told = json.loads((tmp_path / "run.json").read_text())
    [kept] = told["untouched"]
    assert (kept["app"], kept["release"], kept["reason"]) == ("hello", live, "still live")
    [site, *_] = told["urls"]
    assert site["url"] == "http://hello.test/" and site["releases"] == [live]
    assert told["hosts"][0]["roles"][0]["failed"]

"""From bare to serving, once; after that, nothing changes."""

from __future__ import annotations

import pytest

from tests.e2e.harness import LabHost, pyinfra


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

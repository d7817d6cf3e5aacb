"""What an application is given: variables, files, secrets; and what runs on one host only."""

from __future__ import annotations

import base64
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import GOOD, LabHost, good, pyinfra
from tests.environment_values import VALUES

DUMP = (
    "import base64, json, os, pathlib, sys; "
    "pathlib.Path(os.environ['HOME'], sys.argv[1]).write_text(json.dumps("
    "{os.fsdecode(k): base64.b64encode(v).decode() for k, v in os.environb.items()}))\n"
)
TEMPLATE = """\
{
  "key": {{ secrets.API_KEY | tojson }},
  "cookie": "{{ secrets.COOKIE }}",
  "model": {{ env.MODEL | tojson }},
  "shared": "{{ paths.shared }}"
}
"""
MODEL = {"gpt {4}": ['a "b"', "it's $HOME %n \\ `id`", "grüße\n日本"]}
KEY = VALUES["JSON"] + VALUES["DOLLAR"] + VALUES["PEM"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("config")
    shutil.copytree(GOOD, folder / "hello")
    (folder / "hello" / "dump.py").write_text(DUMP)
    (folder / "hello" / "conf").mkdir()
    (folder / "hello" / "conf" / "app.json").write_text("of the source")
    (folder / "app.json.j2").write_text(TEMPLATE)
    (folder / "key").write_text(KEY + "\n")
    return folder


def data(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "apps": ["hello"],
        "app.hello.source.directory": str(folder / "hello"),
        "app.hello.env": {"MODEL": MODEL, "GREETING": "hi"},
        "app.hello.secrets": {
            "API_KEY": {"file": str(folder / "key")},
            "COOKIE": {"generate": {"per_host": True}},
        },
        "app.hello.files": {
            "conf/app.json": {"template": str(folder / "app.json.j2")},
            "more/deep/app.json": {"template": str(folder / "app.json.j2"), "mode": "0440"},
        },
        "app.hello.hooks.build": [
            "cat conf/app.json > seen-by-build; env >> seen-by-build",
        ],
        "app.hello.hooks.release": [
            "python dump.py hook.json && cp conf/app.json $HOME/hook-file.json"
        ],
        "app.hello.workers": {"dump": {"command": "sh -c 'python dump.py w.json; sleep 1000'"}},
        "app.hello.timers": {
            "dump-timer": {"command": "python dump.py t.json", "schedule": "*:*:0/3"}
        },
        "app.hello.size": "small",
        "app.hello.limits": {"cpu_weight": 50, "io_weight": 60, "memory_low": "16M"},
        "app.hello.release.drain": 0,
        "app.hello.release.check_window": 1,
        **{f"app.hello.{key.replace('__', '.')}": value for key, value in more.items()},
    }


def environment(host: LabHost, path: str) -> dict[str, bytes]:
    """What a process wrote about its own environment."""
    values = json.loads(host.out(f"cat {path}"))
    return {name: base64.b64decode(value) for name, value in values.items()}


def wait_for(host: LabHost, path: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while host.shell.run(f"test -s {path}").rc and time.monotonic() < end:
        time.sleep(0.3)


@pytest.fixture(scope="module")
def configured(bookworm: LabHost, folder: Path) -> Iterator[LabHost]:
    """A release with files and secrets of every kind."""
    run = good(pyinfra(bookworm.name, "--diff", data=data(folder)))
    assert VALUES["PEM"].splitlines()[1] not in run.stdout + run.stderr
    try:
        yield bookworm
    finally:
        good(pyinfra(bookworm.name))


def cookie(host: LabHost, version: int = 1) -> str:
    return host.out(f"cat /srv/hello/secrets/COOKIE.{version}")


def test_a_configuration_file_is_rendered_into_the_release(configured: LabHost) -> None:
    for path, mode in (("conf/app.json", "640"), ("more/deep/app.json", "440")):
        file = f"/srv/hello/current/app/{path}"
        assert json.loads(configured.out(f"cat {file}")) == {
            "key": KEY,
            "cookie": cookie(configured),
            "model": MODEL,
            "shared": "/srv/hello/shared",
        }
        assert configured.out(f"stat -c '%a %U %G' {file}") == f"{mode} root hello"
        assert configured.shell.run(f"sudo -u hello cat {file}").rc == 0
        assert configured.shell.run(f"sudo -u hello sh -c 'echo >> {file}'").rc != 0
        assert configured.shell.run(f"sudo -u www-data cat {file}").rc != 0
    home = "/srv/hello/shared/home"
    current = configured.out("cat /srv/hello/current/app/conf/app.json")
    assert configured.out(f"cat {home}/hook-file.json") == current


def test_builds_see_no_secrets(configured: LabHost) -> None:
    seen = configured.out("cat /srv/hello/current/app/seen-by-build")
    assert seen.startswith("of the source")
    assert "API_KEY" not in seen
    assert cookie(configured) not in seen


def test_values_reach_application_worker_timer_and_hook_byte_for_byte(configured: LabHost) -> None:
    home = "/srv/hello/shared/home"
    wait_for(configured, f"{home}/t.json")
    wait_for(configured, f"{home}/w.json")
    unit = f"hello@{configured.live('hello')}.service"
    pid = configured.out(f"systemctl show --property=MainPID --value {unit}")
    encoded = configured.out(f"base64 -w0 /proc/{pid}/environ")
    pairs = (item.partition(b"=") for item in base64.b64decode(encoded).split(b"\0"))
    places = {
        "application": {name.decode(): value for name, _, value in pairs},
        "hook": environment(configured, f"{home}/hook.json"),
        "worker": environment(configured, f"{home}/w.json"),
        "timer": environment(configured, f"{home}/t.json"),
    }
    for place, received in places.items():
        assert received["API_KEY"] == KEY.encode(), place
        assert json.loads(received["MODEL"]) == MODEL, place
        assert received["COOKIE"].decode() == cookie(configured), place


def test_a_generated_secret_stays_on_its_host(configured: LabHost, folder: Path) -> None:
    value = cookie(configured)
    assert re.fullmatch(r"[A-Za-z0-9]{32}", value)
    assert configured.out("stat -c '%a %U' /srv/hello/secrets /srv/hello/secrets/COOKIE.1") == (
        "700 root\n600 root"
    )
    again = good(pyinfra(configured.name, "--debug", data=data(folder)))
    assert again.changed == []
    assert value not in again.stdout + again.stderr
    dry = good(pyinfra(configured.name, "--dry", "--diff", data=data(folder)))
    assert dry.planned == []


def test_another_version_of_a_secret_is_a_release_and_a_rollback_brings_the_old_back(
    configured: LabHost, folder: Path
) -> None:
    before, old = configured.live("hello"), cookie(configured)
    rotated = data(folder, secrets__COOKIE__generate__version=2)
    del rotated["app.hello.hooks.release"]
    good(pyinfra(configured.name, data=rotated, playbook="playbooks/release.py"))
    after, new = configured.live("hello"), cookie(configured, 2)
    assert (before != after, old != new) == (True, True)
    file = "/srv/hello/current/app/conf/app.json"
    assert json.loads(configured.out(f"cat {file}"))["cookie"] == new
    assert new in configured.out(f"cat /srv/hello/releases/{after}/env")

    good(
        pyinfra(
            configured.name,
            data={**data(folder), "app": "hello"},
            playbook="playbooks/rollback.py",
        )
    )
    assert configured.live("hello") == before
    assert json.loads(configured.out(f"cat {file}"))["cookie"] == old


def test_a_size_derives_processes_and_a_memory_limit(configured: LabHost) -> None:
    unit = f"hello@{configured.live('hello')}.service"
    pid = configured.out(f"systemctl show --property=MainPID --value {unit}")
    assert len(configured.out(f"pgrep -P {pid}").split()) == 2
    names = ("MemoryMax", "MemoryLow", "CPUWeight", "IOWeight")
    shown = configured.out(f"systemctl show --property={','.join(names)} {unit}").splitlines()
    assert dict(line.split("=") for line in shown) == {
        "MemoryMax": str(1536 << 20),
        "MemoryLow": str(16 << 20),
        "CPUWeight": "50",
        "IOWeight": "60",
    }


def test_preflight_names_all_failures_and_no_host_is_touched(
    configured: LabHost, trixie: LabHost, folder: Path
) -> None:
    hosts = [configured, trixie]
    before = [host.live("hello") for host in hosts]
    taken = "systemd-run --quiet --unit=squatter python3 -m http.server --bind 127.0.0.1 8099"
    configured.out(taken)
    try:
        wait = "for i in 1 2 3 4 5 6 7 8 9; do ss -ltn | grep -q :8099 && exit 0; sleep 0.5; done"
        configured.out(wait)
        pid = configured.out("systemctl show --property=MainPID --value squatter")
        changed = {
            **data(folder, env={"GREETING": "never", "MODEL": 1}, port=8099, domains=["x.test"]),
            "preflight.min_disk": "900T",
            "app.hello.python": "3.99.1",
            "python.install_mirror": "file:///not/there",
            "base.timezone": "Asia/Shanghai",
        }
        changed["app.hello.limits"] = {"memory_max": "900T"}
        run = pyinfra(",".join(host.name for host in hosts), data=changed)
        assert run.status == 1
        # The report at the end names every host: only what stands before it is one host's.
        tables = run.stderr.split("groundcrew: the run failed")[0].split("Preflight ")[1:]
        one, other = (
            next(table for table in tables if table.startswith(host.name)) for host in hosts
        )
        assert f"taken by python3 (pid {pid}, squatter.service)" in " ".join(one.split())
        assert "taken by" not in other
        for told in (" ".join(part.split()) for part in (one, other)):
            assert "disk /srv" in told
            assert "disk /var" in told
            assert "Python 3.99.1" in told
            assert "no such directory" in told
            assert "limits come to 921600.0 GiB of" in " ".join(told.split())
            assert "system " not in told
        assert configured.out("systemctl is-active squatter") == "active"
    finally:
        configured.out("systemctl stop squatter")
    assert [host.live("hello") for host in hosts] == before
    assert [host.out("readlink /etc/localtime") for host in hosts] == [
        "/usr/share/zoneinfo/Etc/UTC"
    ] * 2


def test_preflight_alone(configured: LabHost, folder: Path) -> None:
    path = folder / "preflight.json"
    asked = {
        **data(folder),
        "preflight.json": str(path),
        "preflight.connect": ["127.0.0.1:80"],
        "preflight.max_clock_skew": 60,
    }
    run = good(pyinfra(configured.name, data=asked, playbook="playbooks/preflight.py"))
    assert run.changed == []
    report = json.loads(path.read_text())
    assert report["ok"]
    checks = {item["name"]: item for item in report["hosts"][configured.name]["checks"]}
    assert checks["port 80"]["detail"] == "is ours already"
    assert checks["port 8090"]["detail"] == "is ours already"
    assert checks["connect 127.0.0.1:80"]["status"] == "ok"
    assert checks["clock"]["status"] == "ok"
    assert "hello web 1.5 GiB" in checks["memory plan"]["detail"]
    for name in checks:
        assert name in run.stderr


def test_status_names_variables_and_tells_no_value(configured: LabHost, folder: Path) -> None:
    run = good(pyinfra(configured.name, data=data(folder), playbook="playbooks/status.py"))
    assert "variables: API_KEY, COOKIE, GREETING, MODEL" in run.stderr
    assert cookie(configured) not in run.stdout + run.stderr
    assert "nginx's logs take" in run.stderr
    # What a line of 80 characters has no room for stands below it.
    assert re.search(r"timer dump-timer .*\n.* (last run: success|running)", run.stderr)


def test_names_that_the_host_resolves_itself(configured: LabHost, folder: Path) -> None:
    before = configured.out("cat /etc/hosts")
    named = {**data(folder), "base.hosts": {"redis": "10.99.0.5", "db.internal": "fd00::1"}}
    assert len(good(pyinfra(configured.name, data=named)).changed) == 1
    assert configured.out("getent hosts redis").split() == ["10.99.0.5", "redis"]
    assert configured.out("getent ahostsv6 db.internal").split()[0] == "fd00::1"
    assert configured.out("cat /etc/hosts").startswith(before)
    assert good(pyinfra(configured.name, data=named)).changed == []
    assert len(good(pyinfra(configured.name, data=data(folder))).changed) == 1
    assert configured.out("cat /etc/hosts") == before


def test_an_undefined_name_is_told_before_any_host_is_touched(
    configured: LabHost, folder: Path
) -> None:
    wrong = folder / "wrong.j2"
    wrong.write_text("a: 1\nb: {{ secrets.API_KYE }}\n")
    before = configured.live("hello")
    run = pyinfra(configured.name, data=data(folder, files={"wrong.yml": {"template": str(wrong)}}))
    assert run.status == 1
    assert 'wrong.j2, line 2: "API_KYE" is not defined; did you mean "API_KEY"?' in run.stderr
    assert configured.live("hello") == before


WRITER = """
import os, pathlib, signal, time
out = pathlib.Path(os.environ["HOME"], "writer.log")
def note(text):
    with out.open("a") as file:
        file.write(f"{os.environ['GREETING']} {text}\\n")
stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
note("started")
while not stop:
    time.sleep(0.1)
time.sleep(3)
note("ended")
"""


def test_a_single_worker_runs_on_one_host_and_never_twice(
    configured: LabHost, trixie: LabHost, folder: Path
) -> None:
    hosts = [configured, trixie]
    (folder / "hello" / "writer.py").write_text(WRITER)

    def release(greeting: str) -> dict[str, Any]:
        changed = data(
            folder,
            env={"GREETING": greeting, "MODEL": 1},
            workers={"writer": {"command": "python writer.py", "single": True}},
            timers={"tick": {"command": "true", "schedule": "daily", "single": True}},
        )
        limit = ",".join(host.name for host in hosts)
        good(pyinfra(limit, data=changed, playbook="playbooks/release.py"))
        return changed

    release("one")
    changed = release("two")
    running = "systemctl list-units --plain --no-legend --state=active 'hello.*@*'"
    processes = {host.name: host.out(running) for host in hosts}
    [runs] = [host for host in hosts if processes[host.name]]
    [idle] = [host for host in hosts if not processes[host.name]]
    theirs = "ls /etc/systemd/system/hello.*@* | grep -v release-hooks"
    assert idle.shell.run(theirs).rc != 0
    log = "/srv/hello/shared/home/writer.log"
    assert runs.out(f"cat {log}").splitlines() == ["one started", "one ended", "two started"]

    # What another host was to run before, and its timer, go from this one.
    unit = f"hello.writer@{runs.live('hello')}.1.service"
    text = runs.out(f"cat /etc/systemd/system/{unit}").replace(
        runs.live("hello"), idle.live("hello")
    )
    here = unit.replace(runs.live("hello"), idle.live("hello"))
    encoded = base64.b64encode(text.encode()).decode()
    idle.out(
        f"echo {encoded} | base64 -d > /etc/systemd/system/{here} && systemctl daemon-reload && "
        f"systemctl enable --quiet --now {here}"
    )
    run = good(pyinfra(idle.name, data=changed, playbook="playbooks/release.py"))
    [changed_here] = run.changed
    assert changed_here.endswith("hello: workers that another host runs")
    assert idle.shell.run(f"systemctl is-active {here}").rc != 0
    assert idle.shell.run(theirs).rc != 0
    assert good(pyinfra(idle.name, data=changed, playbook="playbooks/release.py")).changed == []
    good(pyinfra(trixie.name))

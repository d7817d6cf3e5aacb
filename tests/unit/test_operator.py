"""`groundcrew release shop` and the like: the lines of pyinfra, and what runs on hosts."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any

import pytest

from groundcrew import commands
from groundcrew.commands import everyday, on_hosts
from groundcrew.operator import follow, inside, inventory
from groundcrew.operator.inventory import InventoryError, Known
from groundcrew.operator.playbooks import TASKS
from groundcrew.project import ROOT
from groundcrew.remote import follow_logs, run_in_release

PROD = "inventory/prod.py"


@pytest.fixture(autouse=True)
def no_other_inventory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(inventory.VARIABLE, raising=False)


@pytest.mark.parametrize(
    ("typed", "run"),
    [
        ("deploy", "deploy.py"),
        ("deploy -y", "deploy.py -y"),
        ("deploy --dry --diff", "deploy.py --dry --diff"),
        ("deploy --only nginx,firewall", "deploy.py --data only=nginx,firewall"),
        ("verify --skip backup", "playbooks/verify.py -y --data skip=backup"),
        ("release shop -y", "playbooks/release.py -y --data app=shop"),
        ("rollback shop", "playbooks/rollback.py --data app=shop"),
        ("rollback shop ID -y", "playbooks/rollback.py -y --data app=shop --data release=ID"),
        ("maintenance shop on", "playbooks/maintenance.py --data app=shop --data maintenance=on"),
        ("status", "playbooks/status.py -y"),
        ("status shop --json s.json",
         "playbooks/status.py -y --data app=shop --data status.json=s.json"),
        ("releases shop --json -",
         "playbooks/releases.py -y --data app=shop --data releases.json=-"),
        ("backups --json b.json", "playbooks/backups.py -y --data backups.json=b.json"),
        ("preflight --json -", "playbooks/preflight.py -y --data preflight.json=-"),
        ("settings --json -", "playbooks/settings.py -y --data settings.json=-"),
        ("settings app.shop", "playbooks/settings.py -y --data settings.key=app.shop"),
        ("deploy -y --report out/run.html", "deploy.py -y --data report=out/run.html"),
        ("settings --changed", "playbooks/settings.py -y --data settings.changed=true"),
        ("settings --explain apps", "playbooks/settings.py -y --data settings.explain=apps"),
        ("verify --limit web1 --limit web2", "playbooks/verify.py -y --limit web1 --limit web2"),
        ("deploy --data a=1 -- --parallel 3", "deploy.py --data a=1 --parallel 3"),
    ],
)  # fmt: skip
def test_a_command_is_a_short_form_of_pyinfras_line(typed: str, run: str) -> None:
    name, *words = typed.split()
    assert everyday.line(name, words) == [PROD, *run.split()]


def test_the_line_is_printed_and_run_in_the_project(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ran: list[Any] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.execv", lambda *words: ran.append((Path.cwd(), words)))
    commands.main(["release", "shop", "--data", "a=b c"])
    line = f"{PROD} playbooks/release.py --data app=shop --data 'a=b c'"
    assert capsys.readouterr().err == f"$ pyinfra {line}\n"
    ((where, (program, command)),) = ran
    assert (where, program) == (ROOT, sys.executable)
    assert command[1:] == [
        "-m", "pyinfra", PROD, "playbooks/release.py", "--data", "app=shop", "--data", "a=b c",
    ]  # fmt: skip


def test_every_command_has_its_playbook() -> None:
    assert [task.file for task in TASKS.values() if not (ROOT / task.file).is_file()] == []


def test_a_playbook_that_an_older_project_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "inventory").mkdir()
    (tmp_path / PROD).touch()
    for module in (everyday, inventory):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    assert commands.main(["status"]) == 2
    assert f"`groundcrew init {tmp_path}` writes what is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("rollback", "the following arguments are required: APP"),
        ("maintenance shop maybe", "invalid choice: 'maybe'"),
        ("status --yes", "unrecognized arguments: --yes"),
        ("run shop flask routes", "the command follows after `--`"),
        ("run shop", "the command follows after `--`"),
        ("logs shop -f --since 10m", "--since is not for -f"),
        ("logs shop --grep x", "--grep is for -f"),
        ("logs shop -f --grep (", "--grep: missing )"),
    ],
)
def test_wrong_usage(typed: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        commands.main(typed.split())
    assert error.value.code == 2
    assert told in capsys.readouterr().err


def test_logs_without_following_are_the_playbook(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []
    monkeypatch.setattr(everyday, "become", lambda *words: ran.append(words))
    on_hosts.logs(["shop", "-n", "5", "--since", "10m", "--limit", "web1"])
    rest = ["-y", "--data", "app=shop", "--data", "lines=5", "--data", "since=10m"]
    rest += ["--limit", "web1"]
    assert ran == [(PROD, "playbooks/logs.py", rest)]


def test_the_inventory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert inventory.chosen(None) == PROD
    assert inventory.chosen("@local") == "@local"
    monkeypatch.setenv(inventory.VARIABLE, "inventory/lab.py")
    assert inventory.chosen(None) == "inventory/lab.py"
    assert inventory.chosen(PROD) == PROD
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").touch()
    assert inventory.chosen("mine.py") == str(tmp_path / "mine.py")
    with pytest.raises(InventoryError, match=r"prd\.py: no such inventory .*inventory/prod\.py"):
        inventory.chosen("prd.py")


HOSTS = {
    "web1": Known("web1", ("blog",), {}),
    "web2": Known("web2", ("blog", "shop"), {"ssh_user": "deploy", "ssh_port": "2222"}),
    "web3": Known("web3", ("shop",), {}),
}


def test_the_host_of_a_command() -> None:
    assert inside.one_host(HOSTS, "shop", None).name == "web2"
    assert inside.one_host(HOSTS, "shop", "web3").name == "web3"
    with pytest.raises(InventoryError, match='no host has an application "shp"; did you mean "sho'):
        inside.one_host(HOSTS, "shp", None)
    with pytest.raises(InventoryError, match='"web1" is no host that has shop'):
        inside.one_host(HOSTS, "shop", "web1")
    with pytest.raises(InventoryError, match="not reached over SSH"):
        inside.over_ssh(Known("@local", ("shop",), {}))


def test_a_command_is_not_for_an_idle_host() -> None:
    hosts = {"web2": Known("web2", ("shop",), {}, idle=("shop",)), "web3": HOSTS["web3"]}
    assert inside.one_host(hosts, "shop", None).name == "web3"
    assert inside.one_host(hosts, "shop", "web2").name == "web2"


def test_the_command_line_of_ssh() -> None:
    line = inside.command(HOSTS["web2"], "shop", ["echo", "$HOME 'x'"], terminal=True)
    assert line[:2] == ["ssh", "-t"]
    assert "-oPort=2222" in line
    assert line[-1].startswith("sudo -- python3 -ISc ")
    assert json.dumps("$HOME 'x'").strip('"') in line[-1].replace("'\"'\"'", "'")


UNIT = """\
[Unit]
Description=shop
[Service]
Type=notify
User=shop
# A comment.
Environment=GREETING="50%% off"
LoadCredential=KEY:/srv/shop/releases/R/credential.KEY
Environment=KEY_FILE=%d/KEY
Environment=FORMAT=%%d
ExecStart=/srv/shop/venv/bin/gunicorn
Restart=always
TimeoutStopSec=40
SystemCallFilter=~@privileged @resources
IPAddressDeny=link-local multicast

[Install]
WantedBy=multi-user.target
"""


def test_a_command_has_the_units_sandbox_and_none_of_its_server() -> None:
    assert list(run_in_release.properties(UNIT, "run.service")) == [
        "User=shop",
        'Environment=GREETING="50% off"',
        "LoadCredential=KEY:/srv/shop/releases/R/credential.KEY",
        "Environment=KEY_FILE=/run/credentials/run.service/KEY",
        "Environment=FORMAT=%d",
        "SystemCallFilter=~@privileged @resources",
        "IPAddressDeny=link-local",
        "IPAddressDeny=multicast",
    ]


def test_a_command_with_and_without_a_terminal() -> None:
    request = {"app": "shop", "command": ["echo", "$x"], "terminal": False, "term": "xterm"}
    line = run_in_release.systemd_run(request, "u.service", UNIT)
    assert line[-4:] == ["/usr/bin/env", "--", "echo", "$$x"]
    assert "--pipe" in line
    line = run_in_release.systemd_run({**request, "terminal": True, "command": []}, "u", UNIT)
    assert {"--pty", "--setenv=TERM=xterm"} <= set(line)
    assert line[-1] == "-i"


def journal(**fields: Any) -> str:
    return json.dumps({"__REALTIME_TIMESTAMP": "1700000000000000", "MESSAGE": "hello", **fields})


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"_SYSTEMD_UNIT": "shop@1.service"}, "shop@1.service: hello"),
        ({"_SYSTEMD_UNIT": "shop.worker@1.service"}, "shop.worker@1.service: hello"),
        ({"UNIT": "shop@1.service", "_SYSTEMD_UNIT": "init.scope"}, "shop@1.service: hello"),
        ({"UNIT": "groundcrew-run-shop-1.service"}, "groundcrew-run-shop-1.service: hello"),
        (
            {"_SYSTEMD_UNIT": "shop@1.service", "MESSAGE": [104, 105, 255]},
            "shop@1.service: hi\ufffd",
        ),
        ({}, "shop@: hello"),
        ({"UNIT": "shopping@1.service"}, None),
        ({"_SYSTEMD_UNIT": "init.scope"}, None),
    ],
)
def test_an_entry_of_the_journal(fields: dict[str, Any], shown: str | None) -> None:
    entry = follow_logs.entry("shop", journal(**fields))
    assert (entry and entry.partition(" ")[2]) == shown


def test_lines_of_hosts_have_their_name_and_harm_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended = SimpleNamespace(stdout=io.StringIO("a 500\n\x1b[31mred 500\nfine\n"), wait=lambda: 255)
    follow.copy(ended, "[web1] ", re.compile(" 500"), Lock())  # type: ignore[arg-type]
    output = capsys.readouterr()
    assert output.out == "[web1] a 500\n[web1] \\x1b[31mred 500\n"
    assert output.err == "[web1] the connection was lost\n"


@pytest.mark.parametrize("word", ["true", "kill -HUP $$", "sleep 60"])
def test_the_unit_is_stopped_however_systemd_run_ends(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[Any] = []
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr(run_in_release, "gone", lambda: word == "sleep 60" and bool(killed()))
    monkeypatch.setattr("subprocess.run", lambda *words, **_: stopped.append(words))

    def killed() -> bool:
        started[0].kill()
        return True

    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def popen(command: list[str]) -> subprocess.Popen[bytes]:
        started.append(real(command))
        return started[0]

    monkeypatch.setattr("subprocess.Popen", popen)
    run_in_release.run(["sh", "-c", word], "u.service")
    assert stopped == [(["systemctl", "stop", "u.service"],)]

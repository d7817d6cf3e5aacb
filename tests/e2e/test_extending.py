"""The role of docs/extending.md, in a project of a user's own: what it brings is there."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from groundcrew import commands
from groundcrew.lab import hosts
from groundcrew.lab.inventory import host_data
from tests.e2e.harness import ROOT, LabHost, Run, good, pyinfra

PATH = {"PYTHONPATH": str(ROOT)}
"""The checkout in place of an installed package."""

PORT = 7777
RULES = "nft list table inet groundcrew"


def blocks() -> list[str]:
    text = (ROOT / "docs/extending.md").read_text()
    return [part.partition("```")[0] for part in text.split("```python\n")[1:]]


def named() -> dict[str, str]:
    """Path -> content of the files that the page shows."""
    matches = (re.match(r"# (\S+\.py)\n", block) for block in blocks())
    return {match[1]: match.string for match in matches if match}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, bookworm: LabHost) -> Iterator[Path]:
    """The page, followed from top to bottom."""
    folder = tmp_path_factory.mktemp("extending") / "mysite"
    assert commands.main(["init", str(folder)]) == 0
    for path, content in named().items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(content)
    change(
        folder / "config.py", "from groundcrew.roles.settings import", "from mysite_settings import"
    )
    line = blocks()[-1]
    change(
        folder / "deploy.py",
        "from pyinfra import host",
        "import heartbeat\nfrom pyinfra import host",
    )
    change(
        folder / "deploy.py",
        "# Hosts that run applications, or have sites of roles.",
        f"{line}\n# Hosts that run applications, or have sites of roles.",
    )
    data = host_data(hosts.find(bookworm.name))
    (folder / "inventory/prod.py").write_text(f"web = [({bookworm.name!r}, {data!r})]\n")
    yield folder
    bookworm.out("systemctl disable --now heartbeat.service; rm -rf /etc/logrotate.d/heartbeat")
    bookworm.out("rm -f /etc/systemd/system/heartbeat.service; systemctl daemon-reload")
    shutil.rmtree(folder)
    assert pyinfra(bookworm.name).status == 0


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert text.count(before) == 1, path
    path.write_text(text.replace(before, after))


def run(project: Path, host: LabHost, *options: str, **more: object) -> Run:
    return pyinfra(host.name, *options, project=project, env=PATH, **more)  # type: ignore[arg-type]


def test_it_is_installed_opened_judged_rotated_checked_and_shown(
    project: Path, bookworm: LabHost, tmp_path: Path
) -> None:
    path = tmp_path / "verify.json"
    good(run(project, bookworm, data={"verify.json": str(path)}))
    assert bookworm.shell.package("socat").is_installed
    assert bookworm.shell.service("heartbeat.service").is_running
    with socket.create_connection((bookworm.address, PORT), timeout=5) as connection:
        assert connection.makefile().readline().strip().isdigit()
    assert f'dport {PORT} accept comment "heartbeat"' in bookworm.out(RULES)
    assert "/var/log/heartbeat/*.log" in bookworm.out("cat /etc/logrotate.d/heartbeat")
    checks = json.loads(path.read_text())["hosts"][bookworm.name]["checks"]
    details = {item["name"]: item["detail"] for item in checks}
    assert details["heartbeat"].startswith("tells ")
    assert str(PORT) in details["listening sockets"]
    assert str(PORT) in details["firewall: from outside (IPv4)"]
    assert re.search(r"heartbeat \S+ of 1.5", details["own units: sandbox"])

    status = good(run(project, bookworm, playbook="playbooks/status.py"))
    assert re.search(r"heartbeat at \d+", status.stderr)
    assert good(run(project, bookworm)).changed == []


def test_the_checks_of_the_role_can_fail(project: Path, bookworm: LabHost) -> None:
    bookworm.out("systemctl stop heartbeat.service")
    try:
        failed = run(project, bookworm, playbook="playbooks/verify.py")
        assert failed.status != 0
        assert "heartbeat: not checked: ConnectionRefusedError" in failed.stderr
        assert f"does not answer on port {PORT}" in failed.stderr
    finally:
        bookworm.out("systemctl start heartbeat.service")


def test_a_port_that_another_program_has_ends_the_run(project: Path, bookworm: LabHost) -> None:
    run_ended = run(project, bookworm, data={"heartbeat.port": 22})
    assert run_ended.status != 0
    assert "port 22: taken by sshd" in run_ended.stderr


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"heartbeat.prt": 1}, "heartbeat.prt"),
        ({"heartbeat.port": 80, "apps": ["hello"]}, "port 80 is nginx's too"),
        ({"heartbeat.upstream": ["127.0.0.1:1"]}, "connect 127.0.0.1:1"),
        ({"heartbeat.memory_mib": 99999999}, "heartbeat service"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_changed(
    project: Path, bookworm: LabHost, data: dict[str, object], said: str
) -> None:
    if "apps" in data:
        shutil.copy(ROOT / "apps/hello.yml", project / "apps/hello.yml")
        shutil.copytree(ROOT / "examples/hello", project / "examples/hello", dirs_exist_ok=True)
    ended = run(project, bookworm, data=data)
    assert ended.status != 0
    assert said in ended.stderr
    assert "Starting operation: base" not in ended.stderr


def test_the_settings_are_documented(project: Path) -> None:
    text = (
        "from mysite_settings import HostSettings; "
        "from groundcrew.settings.reference import section; "
        "from groundcrew.settings.schema import model_schema; "
        "print(section('heartbeat', model_schema(HostSettings)['properties']['heartbeat']))"
    )
    command = [sys.executable, "-c", text]
    done = subprocess.run(
        command,
        cwd=project,
        env={**os.environ, **PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Most memory that it may take, in MiB." in done.stdout

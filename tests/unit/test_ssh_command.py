"""The command line of ssh finds what pyinfra finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundcrew.ssh_command import ssh_command


def options(**data: str) -> list[str]:
    return ssh_command("web1", data, ["id"], terminal=False)[2:-2]


def test_what_the_inventory_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(Path("~").expanduser()))
    line = ssh_command(
        "web1",
        {"ssh_hostname": "10.0.0.1", "ssh_port": "2222", "ssh_user": "deploy", "ssh_key": "~/k"},
        ["printf", "a b"],
        terminal=True,
    )
    key = Path("~/k").expanduser()
    assert line == [
        "ssh", "-t", "-oLogLevel=ERROR", "-oPort=2222", "-oUser=deploy", f"-oIdentityFile={key}",
        "10.0.0.1", "sudo -- printf 'a b'",
    ]  # fmt: skip


def test_another_home_than_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in containers of CI systems: ssh itself would look below that of the account."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".ssh"
    folder.mkdir()
    (folder / "config").touch()
    (folder / "id_ed25519").touch()
    assert options() == [
        "-F", f"{folder}/config", f"-oUserKnownHostsFile={folder}/known_hosts",
        f"-oIdentityFile={folder}/id_ed25519", "-oLogLevel=ERROR",
    ]  # fmt: skip
    mine = options(ssh_config_file="c", ssh_known_hosts_file="/k", ssh_key="/i")
    assert mine == [
        "-F", "c", "-oLogLevel=ERROR", "-oIdentityFile=/i", "-oUserKnownHostsFile=/k",
    ]  # fmt: skip

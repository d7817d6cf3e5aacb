"""What the operator's side of the dead man's switch decides."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from groundcrew import transport
from groundcrew.entries import Absent, Directory, File, PathEntry, PathState
from groundcrew.operations import guard
from groundcrew.patience import patience

STATE: Any = SimpleNamespace(print_output=False, print_input=False)


class FakeHost:
    """Records the commands that it is asked to run, and what is logged."""

    def __init__(self, succeeds: bool = True, error: Exception | None = None) -> None:
        self.succeeds, self.error = succeeds, error
        self.connector_data: dict[str, str] = {}
        self.commands: list[str] = []
        self.logged: list[str] = []

    def run_shell_command(self, command: Any, **options: Any) -> tuple[bool, Any]:
        self.commands.append(command.get_raw_value())
        if self.error:
            raise self.error
        return self.succeeds, SimpleNamespace(output="details")

    def log_styled(self, message: str, **options: Any) -> None:
        self.logged.append(message)


def confirm(
    host: Any, *users: str, login: float = 0, name: str = "ssh", sudo: bool = False
) -> bool:
    waits = patience(login)
    connection = {"_sudo": True} if sudo else {}
    end = time.monotonic() + waits.host
    return guard.confirm(STATE, host, name, users, connection=connection, waits=waits, end=end)


@pytest.fixture(autouse=True)
def only_deploy_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def second_login(host: object, user: str, step: float, until: float) -> None:
        if user != "deploy":
            raise transport.LoginError(f"cannot log in as {user}")

    monkeypatch.setattr(transport, "second_login", second_login)


@pytest.mark.parametrize("users", [("deploy",), ("root", "deploy"), ()])
def test_the_change_stays_when_somebody_gets_in(users: tuple[str, ...]) -> None:
    host = FakeHost()
    assert confirm(host, *users)
    assert [".kept" in command for command in host.commands] == [True]
    assert host.logged == []


def test_the_change_is_put_back_when_nobody_gets_in() -> None:
    host = FakeHost()
    assert not confirm(host, "root", "ops")
    assert host.commands == ["python3 -IS /var/lib/groundcrew/put_back.py back ssh"]
    assert "was put back" in host.logged[0]
    assert "cannot log in as root; cannot log in as ops" in host.logged[0]


def test_a_dead_connection_leaves_it_to_the_host() -> None:
    host = FakeHost(error=TimeoutError())
    assert not confirm(host, "root")
    assert "the host does it by itself within 55 seconds" in host.logged[0]


def test_a_change_that_cannot_be_kept_is_a_failure() -> None:
    host = FakeHost(succeeds=False)
    assert not confirm(host, "deploy")
    assert "could not be kept" in host.logged[0]


@pytest.mark.parametrize("prompted", [False, True])
def test_nobody_is_asked_for_a_password_when_sudo_is_what_broke(
    monkeypatch: pytest.MonkeyPatch, prompted: bool
) -> None:
    """Somebody who was asked before, and has the password, goes on as before."""
    monkeypatch.setattr(transport, "connected_user", lambda host: "deploy")
    host: Any = FakeHost()
    if prompted:
        host.connector_data["prompted_sudo_password"] = "secret"
    asked: dict[str, Any] = {}
    run = host.run_shell_command

    def record(command: Any, **options: Any) -> tuple[bool, Any]:
        asked.update(options)
        answer: tuple[bool, Any] = run(command, **options)
        return answer

    host.run_shell_command = record
    assert not confirm(host, "ops", name="users", sudo=True)
    assert asked["_sudo"] is prompted
    assert ("sudo -n sh -c" in host.commands[0]) is not prompted
    assert "put_back.py back users" in host.commands[0]


def test_only_the_rename_decides_whether_a_change_is_kept(tmp_path: Path) -> None:
    """Not what is cleared away after it; and where it was put back already it is not kept."""
    (tmp_path / "guard/ssh").mkdir(parents=True)
    (tmp_path / "systemctl").write_text("#!/bin/sh\nexit 5\n")
    (tmp_path / "systemctl").chmod(0o755)
    host = FakeHost()
    confirm(host, "deploy")
    command = host.commands[0].replace("/var/lib/groundcrew", str(tmp_path))
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert subprocess.run(["sh", "-c", command], env=environment, check=False).returncode == 0
    assert list((tmp_path / "guard").iterdir()) == []
    assert subprocess.run(["sh", "-c", command], env=environment, check=False).returncode != 0


@pytest.mark.parametrize(("login", "step", "host"), [(0.4, 10, 55), (4, 20, 110), (100, 30, 165)])
def test_a_slow_host_is_given_more_time(
    monkeypatch: pytest.MonkeyPatch, login: float, step: float, host: int
) -> None:
    given = []
    monkeypatch.setattr(
        transport, "second_login", lambda host, user, step, until: given.append((step, until))
    )
    started = time.monotonic()
    assert confirm(FakeHost(), "deploy", login=login)
    assert given[0][0] == step
    waits = patience(login)
    assert waits.host == host
    # After the last login there is time for the decision before the host makes it.
    assert given[0][1] + waits.command <= started + waits.host + 0.1


@pytest.mark.parametrize(
    ("left", "pending"),
    [("ssh", True), ("ssh.late.7", True), ("ssh.kept", True), ("ssh2", False), (None, False)],
)
def test_what_an_earlier_change_left_is_seen(left: str | None, pending: bool) -> None:
    here = PathState(kind="directory")
    states = {f"/var/lib/groundcrew/guard/{left}": here} if left else {}
    assert guard.pending("ssh", states) is pending


def test_after_an_unfinished_change_everything_is_written() -> None:
    """What it has changed may be put back before the next begins."""
    entries: list[PathEntry] = [Directory("/a"), File("/b", "x"), Absent("/c")]
    fulfilled = PathState(kind="directory", mode="0755", user="root", group="root")
    states = {"/a": fulfilled}
    assert guard.to_be_made(entries, states, unfinished=False) == entries[1:2]
    assert guard.to_be_made(entries, states, unfinished=True) == entries

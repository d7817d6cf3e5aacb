"""What the operator's side of the dead man's switch decides."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from groundcrew import transport
from groundcrew.operations import guard

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


def confirm(host: Any, *users: str) -> bool:
    return guard.confirm(STATE, host, "ssh", users, {})


@pytest.fixture(autouse=True)
def only_deploy_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def second_login(host: object, user: str) -> None:
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
    assert ["revert.sh" in command for command in host.commands] == [True]
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
        found: tuple[bool, Any] = run(command, **options)
        return found

    host.run_shell_command = record
    assert not guard.confirm(STATE, host, "users", ("ops",), {"_sudo": True})
    assert asked["_sudo"] is prompted
    assert ("sudo -n sh -c" in host.commands[0]) is not prompted
    assert "revert.sh" in host.commands[0]

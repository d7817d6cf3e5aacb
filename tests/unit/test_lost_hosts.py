"""A host whose state can no longer be read, with pyinfra's own state on this machine."""

from __future__ import annotations

import importlib
from collections.abc import Generator, Iterator

import pytest
from pyinfra.api import Config, FactBase, Inventory, State, StringCommand, operation
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_ops
from pyinfra.api.state import BaseStateCallback, StateStage
from pyinfra.context import ctx_state
from pyinfra.context import host as current_host

from groundcrew.adapter import lost_hosts
from groundcrew.unreadable import UnreadableError


class Numbers(FactBase[dict[str, int]]):
    """Numbers by name; none where the command fails."""

    default = dict

    def command(self, command: str) -> str:
        """The shell command that prints nothing useful."""
        return command

    def process(self, output: list[str]) -> dict[str, int]:
        """One number."""
        return {"one": len(output)}


@operation()
def need(command: str) -> Generator[StringCommand, None, None]:
    """Cannot go on without the number."""
    numbers = current_host.get_fact(Numbers, command=command)
    yield StringCommand(f"test {numbers['one']}")


@operation()
def demand() -> Generator[StringCommand, None, None]:
    """Says itself that it cannot go on."""
    raise UnreadableError("nothing is known of shop")
    yield StringCommand("true")


class Told(BaseStateCallback):
    hosts: list[str]

    @classmethod
    def operation_host_error(cls, state: State, host: object, *_: object) -> None:
        del state
        cls.hosts.append(str(host))


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    """pyinfra's state for a run on this machine, beside a host that has nothing to do."""
    module = importlib.import_module("pyinfra.api.operations")
    monkeypatch.setattr(module, lost_hosts.NAME, getattr(module, lost_hosts.NAME))
    lost_hosts.install()
    Told.hosts = []
    inventory = Inventory((["@local", "other.invalid"], {}))
    state = State(inventory, Config(), check_for_changes=False)
    state.add_callback_handler(Told())
    with ctx_state.use(state):
        for host in inventory:
            state.activate_host(host)
        inventory.get_host("@local").connect()
        state.set_stage(StateStage.Prepare)
        yield state


def execute(state: State, command: str) -> None:
    add_op(state, need, command, host=state.inventory.get_host("@local"))
    state.set_stage(StateStage.Execute)
    run_ops(state)


def test_it_fails_and_the_others_go_on(state: State) -> None:
    execute(state, "false")
    assert {host.name for host in state.failed_hosts} == {"@local"}
    assert Told.hosts == ["@local"]


@pytest.mark.parametrize("ignored", [False, True])
def test_an_operation_can_say_that_it_cannot_go_on(
    state: State, ignored: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Also one whose errors are dealt with elsewhere, as those of releases."""
    local = state.inventory.get_host("@local")
    add_op(state, demand, host=local, _ignore_errors=ignored)
    state.set_stage(StateStage.Execute)
    run_ops(state)
    assert (local in state.failed_hosts) is not ignored
    assert Told.hosts == ["@local"]
    assert "nothing is known of shop" in caplog.text


def test_whoever_is_asked_whether_the_run_goes_on_has_the_last_word(state: State) -> None:
    state.should_raise_failed_hosts = lambda _: True
    with pytest.raises(KeyError):
        execute(state, "false")


def test_the_last_one_ends_the_run(state: State) -> None:
    state.active_hosts.discard(state.inventory.get_host("other.invalid"))
    with pytest.raises(Exception, match="No hosts remaining"):
        execute(state, "false")


def test_an_error_of_an_operation_is_none_of_the_host(state: State) -> None:
    """The state could be read, so something is wrong with the program."""
    with pytest.raises(KeyError):
        execute(state, "true")


def test_what_can_be_read_is_used(state: State) -> None:
    execute(state, "echo 1")
    assert not state.failed_hosts

"""Hosts that are down when a run connects."""

from __future__ import annotations

from collections.abc import Iterator
from socket import gaierror

import pytest
from paramiko import AuthenticationException, BadHostKeyException, RSAKey, SSHException
from paramiko.ssh_exception import NoValidConnectionsError
from pyinfra.api import Config, Inventory, State
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_state

from groundcrew.adapter import unreachable
from groundcrew.connecting import is_down
from groundcrew.console.failures import Failure
from groundcrew.console.report import report
from groundcrew.transport import DOWN

WILLING = {"web1", "web2"}


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    """A run that connects to three hosts, of which web3 answers."""
    monkeypatch.setattr(State, "fail_hosts", State.fail_hosts)
    unreachable.install(lambda host: host.name in WILLING)
    inventory = Inventory((["web1", "web2", "web3"], {}))
    state = State(inventory, Config(FAIL_PERCENT=0), check_for_changes=False)
    with ctx_state.use(state):
        state.set_stage(StateStage.Connect)
        state.activate_host(inventory.get_host("web3"))
        yield state


def fail(state: State, *names: str, down: bool = True) -> None:
    hosts = {state.inventory.get_host(name) for name in names}
    for host in hosts:
        host.connector_data[DOWN] = down
    state.fail_hosts(hosts, activated_count=3)


def test_a_host_that_is_down_is_left_out_where_that_is_said(
    state: State, caplog: pytest.LogCaptureFixture
) -> None:
    fail(state, "web1")
    within = [host.name for host in state.inventory if state.is_host_in_limit(host)]
    assert within == ["web2", "web3"]
    # The run ends with 1.
    assert {host.name for host in state.failed_hosts} == {"web1"}
    assert unreachable.skipped(state) == {"web1"}
    assert "[web1] is left out: it is down" in caplog.text
    fail(state, "web2")
    assert unreachable.skipped(state) == {"web1", "web2"}


def test_one_that_answers_and_refuses_ends_the_run(state: State) -> None:
    with pytest.raises(Exception, match="Over 0% of hosts failed"):
        fail(state, "web1", down=False)
    assert unreachable.skipped(state) == set()


def test_one_that_must_be_there_ends_the_run(state: State) -> None:
    WILLING.discard("web2")
    try:
        with pytest.raises(Exception, match="Over 0% of hosts failed"):
            fail(state, "web1", "web2")
    finally:
        WILLING.add("web2")


def test_the_last_one_ends_the_run(state: State) -> None:
    state.active_hosts.clear()
    with pytest.raises(Exception, match="No hosts remaining"):
        fail(state, "web1", "web2")


def test_a_host_that_is_lost_later_ends_the_run(state: State) -> None:
    state.activate_host(state.inventory.get_host("web1"))
    state.set_stage(StateStage.Execute)
    with pytest.raises(Exception, match="Over 0% of hosts failed"):
        fail(state, "web1")


@pytest.mark.parametrize(
    ("error", "down"),
    [
        (TimeoutError(), True),
        (NoValidConnectionsError({("10.0.0.1", 22): ConnectionRefusedError()}), True),
        (OSError(113, "No route to host"), True),
        (ConnectionResetError(104, "Connection reset by peer"), True),
        (gaierror(-2, "Name or service not known"), False),
        (FileNotFoundError(2, "No such file"), False),
        (PermissionError(13, "Permission denied"), False),
        (SSHException("Error reading SSH protocol banner"), True),
        (SSHException("No authentication methods available"), False),
        (AuthenticationException(), False),
        (BadHostKeyException("web1", RSAKey.generate(1024), RSAKey.generate(1024)), False),
        (None, False),
    ],
)
def test_what_counts_as_down(error: BaseException | None, down: bool) -> None:
    assert is_down(error) is down


def test_the_end_says_that_it_was_left_out() -> None:
    failure = Failure("web1", "connecting", ("10.0.0.1 does not answer",))
    text = report([failure], left_out={"web1"})
    assert text.splitlines()[0] == "groundcrew: web1 left out; run the same again to catch up"
    other = Failure("web3", "nginx | start it", ("failed",))
    assert report([failure, other], left_out={"web1"}).startswith("groundcrew: the run failed")
    assert "left out" not in report([], left_out=())

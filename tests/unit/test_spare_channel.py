"""A connection opens the channel of its next command while the one before runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import paramiko
import pytest
from paramiko import Transport

from groundcrew.adapter import spare_channel
from tests.unit.sshd import Sshd


@pytest.fixture
def client(sshd: Sshd) -> Iterator[paramiko.SSHClient]:
    sshd.users = {"deploy"}
    spare_channel.install()
    connected = paramiko.SSHClient()
    connected.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    connected.connect(
        "127.0.0.1",
        sshd.port,
        "deploy",
        pkey=paramiko.RSAKey.generate(2048),
        allow_agent=False,
        look_for_keys=False,
    )
    yield connected
    connected.close()


def echo(client: paramiko.SSHClient, text: str) -> str:
    _, stdout, _ = client.exec_command(f"echo {text}")
    return str(stdout.read().decode()).strip()


def transport(client: paramiko.SSHClient) -> Transport:
    active = client.get_transport()
    assert active is not None
    return active


def spare(client: paramiko.SSHClient) -> spare_channel.Spare:
    attached: spare_channel.Spare = getattr(transport(client), spare_channel.SPARE)
    return attached


def opened(client: paramiko.SSHClient) -> paramiko.Channel | None:
    """The spare channel, once it is there."""
    thread = spare(client).opening
    if thread is not None:
        thread.join()
    return spare(client).channel


def test_the_next_command_has_the_channel_that_was_opened_before(
    client: paramiko.SSHClient,
) -> None:
    spare_channel.give(transport(client))
    assert echo(client, "one") == "one"
    assert opened(client) is None
    assert echo(client, "two") == "two"
    waiting = opened(client)
    assert waiting is not None
    _, stdout, _ = client.exec_command("echo three")
    assert stdout.channel is waiting
    assert stdout.read() == b"three\n"
    assert opened(client) is not waiting


def test_a_connection_without_one_is_as_before(client: paramiko.SSHClient) -> None:
    for text in ("one", "two", "three"):
        assert echo(client, text) == text
    assert not hasattr(transport(client), spare_channel.SPARE)


def test_a_server_that_grants_no_more_is_asked_when_it_is_needed(
    client: paramiko.SSHClient, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> int:
        return int(paramiko.common.OPEN_FAILED_RESOURCE_SHORTAGE)

    spare_channel.give(transport(client))
    echo(client, "one")
    with monkeypatch.context() as patch:
        patch.setattr("tests.unit.sshd.Server.check_channel_request", refuses)
        spare(client).begin(lambda: Transport.open_session.__wrapped__(transport(client)))  # type: ignore[attr-defined]
        assert opened(client) is None
    assert echo(client, "two") == "two"


def test_a_connection_that_is_gone_is_told_as_ever(client: paramiko.SSHClient, sshd: Sshd) -> None:
    spare_channel.give(transport(client))
    echo(client, "one")
    echo(client, "two")
    opened(client)
    sshd.close()
    deadline = time.monotonic() + 5
    while transport(client).is_active() and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises((paramiko.SSHException, OSError)):
        echo(client, "three")


def test_a_channel_that_is_only_about_to_be_opened_is_not_waited_for() -> None:
    errors: list[BaseException] = []
    done = threading.Event()

    class Starting(spare_channel.Spare):
        """Another command asks at the moment at which the thread is made and not started."""

        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if name in ("opening", "begun") and value:
                try:
                    self.take()
                except BaseException as error:
                    errors.append(error)

    one = Starting()
    one.uses = spare_channel.FIRST_USES

    def never() -> paramiko.Channel:
        done.set()
        raise EOFError

    one.begin(never)
    assert done.wait(5)
    assert errors == []

"""Real SSH connections to a server in this process."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.connectors.ssh import SSHConnector

from groundcrew import transport
from groundcrew.adapter import connections
from groundcrew.adapter.patching import UnexpectedPyinfraError
from tests.unit.sshd import KEY, Sshd


@pytest.fixture
def make_host(sshd: Sshd, tmp_path: Path) -> Any:
    KEY.write_private_key_file(str(tmp_path / "key"))
    (tmp_path / "known_hosts").touch()
    connections.install()

    def make(**data: object) -> Host:
        connection = {
            "ssh_hostname": "127.0.0.1",
            "ssh_port": sshd.port,
            "ssh_user": "deploy",
            "ssh_key": str(tmp_path / "key"),
            "ssh_known_hosts_file": str(tmp_path / "known_hosts"),
            "ssh_config_file": str(tmp_path / "none"),
        }
        given = {key: value for key, value in {**connection, **data}.items() if value is not None}
        inventory = Inventory(([("web1", given)], {}))
        State(inventory, Config())
        host = inventory.get_host("web1")
        assert host is not None
        return host

    return make


def connect(host: Host) -> Host:
    host.connect(raise_exceptions=True, show_errors=False)
    return host


def test_the_live_connection_has_no_delay(sshd: Sshd, make_host: Any) -> None:
    sshd.users = {"deploy"}
    host = connect(make_host())
    assert isinstance(host.connector, SSHConnector) and host.connector.client
    live = host.connector.client.get_transport()
    assert live is not None
    connection: Any = live.sock
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_installing_twice_changes_nothing(make_host: Any) -> None:
    before = SSHConnector.run_shell_command
    connections.install()
    assert SSHConnector.run_shell_command is before


def test_the_usual_user_is_used_where_it_exists(sshd: Sshd, make_host: Any) -> None:
    sshd.users = {"deploy", "root"}
    host = connect(make_host(bootstrap_user="root"))
    assert transport.connected_user(host) == "deploy"
    assert host.data.get("_sudo") is None


def test_a_bare_host_is_reached_as_bootstrap_user_without_sudo(sshd: Sshd, make_host: Any) -> None:
    sshd.users = {"root"}
    host = connect(make_host(bootstrap_user="root", _sudo=True))
    assert transport.connected_user(host) == "root"
    assert host.data.get("_sudo") is False


def test_once_the_usual_user_exists_it_is_used_again(sshd: Sshd, make_host: Any) -> None:
    sshd.users = {"root"}
    host = connect(make_host(bootstrap_user="root"))
    host.connected = False
    sshd.users |= {"deploy"}
    connect(host)
    assert transport.connected_user(host) == "deploy"
    assert host.data.get("_sudo") is None


def test_both_users_are_named_when_both_are_refused(sshd: Sshd, make_host: Any) -> None:
    with pytest.raises(
        ConnectError, match=r"refused deploy and root \(bootstrap_user\) with the key .*key\n"
    ):
        connect(make_host(bootstrap_user="root"))


def test_without_bootstrap_user_the_refusal_stands(sshd: Sshd, make_host: Any) -> None:
    sshd.users = {"root"}
    with pytest.raises(ConnectError, match=r"refused deploy with the key .*key\n"):
        connect(make_host())


def test_a_second_login_must_get_in_and_become_root(sshd: Sshd, make_host: Any) -> None:
    sshd.users = {"root"}
    host = connect(make_host(ssh_user="root"))
    transport.second_login(host, "root")
    with pytest.raises(transport.LoginError, match="cannot log in as deploy"):
        transport.second_login(host, "deploy")
    sshd.users |= {"deploy"}
    transport.second_login(host, "deploy")
    sshd.exits["sudo -n true"] = 1
    with pytest.raises(transport.LoginError, match="a password is required"):
        transport.second_login(host, "deploy")


def test_a_server_that_is_just_starting_is_waited_for(sshd: Sshd, make_host: Any) -> None:
    sshd.users = {"deploy"}
    host = connect(make_host())
    sshd.stop_listening()

    def start() -> None:
        sshd.listener = socket.create_server(("127.0.0.1", sshd.port))
        threading.Thread(target=sshd.serve, daemon=True).start()

    threading.Timer(0.5, start).start()
    transport.second_login(host, "deploy")


def test_a_server_that_stays_away_is_reported(
    sshd: Sshd, make_host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LOGIN_PATIENCE", 0.0)
    sshd.users = {"deploy"}
    host = connect(make_host())
    sshd.stop_listening()
    with pytest.raises(transport.LoginError, match=r"as deploy: .*Unable to connect"):
        transport.second_login(host, "deploy")


def test_a_step_of_a_second_login_has_its_time(sshd: Sshd, make_host: Any) -> None:
    sshd.users = {"deploy"}
    sshd.delay = 3.0
    host = connect(make_host())
    with pytest.raises(transport.LoginError, match=r"`sudo -n true` did not end within 1 seconds"):
        transport.second_login(host, "deploy", step=1.0)
    sshd.delay = 1.2
    transport.second_login(host, "deploy", step=2.0)


def test_a_second_login_ends_in_good_time(sshd: Sshd, make_host: Any) -> None:
    """Whatever it is at: here it waits for an answer for longer than there is time."""
    sshd.users = {"deploy"}
    sshd.delay = 20.0
    host = connect(make_host())
    started = time.monotonic()
    with pytest.raises(transport.LoginError):
        transport.second_login(host, "deploy", step=15.0, until=started + 1)
    assert time.monotonic() - started < 5
    with pytest.raises(transport.LoginError, match="no time is left for it"):
        transport.second_login(host, "deploy", until=time.monotonic() - 1)


def test_a_login_is_expected_to_take_what_it_took(sshd: Sshd, make_host: Any) -> None:
    sshd.users = {"deploy"}
    host = make_host()
    assert transport.login_seconds(host) == 0
    sshd.delay = 0.6
    connect(host)
    assert 0 < transport.login_seconds(host) < 0.6
    host.run_shell_command("true")
    # The first command belongs to it.
    assert 0.6 < transport.login_seconds(host) < 2
    for sshd.delay in (0.05, 0.05, 0.05):
        host.run_shell_command("true")
    assert 0.6 < transport.login_seconds(host) < 2
    for sshd.delay in (0.9, 0.9, 5.0):
        host.run_shell_command("true")
    # Busier by now; the long one has a lot to do.
    assert 3.6 <= transport.login_seconds(host) < 5


def test_the_key_that_let_the_run_in_is_known(sshd: Sshd, make_host: Any) -> None:
    sshd.users = {"deploy"}
    key = transport.session_key(connect(make_host()))
    assert key is not None
    assert key.get_base64() == KEY.get_base64()


def test_an_alias_of_the_ssh_configuration_is_followed(
    sshd: Sshd, make_host: Any, tmp_path: Path
) -> None:
    sshd.users = {"deploy"}
    config = tmp_path / "config"
    config.write_text(
        f"Host shop-prod\n  HostName 127.0.0.1\n  Port {sshd.port}\n  IdentityFile {tmp_path}/key\n"
    )
    named = {"ssh_hostname": "shop-prod", "ssh_port": None, "ssh_key": None}
    host = connect(make_host(ssh_config_file=str(config), **named))
    assert transport.address(host) == "127.0.0.1"
    transport.second_login(host, "deploy")
    key = transport.session_key(host)
    assert key is not None
    assert key.get_base64() == KEY.get_base64()


def test_commands_are_counted(sshd: Sshd, make_host: Any) -> None:
    sshd.users = {"deploy"}
    host = connect(make_host())
    assert transport.commands_run(host) == 0
    host.run_shell_command("true")
    host.run_shell_command("true")
    assert transport.commands_run(host) == 2


def test_a_changed_pyinfra_is_refused_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "EXPECTED", ((SSHConnector, "no_such_method", "self"),))
    with pytest.raises(UnexpectedPyinfraError, match=r"SSHConnector\.no_such_method"):
        connections.install()

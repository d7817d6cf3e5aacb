"""Real SSH connections to a server in this process."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from paramiko import SFTPClient
from pyinfra.api import Config, Inventory, State, StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.connectors.ssh import SSHConnector

from groundcrew import transport
from groundcrew.adapter import connections
from groundcrew.adapter.patching import UnexpectedPyinfraError
from groundcrew.bindings import operations as bindings
from groundcrew.bindings import promotion
from groundcrew.releases import shipping
from groundcrew.roles.haproxy import rolling
from groundcrew.roles.swarm import operations as swarm
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
    host = connect(make_host())
    sshd.delay = 3.0
    with pytest.raises(transport.LoginError, match=r"`sudo -n true` did not end within 1 seconds"):
        transport.second_login(host, "deploy", step=1.0)
    sshd.delay = 1.2
    transport.second_login(host, "deploy", step=2.0)


def test_a_second_login_ends_in_good_time(sshd: Sshd, make_host: Any) -> None:
    """Whatever it is at: here it waits for an answer for longer than there is time."""
    sshd.users = {"deploy"}
    host = connect(make_host())
    sshd.delay = 20.0
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


def two_hosts(own: dict[str, Any], **config: Any) -> Any:
    inventory = Inventory(([("web1", {"_sudo_password": "of web1"}), ("web2", own)], {}))
    State(inventory, Config(**config))
    return inventory.get_host("web2")


@pytest.mark.parametrize(
    ("user", "given", "expected"),
    [
        ("root", {"_sudo": True}, {"_sudo": False}),
        ("ops", {"_sudo": False}, {"_sudo": True}),
        ("ops", {"_sudo": False, "_su_user": None}, {"_sudo": True, "_su_user": None}),
        ("ops", {"_sudo": False, "_su_user": "root"}, {"_sudo": False, "_su_user": "root"}),
        (None, {"_sudo": True}, {"_sudo": True}),
    ],
)
def test_another_host_may_be_reached_as_another_user(
    monkeypatch: pytest.MonkeyPatch, user: str | None, given: Any, expected: Any
) -> None:
    monkeypatch.setattr(transport, "connected_user", lambda _: user)
    no_password = {"_sudo_password": None, "_su_password": None}
    assert transport.arguments_of(two_hosts({}), given) == {**expected, **no_password}


def test_another_host_gets_its_own_password() -> None:
    given = {"_sudo": True, "_sudo_password": "of web1", "_timeout": 5}
    other = two_hosts({"_sudo_password": "of web2", "_sudo": False})
    told = transport.arguments_of(other, given)
    assert (told["_sudo_password"], told["_sudo"], told["_timeout"]) == ("of web2", False, 5)
    assert transport.arguments_of(two_hosts({}), given)["_sudo_password"] is None
    told = transport.arguments_of(two_hosts({}, SUDO_PASSWORD="of all"), given)
    assert told["_sudo_password"] == "of all"
    assert given["_sudo_password"] == "of web1"


def test_commands_on_other_hosts_take_their_own_password(monkeypatch: pytest.MonkeyPatch) -> None:
    other = two_hosts({"_sudo_password": "of web2"})
    passwords: list[Any] = []

    def run(_: Any, **options: Any) -> Any:
        passwords.append(options["_sudo_password"])
        return True, SimpleNamespace(stdout="{}", stdout_lines=["{}"], stderr="")

    monkeypatch.setattr(other, "run_shell_command", run)
    given = {"_sudo": True, "_sudo_password": "of web1"}
    work = rolling._Work(None, None, given)  # type: ignore[arg-type]
    work.shell(other, "true")
    work.boot(other)
    swarm._call(other, given, "on_host_members", "tokens", {})
    bindings._run(other, StringCommand("true"), given)
    promotion._call(other, "groundcrew.roles.postgresql.on_host", "x", {}, given)
    shipping.run_json(other, given, "pack_parts", {})
    assert passwords == ["of web2"] * 6


def test_a_host_cannot_fill_the_disk(tmp_path: Path) -> None:
    class Endless(SFTPClient):
        def __init__(self) -> None:
            self.sent = 0

        def getfo(self, *words: Any, **_: Any) -> Any:
            while self.sent < 1000:
                words[1].write(b"1234")
                self.sent += 4

    sftp = Endless()
    connector = SimpleNamespace(get_file_transfer_connection=lambda: sftp)
    host: Any = SimpleNamespace(connector=connector, connector_data={})
    with pytest.raises(transport.TooLongError, match="announced 10 bytes"):
        transport.fetch_file(host, "/x", tmp_path / "file", 10)
    assert (tmp_path / "file").stat().st_size <= 10
    sftp.sent = 992
    assert transport.fetch_file(host, "/x", tmp_path / "file", 8)
    assert (tmp_path / "file").read_bytes() == b"12341234"

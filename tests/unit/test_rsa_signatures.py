"""Servers that sign with SHA-1 are refused, whatever they say beforehand."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from paramiko.common import AUTH_SUCCESSFUL
from pyinfra.connectors.sshuserclient.client import SSHClient

from groundcrew.adapter import connections
from groundcrew.adapter.rsa_signatures import SHA1

ALGORITHMS = {"ssh-rsa": hashes.SHA1, "rsa-sha2-512": hashes.SHA512}
KEY = paramiko.RSAKey.generate(2048)


class ServerKey(paramiko.RSAKey):
    """A host key that signs with one algorithm, whatever it is asked for."""

    signs_with = "rsa-sha2-512"

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> paramiko.Message:
        del algorithm
        kind = ALGORITHMS[self.signs_with]()
        message = paramiko.Message()
        message.add_string(self.signs_with)
        message.add_string(self.key.sign(data, padding.PKCS1v15(), kind))  # type: ignore[union-attr]
        return message


class Anyone(paramiko.ServerInterface):
    def check_auth_none(self, username: str) -> int:
        return int(AUTH_SUCCESSFUL)

    def get_allowed_auths(self, username: str) -> str:
        return "none"


@pytest.fixture
def server() -> Iterator[tuple[paramiko.Transport, dict[str, Any]]]:
    """A server, and the arguments that connect to it."""
    connections.install()
    here, there = socket.socketpair()
    peer = paramiko.Transport(there)
    key = ServerKey(key=KEY.key)
    peer.add_server_key(key)
    arguments = {
        "_pyinfra_ssh_strict_host_key_checking": "no",
        "sock": here,
        "username": "anyone",
        "allow_agent": False,
        "look_for_keys": False,
        "timeout": 10,
        "auth_strategy": None,
    }
    yield peer, arguments
    peer.close()


def connect(server: paramiko.Transport, arguments: dict[str, Any]) -> str:
    """What host key algorithm is agreed on. Raises SSHException where the server is refused."""
    server.start_server(threading.Event(), Anyone())
    client = SSHClient()
    try:
        client.connect("lab.invalid", **arguments)
    except paramiko.AuthenticationException:
        # The server was taken; who comes is another matter.
        pass
    except paramiko.SSHException as error:
        if "No authentication methods" not in str(error):
            raise
    agreed = client.get_transport()
    assert agreed is not None
    return str(agreed.host_key_type)


def test_sha2_is_agreed_on_with_a_server_that_has_both(
    server: tuple[paramiko.Transport, dict[str, Any]],
) -> None:
    assert connect(*server) == "rsa-sha2-512"


def test_a_server_that_has_sha1_only_is_refused(
    server: tuple[paramiko.Transport, dict[str, Any]],
) -> None:
    server[0].get_security_options().key_types = ("ssh-rsa",)
    with pytest.raises(paramiko.SSHException, match="no acceptable host key"):
        connect(*server)


def test_a_server_that_agrees_on_sha2_and_signs_with_sha1_is_refused(
    server: tuple[paramiko.Transport, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ServerKey, "signs_with", "ssh-rsa")
    with pytest.raises(paramiko.SSHException, match="Signature verification"):
        connect(*server)


def test_nothing_is_signed_with_sha1() -> None:
    connections.install()
    for name in SHA1:
        with pytest.raises(KeyError):
            KEY.sign_ssh_data(b"data", name)
    assert KEY.sign_ssh_data(b"data", "rsa-sha2-256")


def test_rsa_keys_of_hosts_are_still_known(tmp_path: Path) -> None:
    """One that is passed over would make its host a new one, whose key is accepted."""
    connections.install()
    file = tmp_path / "known_hosts"
    file.write_text(f"shop.example ssh-rsa {KEY.get_base64()}\n")
    known = paramiko.HostKeys(str(file))
    assert known.check("shop.example", KEY)
    assert not known.check("shop.example", paramiko.RSAKey.generate(1024))
    assert isinstance(paramiko.PKey.from_type_string("ssh-rsa", KEY.asbytes()), paramiko.RSAKey)

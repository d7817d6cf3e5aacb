"""The key exchange between paramiko and itself; the lab hosts speak it with OpenSSH."""

from __future__ import annotations

import socket
import threading

import paramiko
import pytest

from groundcrew.adapter import post_quantum


class Anyone(paramiko.ServerInterface):
    def check_auth_none(self, username: str) -> int:
        return int(paramiko.common.AUTH_SUCCESSFUL)

    def get_allowed_auths(self, username: str) -> str:
        return "none"


def pair() -> tuple[paramiko.Transport, paramiko.Transport]:
    here, there = socket.socketpair()
    client, server = paramiko.Transport(here), paramiko.Transport(there)
    server.add_server_key(paramiko.RSAKey.generate(2048))
    for transport in (client, server):
        transport.get_security_options().kex = (post_quantum.NAME,)
    return client, server


def test_both_sides_agree_and_again_when_they_renew_their_keys() -> None:
    post_quantum.install()
    client, server = pair()
    try:
        server.start_server(threading.Event(), Anyone())
        client.start_client(timeout=10)
        client.auth_none("anyone")
        first = client.H
        client.renegotiate_keys()
        assert client.H not in (None, first)
        assert client.is_authenticated()
    finally:
        client.close()
        server.close()


@pytest.mark.parametrize("wrong", [b"", b"x" * 1119, bytes(1120)])
def test_a_wrong_answer_is_refused(wrong: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    post_quantum.install()
    client, server = pair()
    exchange = post_quantum.HybridExchange(client)
    monkeypatch.setattr(client, "_send_message", lambda message: None)
    monkeypatch.setattr(client, "remote_kex_init", b"", raising=False)
    monkeypatch.setattr(client, "local_kex_init", b"", raising=False)
    exchange.start_kex()
    message = paramiko.Message()
    for part in (b"key", wrong, b"signature"):
        message.add_string(part)
    message.rewind()
    with pytest.raises(paramiko.SSHException):
        exchange.parse_next(post_quantum.REPLY, message)
    server.close()

"""Adds the key exchange `mlkem768x25519-sha256` to paramiko, which has no post-quantum key
exchange.

A server hardened by the ssh-audit guide for OpenSSH 10 offers no other kind. It implements
draft-ietf-sshm-mlkem-hybrid-kex, which combines ML-KEM-768 and X25519, so that it is at least as
strong as the stronger of the two. Both come from the cryptography package; this module only
implements the messages.
"""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import constant_time
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from paramiko import Message, SSHException, Transport

NAME = "mlkem768x25519-sha256"
INIT, REPLY = 30, 31
PUBLIC_KEY, CIPHERTEXT, POINT = 1184, 1088, 32
"""Lengths in bytes of the parts of the client's and the server's messages."""


class HybridExchange:
    """One key exchange, driven by paramiko's transport, for client and server."""

    hash_algo = hashlib.sha256

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.curve = X25519PrivateKey.generate()

    def start_kex(self) -> None:
        """The client sends both public keys; the server waits for them."""
        if self.transport.server_mode:
            self.transport._expect_packet(INIT)
            return
        self.lattice = MLKEM768PrivateKey.generate()
        self.sent = (
            self.lattice.public_key().public_bytes_raw()
            + self.curve.public_key().public_bytes_raw()
        )
        self._send(INIT, self.sent)
        self.transport._expect_packet(REPLY)

    def parse_next(self, kind: int, message: Message) -> None:
        """Handles the peer's message. Raises SSHException if it is invalid."""
        transport = self.transport
        if kind != (INIT if transport.server_mode else REPLY):
            raise SSHException(f"{NAME}: unexpected packet of type {kind}")
        try:
            if transport.server_mode:
                self._answer(message.get_binary())
            else:
                self._conclude(message.get_binary(), message.get_binary(), message.get_binary())
        except ValueError as error:
            raise SSHException(f"{NAME}: {error}") from error
        transport._activate_outbound()

    def _answer(self, asked: bytes) -> None:
        _check_length(asked, PUBLIC_KEY + POINT)
        lattice = MLKEM768PublicKey.from_public_bytes(asked[:PUBLIC_KEY])
        first, ciphertext = lattice.encapsulate()
        answer = ciphertext + self.curve.public_key().public_bytes_raw()
        key = self.transport.get_server_key()
        secret = self._secret(first, asked[PUBLIC_KEY:])
        digest = self._establish(key.asbytes(), asked, answer, secret)
        signature = key.sign_ssh_data(digest, self.transport.host_key_type)
        self._send(REPLY, key.asbytes(), answer, signature.asbytes())

    def _conclude(self, host_key: bytes, answer: bytes, signature: bytes) -> None:
        _check_length(answer, CIPHERTEXT + POINT)
        first = self.lattice.decapsulate(answer[:CIPHERTEXT])
        secret = self._secret(first, answer[CIPHERTEXT:])
        self._establish(host_key, self.sent, answer, secret)
        self.transport._verify_key(host_key, signature)

    def _secret(self, first: bytes, point: bytes) -> bytes:
        second = self.curve.exchange(X25519PublicKey.from_public_bytes(point))
        if constant_time.bytes_eq(second, bytes(POINT)):
            raise SSHException(f"{NAME}: the peer's X25519 value has the wrong order")
        return hashlib.sha256(first + second).digest()

    def _establish(self, host_key: bytes, asked: bytes, answer: bytes, secret: bytes) -> bytes:
        transport = self.transport
        local = transport.local_version, transport.local_kex_init
        remote = transport.remote_version, transport.remote_kex_init
        client, server = (remote, local) if transport.server_mode else (local, remote)
        transcript = Message()
        for part in (
            *(client[0], server[0], client[1], server[1]),
            *(host_key, asked, answer, secret),
        ):
            transcript.add_string(part)
        digest = hashlib.sha256(transcript.asbytes()).digest()
        transport._compute_key = self.derive
        transport._set_K_H(secret, digest)
        return digest

    def derive(self, letter: str, size: int) -> bytes:
        """Key material as in RFC 4253, section 7.2, but with the secret as a string: paramiko's own
        function would encode it as a number."""
        transport = self.transport
        start = Message()
        start.add_string(transport.K)
        start.add_bytes(transport.H)
        shared = start.asbytes()
        material = hashlib.sha256(shared + letter.encode() + transport.session_id).digest()
        while len(material) < size:
            material += hashlib.sha256(shared + material).digest()
        return material[:size]

    def _send(self, kind: int, *parts: bytes) -> None:
        message = Message()
        message.add_byte(bytes([kind]))
        for part in parts:
            message.add_string(part)
        self.transport._send_message(message)


def _check_length(text: bytes, length: int) -> None:
    if len(text) != length:
        raise ValueError(f"the peer sent {len(text)} bytes instead of {length}")


def install() -> None:
    """Makes every paramiko transport of this process offer the key exchange first, if the
    cryptography package supports it."""
    if NAME in Transport._kex_info:  # type: ignore[attr-defined]
        return
    try:
        MLKEM768PrivateKey.generate()
    except UnsupportedAlgorithm:
        return
    Transport._kex_info[NAME] = HybridExchange  # type: ignore[attr-defined]
    Transport._preferred_kex = (NAME, *Transport._preferred_kex)  # type: ignore[attr-defined]

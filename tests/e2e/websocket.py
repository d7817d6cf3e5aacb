"""A WebSocket client (RFC 6455), as small as a test needs it: short messages, one at a time."""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.harness import LabHost


class WebSocket:
    """An open connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def read(self, count: int) -> bytes:
        content = b""
        while len(content) < count:
            part = self.connection.recv(count - len(content))
            assert part, "the server closed the connection"
            content += part
        return content

    def ask(self, text: str) -> str:
        """Sends a message; the text of the answer."""
        data, mask = text.encode(), os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        self.connection.sendall(bytes([0x81, 0x80 | len(data)]) + mask + masked)
        opcode, length = self.read(2)
        assert (opcode, length < 126) == (0x81, True)
        return self.read(length).decode()


@contextmanager
def websocket(host: LabHost, path: str, domain: str, port: int = 80) -> Iterator[WebSocket]:
    """A connection through nginx."""
    with socket.create_connection((host.address, port), timeout=10) as connection:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {domain}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        ]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            part = connection.recv(1)
            assert part, answer
            answer += part
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        yield WebSocket(connection)

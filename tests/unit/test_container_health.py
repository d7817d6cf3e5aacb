"""The health check of a container."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from groundcrew import remote

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@pytest.fixture
def server() -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers every connection, and what it has read."""
    asked: list[bytes] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    asked.append(client.recv(4096))
                    client.sendall(ANSWER)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], asked


def run(protocol: str, port: int, status: str = "200") -> subprocess.CompletedProcess[str]:
    words = [protocol, str(port), "shop.test", "https", "/health", status, "2"]
    return subprocess.run(
        [sys.executable, "-c", remote.source("container_health"), *words],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("protocol", ["http", "uwsgi"])
def test_the_status_decides(protocol: str, server: tuple[int, list[bytes]]) -> None:
    port, asked = server
    done = run(protocol, port)
    assert (done.returncode, done.stdout) == (0, "/health: status 200\n")
    assert b"shop.test" in asked[0]
    assert run(protocol, port, "204").returncode == 1


def test_nobody_listens() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    done = run("http", port)
    assert done.returncode == 1
    assert "ConnectionRefusedError" in done.stdout

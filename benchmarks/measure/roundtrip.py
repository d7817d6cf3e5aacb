"""Cost of one SSH command, with paramiko's defaults and with TCP_NODELAY."""

from __future__ import annotations

import socket
import time
from statistics import median

import paramiko

from benchmarks.measure import lab
from groundcrew.lab import keys

COMMANDS = 40


def seconds_per_command(*, nodelay: bool) -> float:
    """Median seconds of a round trip of `true`, over one connection to the provisioned host."""
    client = paramiko.SSHClient()
    client.load_host_keys(str(keys.KNOWN_HOSTS))
    client.connect(
        lab.address(lab.GROUNDCREW),
        username=lab.ADMIN,
        key_filename=str(keys.PRIVATE_KEY),
        allow_agent=False,
        look_for_keys=False,
    )
    try:
        transport = client.get_transport()
        assert transport is not None and isinstance(transport.sock, socket.socket)
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(nodelay))
        return median(_timed(client) for _ in range(COMMANDS))
    finally:
        client.close()


def _timed(client: paramiko.SSHClient) -> float:
    started = time.perf_counter()
    _, stdout, _ = client.exec_command("true")
    stdout.read()
    if stdout.channel.recv_exit_status() != 0:
        raise lab.BenchmarkError("`true` failed")
    return time.perf_counter() - started

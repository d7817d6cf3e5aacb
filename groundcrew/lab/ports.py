"""Free ports of 127.0.0.1 for publishing hosts."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable

from groundcrew.lab.model import Host, Ports
from groundcrew.lab.process import LabError

FIRST_HTTP_PORT = 8080
FIRST_HTTPS_PORT = 8443
FIRST_SSH_PORT = 2200
TRIED = 1000


def of(hosts: Iterable[Host]) -> frozenset[int]:
    """Return the ports of these hosts, including stopped ones, which need them when they start
    (pure)."""
    ports = {port for host in hosts for port in (host.http_port, host.https_port) if port}
    return frozenset(ports | {host.ssh_port for host in hosts if host.vm})


def chooser(taken: Iterable[int]) -> Callable[[], Ports]:
    """Return a function that returns another pair of free ports, for HTTP and HTTPS, on each
    call."""
    not_these = set(taken)
    offsets = iter(range(TRIED))

    def choose() -> Ports:
        for offset in offsets:
            ports = Ports(FIRST_HTTP_PORT + offset, FIRST_HTTPS_PORT + offset)
            pair = {ports.http, ports.https}
            if not pair & not_these and all(map(_free, pair)):
                return ports
        raise LabError("no free port on 127.0.0.1 to publish a host's 80 and 443")

    return choose


def for_ssh(taken: Iterable[int]) -> Callable[[], int]:
    """Return a function that returns another free port for SSH on each call."""
    not_these = set(taken)
    numbers = iter(range(FIRST_SSH_PORT, FIRST_SSH_PORT + TRIED))

    def choose() -> int:
        for port in numbers:
            if port not in not_these and _free(port):
                return port
        raise LabError("no free port on 127.0.0.1 for a machine's SSH")

    return choose


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

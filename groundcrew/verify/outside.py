"""Which ports of a host the operator's machine can reach."""

from __future__ import annotations

import ipaddress
import socket
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

SHORTEST_WAIT = 0.3
NEAR = 20
ROUND_TRIP = 68
"""Where `tcpi_rtt` is in Linux's `struct tcp_info`."""

Reached = dict[tuple[str, int], bool]
Reach = Callable[[Iterable[str], Iterable[int], float], tuple[Reached, float]]


def reach(addresses: Iterable[str], ports: Iterable[int], timeout: float) -> tuple[Reached, float]:
    """(address, port) -> whether a connection succeeds; and the seconds that a connection needs:
    the fastest one to each address, and of these the longest. Slower ones may have waited for this
    machine's processors.

    All attempts run in parallel: a packet filter that drops packets lets each one run into its
    timeout.
    """
    ports = list(ports)
    pairs = [(address, port) for address in addresses for port in ports]
    with ThreadPoolExecutor(max(1, len(pairs))) as pool:
        attempts = {pair: pool.submit(connects, *pair, timeout) for pair in pairs}
        took = {pair: attempt.result() for pair, attempt in attempts.items()}
    fastest: dict[str, float] = {}
    for (address, _), value in took.items():
        if value is not None:
            fastest[address] = min(value, fastest.get(address, value))
    seconds = max(fastest.values(), default=timeout)
    return {pair: value is not None for pair, value in took.items()}, seconds


def patience(seconds: float, limit: float) -> float:
    """Seconds after which a silent port counts as closed, if open ports answer within `seconds`: a
    multiple of that, at most `limit`."""
    return min(limit, max(SHORTEST_WAIT, NEAR * seconds))


def is_loopback(address: str) -> bool:
    """Whether an address is the loopback of the operator's machine."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def connects(address: str, port: int, timeout: float) -> float | None:
    """The seconds until a TCP connection succeeds; None if it does not."""
    try:
        places = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
    except OSError:
        return None
    times = (_connects(place, timeout) for place in places)
    return next((seconds for seconds in times if seconds is not None), None)


def _connects(place: tuple[Any, ...], timeout: float) -> float | None:
    """The same for one of the addresses of a name."""
    family, kind, protocol, _, address = place
    started = time.monotonic()
    try:
        with socket.socket(family, kind, protocol) as attempt:
            attempt.settimeout(timeout)
            with suppress(TimeoutError):
                attempt.connect(address)
            # It may have succeeded while this process was busy.
            attempt.getpeername()
            return _round_trip(attempt) or time.monotonic() - started
    except OSError:
        return None


def _round_trip(connected: socket.socket) -> float | None:
    """The round trip as the kernel has measured it, which does not wait for this process."""
    if not hasattr(socket, "TCP_INFO"):
        return None
    information = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ROUND_TRIP + 4)
    return int.from_bytes(information[ROUND_TRIP:], sys.byteorder) / 1e6

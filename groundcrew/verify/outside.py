"""Which ports of a host the operator's machine can reach."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

SHORTEST_WAIT = 0.3
NEAR = 20

Reached = dict[tuple[str, int], bool]
Reach = Callable[[Iterable[str], Iterable[int], float], tuple[Reached, float]]


def reach(addresses: Iterable[str], ports: Iterable[int], timeout: float) -> tuple[Reached, float]:
    """(address, port) -> whether a connection succeeds, and the seconds that the fastest success
    took: the others may have waited for this machine's processors.

    All attempts run in parallel: a packet filter that drops packets lets each one run into its
    timeout.
    """
    ports = list(ports)
    pairs = [(address, port) for address in addresses for port in ports]

    def attempt(pair: tuple[str, int]) -> float | None:
        started = time.monotonic()
        return time.monotonic() - started if connects(*pair, timeout) else None

    with ThreadPoolExecutor(max(1, len(pairs))) as pool:
        took = dict(zip(pairs, pool.map(attempt, pairs), strict=True))
    seconds = min((value for value in took.values() if value is not None), default=timeout)
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


def connects(address: str, port: int, timeout: float) -> bool:
    """Whether a TCP connection succeeds."""
    try:
        places = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(_connects(place, timeout) for place in places)


def _connects(place: tuple[Any, ...], timeout: float) -> bool:
    """Whether a connection to one of the addresses of a name succeeds."""
    family, kind, protocol, _, address = place
    try:
        attempt = socket.socket(family, kind, protocol)
    except OSError:
        return False
    with attempt:
        attempt.settimeout(timeout)
        try:
            attempt.connect(address)
        except TimeoutError:
            # It may have succeeded while this process was busy.
            return _is_connected(attempt)
        except OSError:
            return False
        return True


def _is_connected(attempt: socket.socket) -> bool:
    try:
        attempt.getpeername()
    except OSError:
        return False
    return True

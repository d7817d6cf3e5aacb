"""The address at which other hosts reach a host."""

from __future__ import annotations

import ipaddress
import socket
from functools import cache


class UnknownAddressError(Exception):
    """A host's name is not known to the operator's machine."""


@cache
def numeric(address: str) -> str:
    """An IP address as it is, and that of a name. Raises UnknownAddressError."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        pass
    try:
        return str(socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError:
        raise UnknownAddressError(address) from None

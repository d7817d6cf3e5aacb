"""Asks HAProxy whether it serves. Runs on the balancer, as HAProxy's user, for keepalived.

`python3 -IS haproxy_serves.py` ends with 0 if HAProxy's process answers on its own socket and takes
connections at every port for visitors; it asks no application. Standard library only.
"""

from __future__ import annotations

import socket
import sys

SOCKET = "/run/groundcrew-haproxy/admin.sock"
PATIENCE = 2.0
"""Seconds in which it must answer: a process that hangs does not serve."""

NAMES = ("http", "https")
TAKING = ("OPEN", "FULL")
"""States of a frontend that takes connections; at `maxconn`, they wait."""


def asked(path: str) -> str:
    """The state of all frontends. Raises OSError if nobody answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(path)
        connection.sendall(b"show stat -1 1 -1\n")
        parts = []
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts).decode("utf-8", "replace")


def serves(text: str) -> bool:
    """Whether there is a frontend for visitors, and each takes connections."""
    header, *rows = [line.split(",") for line in text.lstrip("# ").splitlines() if line]
    name, status = header.index("pxname"), header.index("status")
    states = [row[status] for row in rows if row[name] in NAMES]
    return bool(states) and all(state in TAKING for state in states)


def main() -> int:
    """The exit status."""
    try:
        return 0 if serves(asked(SOCKET)) else 1
    except (OSError, ValueError):
        return 1


if __name__ == "__main__":
    sys.exit(main())

"""Keeps the state of all hosts over a reload of HAProxy. Runs on the balancer, as HAProxy's user.

`python3 -IS state_file.py [--start]` writes the file of `server-state-file`. Hosts that the running
process knows keep their state, and stay out if they have been taken out. New ones that are checked
are down until they have answered: HAProxy would send requests at once. With `--start` nothing is
running, and the file is removed. Standard library only.
"""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

CONFIGURATION = Path("/etc/groundcrew/haproxy/haproxy.cfg")
FOLDER = Path("/run/groundcrew-haproxy")
STATE = FOLDER / "servers.state"
SOCKET = FOLDER / "admin.sock"
NAME, SERVER, ADDRESS, OPERATION, PORT = 1, 3, 4, 5, 18
"""Fields of a line, from 0."""


def wanted(configuration: str) -> Iterator[tuple[tuple[str, str, str, str], bool]]:
    """Backend, server, address and port of all servers of applications, and whether they are
    checked."""
    backend = ""
    for line in configuration.splitlines():
        words = line.split()
        if words[:1] == ["backend"]:
            backend = words[1]
        elif words[:1] == ["server"] and backend.startswith(("app-", "unchecked-")):
            address, _, port = words[2].rpartition(":")
            yield (backend, words[1], address.strip("[]"), port), "check" in words


def merged(configuration: str, running: str) -> str:
    """The content of the state file, from the new configuration and `show servers state`."""
    lines = [line for line in running.splitlines() if line and not line.startswith("#")]
    known = {}
    for line in lines[1:]:
        fields = line.split(" ")
        known[fields[NAME], fields[SERVER], fields[ADDRESS], fields[PORT]] = line
    header = next((line for line in running.splitlines() if line.startswith("# be_id")), "")
    kept = [known.get(item) or down(*item, len(header.split()) - 1)
            for item, checked in wanted(configuration) if checked or item in known]  # fmt: skip
    return "\n".join(["1", header, *kept, ""])


def down(backend: str, server: str, address: str, port: str, fields: int) -> str:
    """The line of a server that has not answered yet."""
    values = ["0"] * fields
    values[NAME], values[SERVER], values[ADDRESS], values[PORT] = backend, server, address, port
    # Its weights. A check that is on and has not begun: without a status it would have no results.
    values[7] = values[8] = "1"
    values[10], values[13] = "1", "6"
    for index in (17, 19, 22, 23):
        values[index] = "-"
    return " ".join(values)


def running(path: Path) -> str:
    """What the running process tells; empty if there is none."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(path))
            connection.sendall(b"show servers state\n")
            parts = []
            while part := connection.recv(1 << 16):
                parts.append(part)
    except OSError:
        return ""
    return b"".join(parts).decode()


def main(arguments: list[str]) -> int:
    """Writes the file."""
    told = "" if arguments else running(SOCKET)
    if not re.match(r"1\n# be_id be_name srv_id srv_name srv_addr srv_op_state", told):
        STATE.unlink(missing_ok=True)
        return 0
    new = STATE.with_suffix(".new")
    new.write_text(merged(CONFIGURATION.read_text(encoding="utf-8"), told), encoding="ascii")
    new.replace(STATE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

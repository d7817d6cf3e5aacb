"""What verify reads about the packet filter. Runs on the host."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundcrew.remote.commands import last_line, run
from groundcrew.remote.host_sections import LISTENER

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.sections import Failure
    from groundcrew.roles.firewall.report import Listener, PacketFilter

Data = dict[str, Any]


def packet_filter(_: Data) -> PacketFilter | Failure:
    """The address families whose input chain drops packets by default."""
    result = run("nft", "list", "chains")
    if result.returncode != 0:
        return {"error": last_line(result.stderr)}
    hooks = re.findall(r"table (\S+) [^}]*?hook input [^;]*; policy (\w+);", result.stdout)
    return {"families": sorted({family for family, policy in hooks if policy == "drop"})}


def listener(request: Data) -> Listener:
    """Opens a test port on all addresses for some seconds and connects to it. Returns its
    number."""
    ipv4 = socket.create_server(("0.0.0.0", 0))  # noqa: S104 - what the firewall must hide
    port = ipv4.getsockname()[1]
    servers = [ipv4]
    with contextlib.suppress(OSError):
        servers.append(socket.create_server(("::", port), family=socket.AF_INET6))
    if os.fork() == 0:
        stay(request["listener"])
    for server in servers:
        server.close()
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        return {"port": port}


def stay(seconds: float) -> None:
    """Keeps the sockets open for some seconds, detached from the session, and ends the process."""
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        Path("/proc/self/comm").write_text(LISTENER)
        time.sleep(seconds)
    finally:
        os._exit(0)

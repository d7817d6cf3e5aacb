"""Sections that verify reads on every host: the machine, listening sockets, sshd, services.

Each section is a function of that name and gets the request {"services": [unit]}.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from groundcrew.remote.commands import last_line, run
from groundcrew.remote.container import in_container
from groundcrew.remote.listeners import listeners

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.sections import Failure, ListeningSocket, Machine, UnitValues

Data = dict[str, Any]
LISTENER = "groundcrew-seen"
"""Name of a process that opens a port briefly, so that the packet filter can be checked."""
UNIT_PROPERTIES = "Id,ActiveState,SubState,NRestarts,MainPID,Result,ActiveEnterTimestampMonotonic"


def machine(_: Data) -> Machine:
    """Whether the host is a container, and its global IPv6 addresses."""
    text = run("ip", "-6", "-json", "address", "show", "scope", "global").stdout
    addresses = [
        address["local"]
        for link in json.loads(text or "[]")
        for address in link.get("addr_info", [])
        if "local" in address
    ]
    return {"container": in_container(), "ipv6": addresses}


def listening(_: Data) -> list[ListeningSocket]:
    """Listening TCP sockets: address, port, names of the processes."""
    sockets: list[ListeningSocket] = []
    for item in listeners():
        # Others could start a process with the same name.
        if item.processes and all(one == (LISTENER, 0) for one in item.processes):
            continue
        names = ", ".join(sorted({one.name for one in item.processes})) or "?"
        address = item.address.split("%")[0].strip("[]")
        sockets.append({"address": address, "port": item.port, "process": names})
    return sockets


def sshd(_: Data) -> dict[str, str] | Failure:
    """sshd's effective settings, by lowercase keyword."""
    result = run(sshd_program(), "-T")
    if result.returncode != 0:
        return {"error": last_line(result.stderr)}
    pairs = (line.split(" ", 1) for line in result.stdout.splitlines() if " " in line)
    settings: dict[str, list[str]] = {}
    for key, value in pairs:
        settings.setdefault(key, []).append(value)
    return {key: " ".join(values) for key, values in settings.items()}


def sshd_program() -> str:
    """The absolute path of Debian's sshd, which refuses to run otherwise."""
    return "/usr/sbin/sshd"


def unit_states(names: list[str]) -> dict[str, UnitValues]:
    """The current state of each unit."""
    if not names:
        return {}
    blocks = run("systemctl", "show", f"--property={UNIT_PROPERTIES}", *names).stdout
    states = {}
    for name, block in zip(names, blocks.strip().split("\n\n")):  # noqa: B905 - Python 3.9
        states[name] = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    return states


def services(request: Data) -> dict[str, UnitValues]:
    """The current state of the requested units."""
    return unit_states(request["services"])

"""What Docker Engine and Swarm bring to a host."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from groundcrew.bindings.address import numeric
from groundcrew.contract import Brings, HostView, Port, Reads, StatusLines, Unit
from groundcrew.entries import Directory, Entry, File
from groundcrew.manifest.unit import METADATA
from groundcrew.roles.swarm.checks import engine, status
from groundcrew.roles.swarm.settings import MANAGERS, WORKERS, SwarmSettings, members
from groundcrew.services import Service
from groundcrew.templates import render

ON_HOST = "groundcrew.roles.swarm.on_host"
CONFIGURATION = "/etc/docker/daemon.json"
UNIT = "docker.service"
DROP_IN = f"/etc/systemd/system/{UNIT}.d/groundcrew.conf"
EXPOSURE = 9.4
"""Docker Engine makes mounts, namespaces and packet filter rules that others must see: a sandbox
with mounts of its own would keep it from its work. What it runs is confined instead."""


def brings(settings: SwarmSettings, host: HostView) -> Brings:
    """Packages, configuration, ports and checks, on hosts of the swarm's groups."""
    place = host.place
    if not {MANAGERS, WORKERS} & place.groups:
        return Brings()
    manager = MANAGERS in place.groups
    others = tuple(sorted(numeric(item.address) for item in members(place)
                          if item.name != place.name))  # fmt: skip
    unit = (UNIT,)
    ports = [
        Port(7946, unit, others or None, "swarm-members"),
        Port(7946, unit, others or None, "swarm-members-udp", protocol="udp"),
        Port(settings.data_port, (), others or None, "swarm-data-udp", protocol="udp"),
    ]
    if manager:
        ports.append(Port(2377, unit, others or None, "swarm-managers"))
    ports += [
        Port(item.port, unit, (), f"swarm-{name}"[:32]) for name, item in settings.chosen.items()
    ]
    asked = {"manager": manager, "apps": sorted(settings.chosen)}
    reads = Reads(ON_HOST, ("swarm",), asked)
    tools = ("mmdebstrap",) if manager and settings.base == "packages" else ()
    return Brings(
        packages=(*settings.packages, "iptables", *tools),
        first_files=files(settings),
        services=[Service(UNIT, (CONFIGURATION, DROP_IN))],
        ports=ports,
        unreachable=METADATA,
        units=[Unit(UNIT, exposure=EXPOSURE)],
        reads=[reads],
        checks={"swarm": partial(engine, settings)},
        status=[StatusLines("swarm", reads, status)],
        # Docker Engine sets it when it starts, but a later `sysctl --system` would take it back.
        sysctl={"net.ipv4.ip_forward": "1"},
    )


def files(settings: SwarmSettings) -> list[Entry]:
    """The configuration. It is there before the package starts the engine."""
    text = json.dumps(configuration(settings), indent=2, sort_keys=True)
    return [
        Directory("/etc/docker"),
        File(CONFIGURATION, f"{text}\n"),
        Directory(f"/etc/systemd/system/{UNIT}.d"),
        File(DROP_IN, render("swarm/docker.conf.j2")),
    ]


def configuration(settings: SwarmSettings) -> dict[str, Any]:
    """The content of daemon.json."""
    driver = {"storage-driver": settings.storage_driver} if settings.storage_driver else {}
    return {
        # Compressed, rotated, and read by `docker service logs`.
        "log-driver": "local",
        "log-opts": {"max-size": settings.log_size, "max-file": "5"},
        "no-new-privileges": True,
        # Containers of the default network, which nothing here uses, do not reach each other.
        "icc": False,
        **driver,
        **settings.daemon,
    }

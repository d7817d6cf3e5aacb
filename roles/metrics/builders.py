"""Files of what monitoring reads on a host. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import yaml

from groundcrew.bindings import Place
from groundcrew.bindings.address import numeric
from groundcrew.entries import Directory, Entry, File
from groundcrew.metrics import Probe
from groundcrew.remote.maintenance_metric import FOLDER
from groundcrew.roles.metrics.settings import MetricsSettings, others
from groundcrew.templates import render

NODE = "prometheus-node-exporter.service"
PROBER = "prometheus-blackbox-exporter.service"
PROBE_PACKAGES = ("prometheus-blackbox-exporter",)
REBOOT_PENDING = "groundcrew-reboot-pending"
MODULES = "/etc/groundcrew/probes.yml"
NODE_MEMORY = 28
"""Largest amount of memory of the node exporter, in MiB."""
PROBER_MEMORY = 14
"""The same of the blackbox exporter."""
COLLECTORS = (
    "conntrack", "cpu", "diskstats", "filefd", "filesystem", "loadavg", "meminfo", "netdev",
    "netstat", "pressure", "processes", "sockstat", "stat", "systemd", "textfile", "time", "timex",
    "uname", "vmstat",
)  # fmt: skip
"""What the node exporter measures."""


def reboot_pending() -> list[Entry]:
    """Units that tell whether an update waits for a restart of the host: the node exporter sees
    units, and no files."""
    return [
        File(
            f"/etc/systemd/system/{REBOOT_PENDING}.{kind}",
            render(f"metrics/reboot-pending.{kind}.j2"),
        )
        for kind in ("path", "service")
    ]


def drop_in(unit: str) -> str:
    """File that changes a packaged unit."""
    return f"/etc/systemd/system/{unit}.d/groundcrew.conf"


def addresses(place: Place) -> list[str]:
    """Addresses that the exporters listen at: loopback for the host itself, its private address for
    others. A public address may be another one on the host; there, the packet filter alone decides.
    """
    listen = []
    if "monitoring" in place.groups:
        listen.append("127.0.0.1")
    if others(place):
        own = next(numeric(item.address) for item in place.hosts if item.name == place.name)
        if ipaddress.ip_address(own).is_global:
            return [""]
        listen.append(f"[{own}]" if ":" in own else own)
    return listen


def module(probe: Probe) -> str:
    """Name of the kind of request that a probe needs."""
    secure = "tls" if probe.url.startswith("https:") else "plain"
    return f"{secure}_{probe.scheme}_{probe.status}"


def modules(probes: Sequence[Probe]) -> str:
    """The kinds of requests, for the blackbox exporter."""
    return yaml.safe_dump({"modules": {module(probe): _module(probe) for probe in probes}})


def _module(probe: Probe) -> dict[str, object]:
    return {
        "prober": "http",
        "timeout": "10s",
        "http": {
            "valid_status_codes": [probe.status],
            "follow_redirects": False,
            "preferred_ip_protocol": "ip4",
            "headers": {
                "User-Agent": "groundcrew-monitoring",
                "X-Forwarded-Proto": probe.scheme,
            },
            # It asks on loopback, whatever the certificate says; verify checks whether it is
            # trusted.
            "tls_config": {"insecure_skip_verify": True},
        },
    }


def entries(
    settings: MetricsSettings, probes: Sequence[Probe], listen: Sequence[str], peers: Sequence[str]
) -> list[Entry]:
    """What the exporters are started with. It is there before the packages are, which would start
    them at all addresses."""
    node = render(
        "metrics/node.conf.j2",
        listen=[f"{address}:{settings.port}" for address in listen],
        collectors=COLLECTORS,
        folder=FOLDER,
        memory=NODE_MEMORY,
        peers=peers,
    )
    always: list[Entry] = [
        Directory("/var/lib/groundcrew"),
        Directory(FOLDER),
        *_dropped_in(NODE, node),
    ]
    if not probes:
        return always
    prober = render(
        "metrics/prober.conf.j2",
        listen=[f"{address}:{settings.probe_port}" for address in listen],
        modules=MODULES,
        memory=PROBER_MEMORY,
        peers=peers,
    )
    return [
        *always,
        Directory("/etc/groundcrew"),
        File(MODULES, modules(probes)),
        *_dropped_in(PROBER, prober),
    ]


def _dropped_in(unit: str, text: str) -> list[Entry]:
    return [Directory(f"/etc/systemd/system/{unit}.d"), File(drop_in(unit), text)]

"""The network of the lab's containers, IPv4 and IPv6, in which they reach each other by name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from groundcrew.lab.checkout import LABEL, NETWORK, OURS, OWNER
from groundcrew.lab.engine import docker
from groundcrew.lab.process import LabError, say


def ipv6_subnet(checkout: str) -> str:
    """Return the unique local /64 (RFC 4193) of this checkout (pure)."""
    digest = hashlib.sha256(checkout.encode()).hexdigest()
    return f"fd{digest[:2]}:{digest[2:6]}:{digest[6:10]}:1::/64"


def default_interface(routes: str) -> str | None:
    """Return the interface of the IPv4 default route, read from `/proc/net/route` (pure)."""
    for line in routes.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[1] == "00000000" and fields[7] == "00000000":
            return fields[0]
    return None


def _mtu() -> str | None:
    """Return the MTU of the default route: larger packets could be lost in tunnels."""
    try:
        interface = default_interface(Path("/proc/net/route").read_text())
        return Path(f"/sys/class/net/{interface}/mtu").read_text().strip() if interface else None
    except OSError:
        return None


def ensure() -> None:
    """Create the network unless it exists; without IPv6 if the engine does not support it."""
    if docker("network", "inspect", NETWORK, check=False).returncode == 0:
        return
    create = ["network", "create", "--label", f"{LABEL}=1", "--label", OURS]
    if mtu := _mtu():
        create += ["--opt", f"com.docker.network.driver.mtu={mtu}"]
    try:
        docker(*create, "--ipv6", "--subnet", ipv6_subnet(OWNER), NETWORK)
    except LabError as error:
        docker(*create, NETWORK)
        say(f"the lab network has no IPv6: {error}")


def remove() -> None:
    """Remove the network if it exists."""
    docker("network", "rm", NETWORK, check=False)

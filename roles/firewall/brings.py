"""What the packet filter brings to a host besides its operations."""

from __future__ import annotations

from groundcrew.contract import Brings, HostView, Port, Reads, Unit
from groundcrew.facts import nftables
from groundcrew.roles.firewall import checks
from groundcrew.roles.firewall.settings import FirewallSettings, allowed_ports

PACKAGES = ("nftables", "iproute2")
TABLE = "groundcrew"
ON_HOST = "groundcrew.roles.firewall.on_host"
CONNECT_ROUNDS = 4
"""Connection attempts, each of `verify.connect_timeout`, for which the test port stays open."""


def brings(settings: FirewallSettings, host: HostView) -> Brings:
    """The check that undeclared ports cannot be reached."""
    # Ports that the filter opens count as declared, even while the filter is off.
    ports = [Port(number) for number in sorted(allowed_ports(settings))]
    if not settings.enabled:
        return Brings(packages=PACKAGES, ports=ports, checks={"firewall": checks.off})
    request = {"listener": CONNECT_ROUNDS * host.connect_timeout}
    return Brings(
        packages=PACKAGES,
        ports=ports,
        units=[Unit(nftables.unit(TABLE))],
        reads=[Reads(ON_HOST, ("packet_filter",), request, last=("listener",))],
        checks={"firewall": checks.check},
    )

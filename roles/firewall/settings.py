"""Settings of the packet filter."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from groundcrew.model import Settings


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text, strict=False))


Network = Annotated[str, AfterValidator(_network)]
ServiceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$")]
PORTS = re.compile(r"^(\d{1,5})(?:-(\d{1,5}))?$")


class RuleSettings(Settings):
    """One service that is open."""

    ports: tuple[int | str, ...] = Field(min_length=1)
    """Ports, or ranges as "8000-8010"."""

    protocol: Literal["tcp", "udp"] = "tcp"
    """Transport protocol."""

    sources: tuple[Network, ...] = Field((), alias="from")
    """Networks, IPv4 or IPv6, that may connect; empty = everyone."""

    @field_validator("ports")
    @classmethod
    def _ports_exist(cls, ports: tuple[int | str, ...]) -> tuple[int | str, ...]:
        for port in ports:
            match = PORTS.match(str(port))
            if not match:
                raise ValueError(f"not a port or range of ports: {port}")
            first, last = int(match[1]), int(match[2] or match[1])
            if not 1 <= first <= last <= 65535:
                raise ValueError(f"ports are 1 to 65535, the lower one first: {port}")
        return ports


class FirewallSettings(Settings):
    """The packet filter: IPv4 and IPv6, nothing comes in that is not listed.

    SSH is always open, on the ports that sshd listens on and that of the operator's session.
    """

    enabled: bool = True
    """False removes the filter (its table only) from the host."""

    allow: dict[ServiceName, RuleSettings | None] = Field(default_factory=dict)
    """Services by name, merged over the layers; null closes one that a group opens."""

    ssh_from: tuple[Network, ...] = ()
    """Networks that may connect by SSH; empty = everyone. Refused when the address of the
    operator's own session is not among them."""

    ssh_rate: int | None = Field(10, ge=1)
    """New SSH connections per second that one address may make; more are dropped, and succeed when
    the client tries again a second later. null: any number."""

    ping: bool = True
    """Whether echo requests are answered, at a limited rate."""

    log_drops: bool = False
    """Log what is dropped to the kernel log, five lines a minute, prefix "groundcrew drop: "."""

    forward: Literal["accept", "drop"] | None = None
    """Policy for forwarded packets. null leaves forwarding to others: container engines manage
    their own rules, which a drop here would override."""

    output: Literal["accept", "drop"] = "accept"
    """Policy for what the host sends; with drop, answers, loopback, ICMP, DNS, NTP, DHCP, HTTP and
    HTTPS remain."""


def allowed_ports(settings: FirewallSettings) -> set[int]:
    """TCP ports that the packet filter opens."""
    ports: set[int] = set()
    for rule in settings.allow.values():
        if rule is None or rule.protocol != "tcp":
            continue
        for text in rule.ports:
            match = PORTS.match(str(text))
            if match:
                ports.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return ports

"""Settings of the packet filter."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, StringConstraints, field_validator

from groundcrew.contract import Brings, HostView, IpProtocol, RoleSettings
from groundcrew.model import Settings


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text, strict=False))


Network = Annotated[str, AfterValidator(_network)]
ServiceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$")]
PORTS = re.compile(r"^(\d{1,5})(?:-(\d{1,5}))?$")


class RuleSettings(Settings):
    """One open service."""

    ports: tuple[int | str, ...] = Field(min_length=1)
    """Ports, or ranges such as "8000-8010"."""

    protocol: Literal["tcp", "udp"] = "tcp"
    """Transport protocol."""

    sources: tuple[Network, ...] = Field((), alias="from")
    """Networks, IPv4 or IPv6, that may connect; empty = all."""

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


class FirewallSettings(RoleSettings):
    """The packet filter: IPv4 and IPv6, nothing comes in that is not listed.

    SSH is always open, on the ports that sshd listens on and that of the operator's session.
    """

    enabled: bool = True
    """Whether the host has the packet filter. With false, groundcrew's table is removed; other
    tables of nftables stay."""

    allow: dict[ServiceName, RuleSettings | None] = Field(default_factory=dict)
    """Open services by name, merged over the layers; null closes one that another layer opens."""

    ssh_from: tuple[Network, ...] = ()
    """Networks that may connect by SSH; empty = all. Refused if the address of the operator's own
    session is not among them."""

    ssh_rate: int | None = Field(10, ge=1)
    """New SSH connections per second that one address may make; null: any number. Further ones are
    dropped; clients that try again a second later succeed."""

    ping: bool = True
    """Whether the host answers echo requests, at a limited rate."""

    log_drops: bool = False
    """Whether dropped packets are written to the kernel log, five lines a minute, with the prefix
    `groundcrew drop:`."""

    forward: Literal["accept", "drop"] | None = None
    """Policy for forwarded packets. null: groundcrew has no policy for them, as container engines
    have rules of their own, which `drop` would override."""

    output: Literal["accept", "drop"] = "accept"
    """Policy for packets that the host sends. `drop` still lets through answers, loopback, ICMP,
    DNS, NTP, DHCP, HTTP and HTTPS."""

    _protocols: tuple[IpProtocol, ...] = PrivateAttr(default=())
    _reserved: dict[int, tuple[str, ...]] = PrivateAttr(default_factory=dict)
    _unreachable: tuple[str, ...] = PrivateAttr(default=())

    @property
    def reserved(self) -> Mapping[int, tuple[str, ...]]:
        """Port on loopback -> users of the host that may connect."""
        return self._reserved

    def with_reserved(self, reserved: Mapping[int, tuple[str, ...]]) -> Self:
        """These settings, with ports that only some users of the host may connect to."""
        copy = self.model_copy()
        copy._reserved = dict(reserved)
        return copy

    @property
    def protocols(self) -> Sequence[IpProtocol]:
        """IP protocols besides TCP and UDP that some hosts may send."""
        return self._protocols

    def with_protocols(self, protocols: Sequence[IpProtocol]) -> Self:
        """These settings, with IP protocols that some hosts may send."""
        copy = self.model_copy()
        copy._protocols = tuple(protocols)
        return copy

    @property
    def unreachable(self) -> Sequence[str]:
        """Networks that the host's containers do not reach."""
        return self._unreachable

    def with_unreachable(self, networks: Sequence[str]) -> Self:
        """These settings, with networks that the host's containers do not reach."""
        copy = self.model_copy()
        copy._unreachable = tuple(networks)
        return copy

    def brings(self, host: HostView) -> Brings:
        """See `roles/firewall/brings.py`."""
        from groundcrew.roles.firewall.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)


def allowed_ports(settings: FirewallSettings) -> set[int]:
    """TCP ports that `firewall.allow` opens."""
    ports: set[int] = set()
    for rule in settings.allow.values():
        if rule is None or rule.protocol != "tcp":
            continue
        for text in rule.ports:
            match = PORTS.match(str(text))
            if match:
                ports.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return ports

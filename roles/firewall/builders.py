"""Packet filter rules. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from groundcrew.contract import IpProtocol
from groundcrew.roles.firewall.settings import FirewallSettings, RuleSettings
from groundcrew.templates import render

FAMILIES = (("ip", 4), ("ip6", 6))


class LockoutError(Exception):
    """The rules would lock out the operator; the message says how."""


@dataclass(frozen=True)
class Session:
    """The operator's own SSH session, as the host sees it (SSH_CONNECTION)."""

    client: str
    port: int


def parse_session(connection: str) -> Session | None:
    """Parses `client-address client-port server-address server-port`; None if it is something
    else."""
    fields = connection.split()
    if len(fields) != 4:
        return None
    return Session(client=fields[0].split("%")[0], port=int(fields[3]))


def ruleset(
    settings: FirewallSettings,
    ssh_ports: Sequence[int],
    session: Session | None,
    user_ids: Mapping[str, int] | None = None,
) -> str:
    """The rules file of the whole table. `user_ids` has the users that ports are reserved for.
    Raises LockoutError if it would lock out the operator."""
    ids = {"root": 0, **(user_ids or {})}
    ports = set(ssh_ports)
    if session:
        ports.add(session.port)
        check_session(settings, session)
    if not ports:
        raise LockoutError("found no port on which the host takes SSH connections")
    rules = open_ports("ssh", "tcp", sorted(ports), settings.ssh_from)
    for name, rule in sorted(settings.allow.items()):
        if rule is not None:
            rules += service(name, rule)
    for item in settings.protocols:
        rules += between(item)
    return render(
        "firewall/groundcrew.nft.j2",
        rules=rules,
        ping=settings.ping,
        log_drops=settings.log_drops,
        ssh_ports=sorted(ports),
        ssh_rate=settings.ssh_rate,
        forward=settings.forward,
        unreachable=by_family(settings.unreachable),
        output=settings.output,
        protocols=sorted({item.number for item in settings.protocols}),
        reserved={
            port: sorted(ids[user] for user in users if user in ids)
            for port, users in settings.reserved.items()
        },
    )


def check_session(settings: FirewallSettings, session: Session) -> None:
    """Raises LockoutError if `ssh_from` does not include the operator's address."""
    address = ipaddress.ip_address(session.client)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    networks = [ipaddress.ip_network(network) for network in settings.ssh_from]
    if networks and not any(address in network for network in networks):
        raise LockoutError(
            f"firewall.ssh_from does not include {address}, the address of this session"
        )


def service(name: str, rule: RuleSettings) -> list[str]:
    """The rules that open one service."""
    return open_ports(name, rule.protocol, rule.ports, rule.sources)


def by_family(networks: Sequence[str]) -> dict[str, list[str]]:
    """The networks of each address family that has any."""
    told = {
        family: [text for text in networks if ipaddress.ip_network(text).version == version]
        for family, version in FAMILIES
    }
    return {family: members for family, members in told.items() if members}


def between(protocol: IpProtocol) -> list[str]:
    """The rules that accept a protocol from some hosts, one per address family."""
    rules = []
    for family, version in FAMILIES:
        peers = [text for text in protocol.peers if ipaddress.ip_address(text).version == version]
        if peers:
            sources = ", ".join(peers)
            rules.append(
                f"{family} saddr {{ {sources} }} meta l4proto {protocol.number} accept "
                f'comment "{protocol.rule}"'
            )
    return rules


def open_ports(
    name: str, protocol: str, ports: Iterable[int | str], sources: Sequence[str]
) -> list[str]:
    """One rule if everyone may connect, else one per address family of the sources."""
    opened = f'{protocol} dport {{ {", ".join(map(str, ports))} }} accept comment "{name}"'
    if not sources:
        return [opened]
    rules = []
    for family, version in FAMILIES:
        networks = [text for text in sources if ipaddress.ip_network(text).version == version]
        if networks:
            rules.append(f"{family} saddr {{ {', '.join(networks)} }} {opened}")
    return rules

"""Which servers of the inventory are replicas, and of which primaries."""

from __future__ import annotations

from collections.abc import Mapping

from groundcrew.bindings import Replication
from groundcrew.bindings.address import UnknownAddressError, numeric
from groundcrew.settings.checks import Report
from groundcrew.settings.errors import Problem, nearest
from groundcrew.settings.host import HostBase


def primaries(settings: HostBase) -> dict[tuple[str, str], str]:
    """By role and part, the host of which this host has a replica."""
    return {
        (role, part): primary
        for role in settings.providers() & settings.place.groups
        for part, primary in settings.provider(role).primaries.items()
    }


def replications(
    hosts: Mapping[str, HostBase], addresses: Mapping[str, str], problem: Mapping[str, Report]
) -> tuple[list[Replication], list[Problem]]:
    """All replicas of the inventory, sorted, and what is wrong with them."""
    replicas: list[Replication] = []
    problems: list[Problem] = []
    for name, settings in sorted(hosts.items()):
        for (role, part), primary in sorted(primaries(settings).items()):
            own = settings.provider(role)
            try:
                _check(name, (role, part), primary, hosts)
                ends = [_address(item, addresses) for item in (primary, name)]
            except ValueError as error:
                problems.append(problem[name]((role, *own.primary_key(part)), str(error)))
                continue
            followed = hosts[primary].provider(role)
            problems += [
                problem[name]((role, *key), reason) for key, reason in own.unfit(part, followed)
            ]
            port = followed.replication_port(part)
            replicas.append(Replication(role, primary, ends[0], name, ends[1], port, part))
    return replicas, problems


def _check(
    name: str, service: tuple[str, str], primary: str, hosts: Mapping[str, HostBase]
) -> None:
    """Raises ValueError unless a host can have a replica of the primary. `service` is role and
    part."""
    role, part = service
    if primary == name:
        raise ValueError("a host cannot have a replica of itself")
    if primary not in hosts:
        raise ValueError(f'no host "{primary}"{nearest(primary, set(hosts) - {name})}')
    if role not in hosts[primary].place.groups:
        raise ValueError(f"{primary} is not in the inventory's group {role}")
    offered = hosts[primary].provider(role).parts()
    if part not in offered:
        known_parts = ", ".join(f"{role}.{item}" for item in offered)
        raise ValueError(f"{primary} has no {role}.{part} (known: {known_parts or 'none'})")
    above = primaries(hosts[primary]).get(service)
    if above is not None:
        raise ValueError(f"{primary} is a replica itself, of {above}: name that one")


def _address(name: str, addresses: Mapping[str, str]) -> str:
    try:
        return numeric(addresses[name])
    except UnknownAddressError:
        raise ValueError(
            f'{name} would be reached at "{addresses[name]}", which this machine cannot resolve: '
            f"set `address` of {name} in the inventory"
        ) from None

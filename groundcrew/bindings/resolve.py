"""Finds the host that provides each need of each application in the inventory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from groundcrew.bindings.address import UnknownAddressError, numeric
from groundcrew.bindings.binding import Binding, Client
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.need import Need
from groundcrew.settings.errors import nearest


@dataclass(frozen=True)
class Member:
    """A host of the inventory, as far as bindings need to know it."""

    name: str
    groups: frozenset[str]
    address: str
    """Address or name at which other hosts reach it."""

    apps: Mapping[str, AppSettings]
    parts: Mapping[str, tuple[str, ...]]
    """What it would provide by role, if it is in the role's group."""

    primaries: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """By role and part, the host of which this one has a replica: it provides none itself."""


@dataclass(frozen=True)
class Refusal:
    """A need that cannot be met: on which hosts, and why."""

    app: str
    need: str
    key: str
    message: str
    hosts: tuple[str, ...]


@dataclass
class Bindings:
    """All bindings of an inventory, and the needs that cannot be met."""

    bindings: list[Binding]
    refusals: list[Refusal]


def resolve(members: Iterable[Member], roles: frozenset[str]) -> Bindings:
    """The bindings of all hosts; `roles` are those that applications can need."""
    known = {member.name: member for member in members}
    result = Bindings([], [])
    for item in _wanted(known.values()):
        try:
            result.bindings += _bind(item, known, roles)
        except ValueError as error:
            key, message = error.args
            hosts = tuple(member.name for member in item.runs)
            result.refusals.append(Refusal(item.app, item.need, key, message, hosts))
    result.refusals += _same_names(result.bindings)
    return result


@dataclass(frozen=True)
class _Wanted:
    """A need that a host of the inventory must provide, and the hosts that have it."""

    app: str
    need: str
    settings: Need
    runs: list[Member]


def _wanted(members: Iterable[Member]) -> list[_Wanted]:
    wanted: dict[tuple[str, str, str], _Wanted] = {}
    for member in members:
        for app, item in member.apps.items():
            for need, settings in item.needs.items():
                if settings.service is not None:
                    # Hosts may differ in what provides it.
                    key = (app, need, settings.service)
                    first = wanted.setdefault(key, _Wanted(app, need, settings, []))
                    first.runs.append(member)
    return [item for _, item in sorted(wanted.items())]


def _bind(wanted: _Wanted, known: Mapping[str, Member], roles: frozenset[str]) -> Iterator[Binding]:
    """The bindings of a need, one for each host that provides it. Raises ValueError with key and
    reason."""
    role, app, need = wanted.settings.role, wanted.app, wanted.need
    if role not in roles:
        raise ValueError("service", f'no role provides "{role}"{nearest(role, roles)}')
    by_provider: dict[str, list[Member]] = {}
    for member in wanted.runs:
        own = member.apps[app].needs[need]
        by_provider.setdefault(_provider(own, member, known).name, []).append(member)
    for name, clients in by_provider.items():
        provider, settings = known[name], clients[0].apps[app].needs[need]
        offered = provider.parts[role]
        if settings.part not in offered:
            provided = ", ".join(f"{role}.{part}" if part else role for part in offered)
            raise ValueError("service", f"{name} provides {provided or 'nothing of that'}")
        away = any(client is not provider for client in clients)
        yield Binding(
            app=app,
            need=need,
            settings=settings,
            provider=name,
            address=_address(provider) if away else "127.0.0.1",
            clients=tuple(
                Client(client.name, None if client is provider else _address(client))
                for client in sorted(clients, key=lambda item: item.name)
            ),
        )


def _provider(need: Need, member: Member, known: Mapping[str, Member]) -> Member:
    """The host that provides a need. Raises ValueError with key and reason."""
    role, service = need.role, (need.role, need.part)
    able = [
        item for item in known.values() if role in item.groups and service not in item.primaries
    ]
    if need.host is not None:
        if need.host not in known:
            raise ValueError("host", f'no host "{need.host}"{nearest(need.host, known)}')
        if role not in known[need.host].groups:
            raise ValueError("host", f"{need.host} is not in the inventory's group {role}")
        primary = known[need.host].primaries.get(service)
        if primary is not None:
            raise ValueError("host", f"{need.host} is a replica of {primary}, which provides it")
        return known[need.host]
    if member in able:
        return member
    if not able:
        raise ValueError(
            "service",
            f"no host provides {role}: name one in the inventory, for example "
            f'{role} = ["{member.name}"]',
        )
    if len(able) > 1:
        names = ", ".join(sorted(item.name for item in able))
        raise ValueError("host", f"is required: {names} provide {role}")
    return able[0]


def _same_names(bindings: Iterable[Binding]) -> Iterator[Refusal]:
    """Bindings whose logins would be called alike, such as of `a-b` and `c`, and of `a` and
    `b-c`."""
    owners: dict[tuple[str, str, str], Binding] = {}
    for binding in bindings:
        key = (binding.provider, binding.role, binding.account)
        first = owners.setdefault(key, binding)
        if first is not binding:
            yield Refusal(
                binding.app,
                binding.need,
                "service",
                f"its login would be called like that of {first.app}'s {first.need}: rename one of "
                "the needs",
                tuple(client.host for client in binding.clients),
            )


def _address(member: Member) -> str:
    try:
        return numeric(member.address)
    except UnknownAddressError:
        raise ValueError(
            "service",
            f'{member.name} would be reached at "{member.address}", which this machine cannot '
            f"resolve: set `address` of {member.name} in the inventory",
        ) from None

"""Puts the balancers of the inventory in front of the applications of all hosts. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from groundcrew.balancing import Balanced, Entrance, Server
from groundcrew.bindings.address import UnknownAddressError, numeric
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.rules import rules_for
from groundcrew.manifest.tls import HSTS
from groundcrew.metrics import Neighbour, in_group
from groundcrew.settings import group_names
from groundcrew.settings.addresses import addresses
from groundcrew.settings.errors import Problem, nearest

if TYPE_CHECKING:
    from groundcrew.roles.settings import HostSettings

Hosts = Mapping[str, "HostSettings"]
Contradiction = tuple[tuple[str, ...], str]
SAME = ("domains", "redirects", "prefix", "tls", "health")
"""Keys of a manifest that a balancer reads, and that all hosts must agree on."""


SAME_OF_BALANCERS = (
    "apps", "port", "tls_port", "address", "more_addresses", "router_id", "heartbeat",
)  # fmt: skip
"""Keys of `haproxy` that all balancers must agree on."""


def arranged(name: str, hosts: Hosts) -> tuple[HostSettings, list[Contradiction]]:
    """The settings of a host, as a balancer or behind the balancers; and what contradicts them."""
    settings = hosts[name]
    place = settings.place
    balancers = [item.name for item in in_group(place.hosts, "lb")]
    if not balancers:
        return settings, []
    if name in balancers:
        problems = list(_of_balancer(name, hosts, balancers))
        balanced = () if problems else tuple(_balanced(name, hosts))
        return settings.placed(replace(place, balanced=balanced)), problems
    chosen = {app for item in balancers for app in selected(hosts[item], hosts)}
    mine = {app: item for app, item in settings.app.items() if app in chosen}
    if not mine:
        return settings, []
    unknown = _unknown(settings, balancers)
    problems = [unknown] if unknown else list(_of_host(settings, mine))
    return settings if problems else _behind(settings, mine, hosts, balancers), problems


def selected(balancer: HostSettings, hosts: Hosts) -> list[str]:
    """Names of the applications that a balancer balances."""
    known = sorted({app for item in hosts.values() for app in item.app})
    wanted = balancer.haproxy.apps
    return known if wanted is None else [app for app in known if app in wanted]


def _running(app: str, hosts: Hosts) -> list[str]:
    """The hosts that serve an application, in the order of the inventory: not those that are only
    there for its workers."""
    every = [name for name, item in hosts.items() if app in item.app]
    return [name for name in every if _serves(hosts[name])] or every


def _serves(settings: HostSettings) -> bool:
    groups = settings.place.groups
    return group_names.WEB in groups or group_names.WORKER not in groups


def _address(settings: HostSettings, name: str) -> str:
    return numeric(next(item.address for item in settings.place.hosts if item.name == name))


def _unknown(settings: HostSettings, names: Iterable[str]) -> Contradiction | None:
    """The first host whose address this machine cannot resolve."""
    for name in names:
        try:
            _address(settings, name)
        except UnknownAddressError as error:
            return ("haproxy",), (
                f'{name} would be reached at "{error}", which this machine cannot resolve: set '
                f"`address` of {name} in the inventory"
            )
    return None


def _seen(app: AppSettings, balancer: HostSettings) -> AppSettings:
    """An application as visitors see it: with the balancer's ports."""
    tls = app.tls and app.tls.model_copy(update={"port": balancer.haproxy.tls_port})
    copy = app.model_copy(update={"port": balancer.haproxy.port, "tls": tls})
    return copy.with_bound(app.bound)


def _balanced(name: str, hosts: Hosts) -> Iterator[Balanced]:
    balancer = hosts[name]
    for app in selected(balancer, hosts):
        running = _running(app, hosts)
        servers = tuple(
            Server(
                item,
                _address(balancer, item),
                hosts[item].app[app].port,
                idle=app in hosts[item].idle_apps,
            )
            for item in running
        )
        yield Balanced(app, _seen(hosts[running[0]].app[app], balancer), servers)


def _behind(
    settings: HostSettings, mine: Mapping[str, AppSettings], hosts: Hosts, balancers: list[str]
) -> HostSettings:
    """The settings of a host whose applications get their requests from balancers alone."""
    entrance = _entrance(settings, hosts[balancers[0]].haproxy.address, balancers[0])
    place = replace(
        settings.place,
        behind={app: _seen(item, hosts[balancers[0]]) for app, item in mine.items()},
        entrance=entrance,
    )
    addresses = [_address(settings, item) for item in balancers]
    trusted = tuple(dict.fromkeys((*settings.nginx.trusted_proxies, *addresses)))
    update = {
        "app": {**settings.app, **{app: _plain(item) for app, item in mine.items()}},
        "nginx": settings.nginx.model_copy(update={"trusted_proxies": trusted}),
    }
    return settings.model_copy(update=update).placed(place)


def _entrance(settings: HostSettings, shared: object, first: str) -> Entrance:
    """Where visitors reach the balancers: their shared address, or the first of them."""
    return Entrance(first, str(shared) if shared else _address(settings, first))


def _plain(app: AppSettings) -> AppSettings:
    """An application whose HTTPS ends at the balancer. The headers that belong to it stay."""
    if not app.tls:
        return app
    hsts = {} if app.tls.hsts is None else {HSTS: app.tls.hsts.value}
    said = {name.lower() for name in app.nginx.headers}
    headers = {**app.nginx.headers, **{key: hsts[key] for key in hsts if key.lower() not in said}}
    nginx = app.nginx.model_copy(update={"headers": headers, "forwarded_proto": "https"})
    return app.model_copy(update={"tls": None, "nginx": nginx}).with_bound(app.bound)


def _of_balancer(name: str, hosts: Hosts, balancers: list[str]) -> Iterator[Contradiction]:
    """What a balancer cannot do."""
    settings = hosts[name]
    known = sorted({app for item in hosts.values() for app in item.app})
    for app in settings.haproxy.apps or ():
        if app not in known:
            yield ("haproxy", "apps"), f'no host runs "{app}"{nearest(app, known)}'
    if settings.app:
        yield (
            ("apps",),
            "a host of the group lb runs no applications, as both nginx and the balancer would "
            f"need port {settings.haproxy.port}: take {name} out of one of the groups web and lb",
        )
    elif not known:
        yield (
            ("haproxy",),
            f"no host runs an application that {name} could balance: put hosts with `apps` into "
            "the group web, or take it out of the group lb",
        )
    first = hosts[balancers[0]].haproxy
    for key in SAME_OF_BALANCERS:
        if getattr(settings.haproxy, key) != getattr(first, key):
            yield ("haproxy", key), f"all balancers need the same, and {balancers[0]} has another"
    chosen = {app: _seen(hosts[_running(app, hosts)[0]].app[app], settings)
              for app in selected(settings, hosts)}  # fmt: skip
    yield from _clashes(chosen, hosts)
    unknown = _unknown(settings, [host for app in chosen for host in _running(app, hosts)])
    if unknown:
        yield unknown
        return
    if not settings.haproxy.public:
        yield from _public(settings, dict.fromkeys(
            host for app in chosen for host in _running(app, hosts)))  # fmt: skip
    if settings.haproxy.address:
        yield from _of_address(settings, balancers)


def _public(settings: HostSettings, names: Iterable[str]) -> Iterator[Contradiction]:
    """The first host that requests would reach over a public network."""
    for name in names:
        address = _address(settings, name)
        if ipaddress.ip_address(address).is_global:
            yield (
                ("haproxy", "public"),
                f"{settings.place.name} would send requests to {name} at {address}, unencrypted: "
                "set `address` to that of a private network, or haproxy.public: true",
            )
            return


def _of_address(settings: HostSettings, balancers: list[str]) -> Iterator[Contradiction]:
    """Why the balancers cannot share their address."""
    address = settings.haproxy.address
    assert address
    unknown = _unknown(settings, balancers)
    if unknown:
        yield unknown
        return
    hosts = {numeric(item.address): item.name for item in _reachable(settings)}
    for item in (address, *settings.haproxy.more_addresses):
        if str(item) in hosts:
            yield (
                ("haproxy", "address"),
                f"{item} is the address of {hosts[str(item)]} itself: choose a free one",
            )
    for name in balancers:
        own = _address(settings, name)
        if (":" in own) != (address.version == 6):
            yield (
                ("haproxy", "address"),
                f"{address} and {own}, the address of {name}, must both be IPv4 or IPv6: name one "
                "of the other kind in haproxy.more_addresses",
            )


def _reachable(settings: HostSettings) -> Iterator[Neighbour]:
    """The hosts whose addresses this machine can resolve."""
    for item in settings.place.hosts:
        if _unknown(settings, [item.name]) is None:
            yield item


def _clashes(chosen: Mapping[str, AppSettings], hosts: Hosts) -> Iterator[Contradiction]:
    """Names and ports that two applications claim, and applications that differ between hosts."""

    def problem(path: tuple[str, ...], message: str) -> Problem:
        return Problem(".".join(path), "", message)

    for item in addresses(chosen, problem):
        yield ("haproxy", "apps"), f"{item.key}: {item.message}, behind one balancer"
    for app in chosen:
        first, *others = _running(app, hosts)
        for other in others:
            mine, theirs = hosts[first].app[app], hosts[other].app[app]
            for key in SAME:
                if getattr(mine, key) != getattr(theirs, key):
                    yield (
                        ("haproxy", "apps"),
                        f"app.{app}.{key} differs between {first} and {other}: hosts behind one "
                        "balancer need the same",
                    )


def _of_host(settings: HostSettings, mine: Mapping[str, AppSettings]) -> Iterator[Contradiction]:
    """Settings of a host that are for balancers which the inventory does not have."""
    if settings.nginx.proxy_protocol:
        yield (
            ("nginx", "proxy_protocol"),
            "the balancers of the group lb send X-Forwarded-For instead: leave it out",
        )
    for app, item in mine.items():
        if item.nginx.forwarded_proto:
            yield (
                ("app", app, "nginx", "forwarded_proto"),
                "the balancers of the group lb tell the scheme, and end HTTPS if `tls` is set: "
                "leave it out",
            )
        rules = rules_for(item.health.path, item.nginx.locations).values
        if rules.allow is not None or rules.basic_auth is not None or rules.auth_request:
            yield (
                ("app", app, "health", "path"),
                f"nginx answers {item.health.path} only to some (nginx.locations), and the "
                "balancers must be able to ask for it: choose another path",
            )

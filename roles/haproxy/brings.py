"""What the balancer brings to a host besides its operations."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from groundcrew.bindings import Place
from groundcrew.bindings.address import numeric
from groundcrew.contract import (
    Brings,
    HostView,
    IpProtocol,
    Port,
    Reads,
    Renewal,
    StatusLines,
    Unit,
)
from groundcrew.memory import Share, in_bytes
from groundcrew.metrics import Metrics
from groundcrew.roles.haproxy import address_checks, builders, shared
from groundcrew.roles.haproxy.checks import balancer, status_of
from groundcrew.roles.haproxy.rules import rules
from groundcrew.roles.haproxy.settings import HaproxySettings

ON_HOST = "groundcrew.roles.haproxy.on_host"


def brings(settings: HaproxySettings, host: HostView) -> Brings:
    """Package, ports, unit, checks and status, on hosts of the group `lb`."""
    place = host.place
    # One with applications is refused, for that reason and no other.
    if settings.group not in place.groups or host.app:
        return Brings()
    unit = (builders.UNIT,)
    asked = builders.request(settings, place)
    ports = [Port(settings.port, unit, (), "balancer", answers=True)]
    if any(item.settings.tls for item in place.balanced):
        ports.append(Port(settings.tls_port, unit, (), "balancer-tls", answers=True))
    if settings.stats_port:
        users = ("root", *host.admins)
        ports.append(Port(settings.stats_port, unit, public=False, users=users))
    away = tuple(
        sorted(numeric(item.address) for item in place.monitors if item.name != place.name)
    )
    if place.monitors:
        rule = "balancer-metrics"
        ports.append(Port(settings.metrics_port, unit, away or None, rule, public=bool(away)))
    reads = Reads(ON_HOST, ("haproxy",), {**asked, "ask": True})
    alone = Brings(
        packages=("haproxy",),
        ports=ports,
        units=[
            Unit(
                builders.UNIT,
                exposure=1.6,
                memory=Share("haproxy", "service", in_bytes(settings.memory_max), 1),
            )
        ],
        reads=[reads],
        checks={"balancer": partial(balancer, place.balanced)},
        status=[
            StatusLines("haproxy", Reads(ON_HOST, ("haproxy",), asked), status_of(place.balanced))
        ],
        metrics=[Metrics("haproxy", settings.metrics_port)] if place.monitors else [],
        rules=list(rules(settings)) if place.monitors else [],
        renewals=[Renewal(builders.UNIT, command=("systemctl", "reload", builders.UNIT))],
    )
    return _sharing(settings, place, alone) if settings.address else alone


def _sharing(settings: HaproxySettings, place: Place, alone: Brings) -> Brings:
    """With the address that the balancers share."""
    asked = shared.request(settings, place)
    peers = tuple(numeric(item.address) for item in shared.peers(place))
    addresses = asked["addresses"]
    return replace(
        alone,
        packages=(*alone.packages, "keepalived"),
        protocols=[IpProtocol(shared.VRRP, peers, "vrrp")] if peers else [],
        units=[*alone.units, Unit(shared.UNIT, exposure=2.7)],
        reads=[
            *alone.reads,
            Reads(shared.ON_HOST, ("shared_address",), {**asked, "ask": True}),
        ],
        checks={**alone.checks, "shared address": partial(address_checks.check, addresses)},
        status=[
            *alone.status,
            StatusLines(
                "shared_address",
                Reads(shared.ON_HOST, ("shared_address",), asked),
                partial(address_checks.status, addresses),
            ),
        ],
        renewals=[*alone.renewals, Renewal(shared.UNIT)],
    )

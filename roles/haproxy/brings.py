"""What the balancer brings to a host besides its operations."""

from __future__ import annotations

from functools import partial

from groundcrew.bindings.address import numeric
from groundcrew.contract import Brings, HostView, Port, Reads, Renewal, StatusLines, Unit
from groundcrew.memory import Share, in_bytes
from groundcrew.metrics import Metrics
from groundcrew.roles.haproxy import builders
from groundcrew.roles.haproxy.checks import balancer, status_of
from groundcrew.roles.haproxy.settings import HaproxySettings

ON_HOST = "groundcrew.roles.haproxy.on_host"


def brings(settings: HaproxySettings, host: HostView) -> Brings:
    """Package, ports, unit, checks and status, on hosts of the group `lb`."""
    place = host.place
    if not place.balanced:
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
    return Brings(
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
        renewals=[Renewal(builders.UNIT, command=("systemctl", "reload", builders.UNIT))],
    )

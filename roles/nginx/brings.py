"""What nginx brings to a host besides its operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from groundcrew.bindings.address import numeric
from groundcrew.contract import Brings, HostView, Port, Reads, Renewal, StatusLines, Unit
from groundcrew.logs import Log
from groundcrew.manifest.model import AppSettings
from groundcrew.roles.nginx import panels, traffic, traffic_rules
from groundcrew.roles.nginx.checks import counters
from groundcrew.roles.nginx.settings import NginxSettings

UNIT = "nginx.service"
ON_HOST = "groundcrew.roles.nginx.on_host"
RENEWAL = "groundcrew.roles.nginx.on_host_renewal"
OPENED_BY_GROUPS = (80, 443)
"""Ports that `group_data/web.py` opens with `firewall.allow`."""
LOG = Log(
    name="nginx",
    paths=("/var/log/nginx/*.log",),
    user="www-data",
    group="adm",
    reopen="[ ! -f /run/nginx.pid ] || kill -USR1 $(cat /run/nginx.pid)",
)


def packages(settings: NginxSettings) -> tuple[str, ...]:
    """Debian packages that the role needs."""
    brotli = ("libnginx-mod-http-brotli-filter", "libnginx-mod-http-brotli-static")
    return ("nginx", *(brotli if settings.brotli else ()))


def brings(settings: NginxSettings, host: HostView) -> Brings:
    """Packages, ports, logs, checks and status of nginx; nothing on a host without applications
    and sites of roles."""
    if not (host.apps or host.app or host.role_sites):
        return Brings()
    balancers = tuple(sorted({numeric(item.address) for item in host.place.balancers}))
    ports = [
        port
        for name, app in host.app.items()
        for port in app_ports(name, app, balancers if name in host.place.behind else None)
    ]
    if settings.status_port:
        ports.append(Port(settings.status_port, (UNIT,), public=False))
    counted = bool(host.place.monitors and host.app)
    return Brings(
        packages=packages(settings),
        # Users, directories and maintenance pages; certificates.
        relies_on=("app", *(["tls"] if any(app.tls for app in host.app.values()) else [])),
        files=traffic.entries(host.app) if counted else [],
        exporters=[traffic.exporter(settings.traffic_port)] if counted else [],
        rules=list(traffic_rules.rules(host.app)) if counted else [],
        panels=list(panels.panels(host.app)) if counted else [],
        ports=ports,
        # Its main process starts the others and binds ports.
        units=[Unit(UNIT, settings.max_exposure, serves=True, roots=1)],
        logs=[LOG, *([traffic.log(LOG.reopen)] if counted else [])],
        reads=[Reads(ON_HOST, ("nginx_status",), {"port": settings.status_port})],
        checks={"nginx: counters": counters},
        status=[StatusLines("nginx", Reads(ON_HOST, ("nginx",)), state)],
        renewals=[Renewal(UNIT, RENEWAL)],
    )


def app_ports(
    name: str, app: AppSettings, balancers: tuple[str, ...] | None = None
) -> Iterator[Port]:
    """The ports of one application. The HTTPS port is always opened in the firewall. An application
    behind balancers is opened for their addresses alone."""
    if balancers is not None:
        yield Port(app.port, (UNIT,), balancers, f"app-{name}")
        return
    opened = None if app.port in OPENED_BY_GROUPS else ()
    yield Port(app.port, (UNIT,), opened, f"app-{name}", answers=True)
    if app.tls:
        yield Port(app.tls.port, (UNIT,), (), f"app-{name}-tls", answers=True)


def state(unit: Any) -> Iterator[str]:
    """Status line of the unit."""
    yield f"nginx {unit['active']} ({unit['sub']})" if unit else "nginx not installed"

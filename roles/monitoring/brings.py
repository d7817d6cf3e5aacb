"""What monitoring brings to a host besides its operations."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from groundcrew.contract import (
    BackupSource,
    Brings,
    HostView,
    Port,
    Reads,
    Renewal,
    StatusLines,
    Unit,
)
from groundcrew.memory import Share, in_bytes
from groundcrew.metrics import Metrics, Probe
from groundcrew.roles.monitoring import builders, dashboards, grafana
from groundcrew.roles.monitoring.checks import monitoring, status
from groundcrew.roles.monitoring.panels import panels
from groundcrew.roles.monitoring.rules import rules
from groundcrew.roles.monitoring.settings import MonitoringSettings

ON_HOST = "groundcrew.roles.monitoring.on_host"
ON_HOST_BACKUP = "groundcrew.roles.monitoring.on_host_backup"
USER = "prometheus"
WEB_SERVER = "www-data"
WEB_UNIT = "nginx.service"
GRAFANA = "grafana"
"""Its package and its user."""


def brings(settings: MonitoringSettings, host: HostView) -> Brings:
    """Packages, ports, units, checks, and the alerts about itself, on hosts of the group."""
    request = {
        "prometheus": settings.port,
        "alertmanager": settings.alerts_port,
        "targets": len(builders.targets(host.place)),
        "rules": builders.names(host.place.hosts),
        # Prometheus takes new targets up to five seconds after it has read of them.
        "patience": settings.interval + 10,
        "site": _where(settings),
    }
    reads = Reads(ON_HOST, ("monitoring",), request)
    # Whoever connects can read what is measured, and silence alerts.
    users = ("root", USER, *host.admins)
    # The web server passes on what its users may ask.
    readers = (*users, WEB_SERVER) if settings.dashboards else users
    chats = bool(settings.bots)
    return Brings(
        packages=(
            "prometheus",
            "prometheus-alertmanager",
            dashboards.PACKAGE,
            *([GRAFANA] if settings.grafana else []),
        ),
        foreign=(GRAFANA,) if settings.grafana else (),
        first_files=[
            *builders.drop_ins(settings),
            *(grafana.started(settings) if settings.grafana else []),
        ],
        ports=[
            Port(settings.port, (builders.PROMETHEUS,), public=False, users=readers),
            *_site_ports(settings),
            *(
                [Port(settings.grafana_port, (grafana.UNIT,), public=False, users=users)]
                if settings.grafana
                else []
            ),
            Port(settings.alerts_port, (builders.ALERTMANAGER,), public=False, users=users),
            *([Port(settings.chats_port, (builders.CHAT_UNIT,), public=False)] if chats else []),
        ],
        units=[
            Unit(builders.PROMETHEUS, 1.6, _share("prometheus", in_bytes(settings.memory_max))),
            Unit(
                builders.ALERTMANAGER,
                1.6,
                _share("alertmanager", builders.ALERTMANAGER_MEMORY << 20),
            ),
            *([CHATS] if chats else []),
            *([GRAFANA_UNIT] if settings.grafana else []),
        ],
        reads=[reads],
        checks={"monitoring": partial(monitoring, settings, host.place)},
        # What is down now is shown at once.
        status=[
            StatusLines("monitoring", replace(reads, request={**request, "patience": 0}), status)
        ],
        metrics=[
            Metrics("prometheus", settings.port, loopback=True),
            Metrics("alertmanager", settings.alerts_port, loopback=True),
        ],
        rules=tuple(rules(settings)),
        backups=[
            BackupSource("monitoring", ON_HOST_BACKUP, {"port": settings.port}, ("monitoring",))
        ]
        if settings.backup
        else [],
        panels=tuple(panels()),
        probes=_probes(settings),
        renewals=[
            Renewal(builders.PROMETHEUS),
            Renewal(builders.ALERTMANAGER),
            *([Renewal(builders.CHAT_UNIT)] if chats else []),
            *([Renewal(grafana.UNIT)] if settings.grafana else []),
        ],
    )


def _where(settings: MonitoringSettings) -> dict[str, str | int] | None:
    """Where the dashboards' site answers on the host itself."""
    site = dashboards.site(settings)
    if site is None:
        return None
    return {"port": site.tls.port, "name": site.domains[0].replace("*", "www")}


def _probes(settings: MonitoringSettings) -> list[Probe]:
    """The site must ask for a login, and its certificate must be renewed."""
    where = _where(settings)
    if where is None:
        return []
    url = f"https://127.0.0.1:{where['port']}/"
    return [Probe(dashboards.SITE, url, str(where["name"]), 401, "https")]


def _site_ports(settings: MonitoringSettings) -> list[Port]:
    """The ports of the dashboards' site, which are open to everybody."""
    site = dashboards.site(settings)
    if site is None:
        return []
    return [
        Port(number, (WEB_UNIT,), (), f"dashboards-{number}", answers=True)
        for number in (site.port, site.tls.port)
    ]


def _share(part: str, size: int) -> Share:
    return Share("monitoring", part, size, 1)


CHATS = Unit(builders.CHAT_UNIT, 1.6, _share("chats", builders.CHAT_MEMORY << 20))

GRAFANA_UNIT = Unit(grafana.UNIT, None, _share("grafana", grafana.MEMORY << 20))

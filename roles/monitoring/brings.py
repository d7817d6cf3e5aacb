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
from groundcrew.metrics import Metrics
from groundcrew.roles.monitoring import builders
from groundcrew.roles.monitoring.checks import monitoring, status
from groundcrew.roles.monitoring.rules import rules
from groundcrew.roles.monitoring.settings import MonitoringSettings

ON_HOST = "groundcrew.roles.monitoring.on_host"
ON_HOST_BACKUP = "groundcrew.roles.monitoring.on_host_backup"
USER = "prometheus"


def brings(settings: MonitoringSettings, host: HostView) -> Brings:
    """Packages, ports, units, checks, and the alerts about itself, on hosts of the group."""
    if "monitoring" not in host.place.groups:
        return Brings()
    request = {
        "prometheus": settings.port,
        "alertmanager": settings.alerts_port,
        "targets": len(builders.targets(host.place)),
        "rules": builders.names(host.place.hosts),
        # Prometheus takes new targets up to five seconds after it has read of them.
        "patience": settings.interval + 10,
    }
    reads = Reads(ON_HOST, ("monitoring",), request)
    # Whoever connects can read what is measured, and silence alerts.
    users = ("root", USER, *host.admins)
    chats = bool(settings.bots)
    return Brings(
        packages=("prometheus", "prometheus-alertmanager"),
        first_files=builders.drop_ins(settings),
        ports=[
            Port(settings.port, (builders.PROMETHEUS,), public=False, users=users),
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
        renewals=[
            Renewal(builders.PROMETHEUS),
            Renewal(builders.ALERTMANAGER),
            *([Renewal(builders.CHAT_UNIT)] if chats else []),
        ],
    )


def _share(part: str, size: int) -> Share:
    return Share("monitoring", part, size, 1)


CHATS = Unit(builders.CHAT_UNIT, 1.6, _share("chats", builders.CHAT_MEMORY << 20))

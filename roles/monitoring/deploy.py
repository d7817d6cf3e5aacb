"""Operations of monitoring."""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra.api import deploy

from groundcrew.bindings import Place
from groundcrew.operations import files, systemd
from groundcrew.roles.monitoring import builders, dashboards, grafana
from groundcrew.roles.monitoring.settings import MonitoringSettings


@deploy("monitoring")
def apply(
    settings: MonitoringSettings, place: Place, secrets: Mapping[tuple[str, ...], str]
) -> None:
    """Prometheus measures all hosts of the inventory, and Alertmanager tells the receivers."""
    if not settings.bots:
        systemd.service(
            name="no messages to chats", unit=builders.CHAT_UNIT, running=False, enabled=None
        )
    files.manage(
        name="files",
        entries=[
            *builders.entries(settings, place, secrets),
            *dashboards.entries(settings, place.hosts),
            *grafana.entries(settings, place.hosts),
        ],
    )
    if settings.bots:
        systemd.service(
            name="messages to chats",
            unit=builders.CHAT_UNIT,
            restart_if_newer=[
                builders.CHAT_PROGRAM,
                builders.CHATS,
                f"/etc/systemd/system/{builders.CHAT_UNIT}",
            ],
        )
    systemd.service(
        name="Alertmanager",
        unit=builders.ALERTMANAGER,
        restart_if_newer=[builders.drop_in(builders.ALERTMANAGER), builders.RECEIVERS],
    )
    systemd.service(
        name="Prometheus",
        unit=builders.PROMETHEUS,
        restart_if_newer=[builders.drop_in(builders.PROMETHEUS)],
        reload_if_newer=[builders.CONFIGURATION, builders.RULES],
    )
    if settings.grafana:
        systemd.service(
            name="Grafana",
            unit=grafana.UNIT,
            restart_if_newer=[
                builders.drop_in(grafana.UNIT),
                grafana.SOURCES,
                grafana.PROVIDER,
                grafana.BOARDS,
            ],
        )

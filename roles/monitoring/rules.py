"""Alerts about monitoring itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.metrics import HOSTS, Rule
from groundcrew.roles.monitoring.builders import HEARTBEAT
from groundcrew.roles.monitoring.settings import MonitoringSettings

MINUTE = 60


def rules(settings: MonitoringSettings) -> Iterator[Rule]:
    """It must work, and say so."""
    yield Rule(
        "MessagesFailing",
        f"increase(alertmanager_notification_requests_failed_total{{{HOSTS}}}[10m]) > 0",
        0,
        "critical",
        "messages about alerts by {{ $labels.integration }} do not arrive",
        "On {{ $labels.instance }}: journalctl -u prometheus-alertmanager.",
    )
    yield Rule(
        "MonitoringBroken",
        f"prometheus_config_last_reload_successful{{{HOSTS}}} == 0 "
        f"or increase(prometheus_rule_evaluation_failures_total{{{HOSTS}}}[10m]) > 0 "
        f"or increase(prometheus_tsdb_wal_corruptions_total{{{HOSTS}}}[10m]) > 0",
        5 * MINUTE,
        "critical",
        "monitoring on {{ $labels.instance }} does not work as it should",
        "journalctl -u prometheus shows why.",
    )
    if settings.heartbeat:
        yield Rule(HEARTBEAT, "vector(1)", 0, "warning", "monitoring works", "Nothing.")

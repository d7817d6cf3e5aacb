"""What dashboards show of monitoring itself, and of the alerts. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.dashboards import WINDOW, Panel, Query, panel
from groundcrew.metrics import HOSTS
from groundcrew.roles.monitoring.builders import HEARTBEAT


def panels() -> Iterator[Panel]:
    """Alerts of all hosts, what is not measured, and how much is kept."""
    # These are about all hosts, whichever of them is looked at.
    yield panel(
        "fleet",
        "Alerts that fire",
        Query(
            f'ALERTS{{alertstate="firing",alertname!="{HEARTBEAT}"}}',
            "{{alertname}} ({{severity}}): {{app}} {{instance}}",
        ),
        kind="table",
    )
    yield panel(
        "fleet", "What is not measured", Query("up == 0", "{{job}} {{app}} of {{instance}}"),
        kind="table",
    )  # fmt: skip
    yield panel(
        "fleet",
        "Monitoring: values that it reads",
        Query(
            "sum by (instance) "
            f"(rate(prometheus_tsdb_head_samples_appended_total{{{HOSTS}}}[{WINDOW}]))"
        ),
        unit="/s",
    )

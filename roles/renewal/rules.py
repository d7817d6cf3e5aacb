"""Alerts about libraries that updates have replaced. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.metrics import HOSTS, Rule
from groundcrew.roles.renewal.settings import RenewalSettings

DAY = 86400


def rules(settings: RenewalSettings) -> Iterator[Rule]:
    """What the host does not restart by itself is restarted by somebody."""
    yield Rule(
        "LibrariesReplaced",
        f"groundcrew_outdated_units{{{HOSTS}}} > 0",
        settings.alert_days * DAY,
        "warning",
        "{{ $value }} units of {{ $labels.instance }} run libraries that an update has replaced",
        "playbooks/verify.py names them: restart them, set renewal.servers, or restart the host.",
    )

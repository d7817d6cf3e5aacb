"""Alerts about bans. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.metrics import HOSTS, Rule
from groundcrew.roles.fail2ban.settings import Fail2banSettings


def rules(settings: Fail2banSettings) -> Iterator[Rule]:
    """Many addresses are banned at the same time: somebody tries logins from many places."""
    yield Rule(
        "ManyBans",
        f"increase(groundcrew_bans_total{{{HOSTS}}}[10m]) > {settings.many_bans}",
        0,
        "warning",
        "fail2ban of {{ $labels.instance }} has banned "
        '{{ $value | printf "%.0f" }} addresses within ten minutes',
        "fail2ban-client status JAIL lists them, journalctl -u ssh shows the users that they try; "
        "limit access to the port (firewall.allow).",
    )

"""What fail2ban brings to a host: everything, as it has no operations of its own."""

from __future__ import annotations

from groundcrew.contract import Brings, HostView, Renewal
from groundcrew.roles.fail2ban.builders import PACKAGES, entries, services
from groundcrew.roles.fail2ban.rules import rules
from groundcrew.roles.fail2ban.settings import Fail2banSettings


def brings(settings: Fail2banSettings, host: HostView) -> Brings:
    """Package, files and unit, and on hosts that are monitored, an alert."""
    monitored = bool(host.place.monitors)
    if not settings.enabled:
        return Brings(files=entries(settings))
    return Brings(
        packages=PACKAGES,
        files=entries(settings, monitored=monitored),
        services=services(settings),
        # It keeps its bans on the disk.
        renewals=[Renewal(item.unit) for item in services(settings)],
        rules=tuple(rules(settings)) if monitored else (),
    )

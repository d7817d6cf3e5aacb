"""What fail2ban brings to a host: everything, as it has no operations of its own."""

from __future__ import annotations

from groundcrew.contract import Brings, HostView, Renewal
from groundcrew.roles.fail2ban.builders import PACKAGES, entries, services
from groundcrew.roles.fail2ban.settings import Fail2banSettings


def brings(settings: Fail2banSettings, host: HostView) -> Brings:
    """Package, files and unit."""
    del host
    if not settings.enabled:
        return Brings(files=entries(settings))
    return Brings(
        packages=PACKAGES,
        files=entries(settings),
        services=services(settings),
        # It keeps its bans on the disk.
        renewals=[Renewal(item.unit) for item in services(settings)],
    )

"""What renewals bring to a host besides their operations."""

from __future__ import annotations

from functools import partial

from groundcrew.contract import Brings, HostView, Reads, StatusLines
from groundcrew.roles.renewal.checks import libraries, status
from groundcrew.roles.renewal.rules import rules
from groundcrew.roles.renewal.settings import RenewalSettings

ON_HOST = "groundcrew.roles.renewal.on_host"


def brings(settings: RenewalSettings, host: HostView) -> Brings:
    """The check, the status line, and on hosts that are monitored, an alert."""
    monitored = settings.enabled and host.place.monitors
    reads = Reads(ON_HOST, ("renewal",))
    return Brings(
        reads=[reads],
        checks={"libraries": partial(libraries, settings)},
        status=[StatusLines("renewal", reads, status)],
        rules=tuple(rules(settings)) if monitored else (),
    )

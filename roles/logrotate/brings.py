"""What log rotation brings to a host besides its operations."""

from __future__ import annotations

from groundcrew.contract import Brings, HostView, Reads
from groundcrew.roles.logrotate.checks import rotation
from groundcrew.roles.logrotate.settings import LogrotateSettings


def brings(settings: LogrotateSettings, host: HostView) -> Brings:
    """The package and the check of log rotation, on hosts with applications."""
    del settings
    if not host.apps:
        return Brings()
    return Brings(
        packages=("logrotate",),
        reads=[Reads("groundcrew.roles.logrotate.on_host", ("logrotate",))],
        checks={"logrotate dry run": rotation},
    )

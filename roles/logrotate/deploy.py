"""Operations of log rotation."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra.api import deploy

from groundcrew.operations import files, systemd
from roles.logrotate.builders import NGINX, TIMER, Log, entries
from roles.logrotate.settings import LogrotateSettings


@deploy("Log rotation")
def apply(settings: LogrotateSettings, logs: Sequence[Log] = (), nginx: bool = True) -> None:
    """Rotates nginx's log files, where the host has it, and those of `logs`."""
    files.manage(
        name="Rotation of log files",
        entries=entries(settings, [*([NGINX] if nginx else []), *logs]),
        # All of it together: two files that name the same log are an error.
        validate="logrotate --debug /etc/logrotate.conf",
    )
    systemd.service(
        name="logrotate.timer", unit="logrotate.timer", restart_if_newer=[TIMER], settle=0
    )

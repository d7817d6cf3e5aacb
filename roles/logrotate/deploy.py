"""Operations of log rotation."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra.api import deploy

from groundcrew.logs import Log
from groundcrew.operations import files, systemd
from groundcrew.roles.logrotate.builders import TIMER, entries
from groundcrew.roles.logrotate.settings import LogrotateSettings


@deploy("logrotate")
def apply(settings: LogrotateSettings, logs: Sequence[Log] = ()) -> None:
    """Rotates the log files of `logs`."""
    files.manage(
        name="configuration",
        entries=entries(settings, logs),
        # The whole configuration at once: two files that name the same log are an error.
        validate="logrotate --debug /etc/logrotate.conf",
    )
    systemd.service(
        name="logrotate.timer", unit="logrotate.timer", restart_if_newer=[TIMER], settle=0
    )

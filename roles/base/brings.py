"""What the base role brings to a host besides its operations."""

from __future__ import annotations

from functools import partial

from groundcrew.contract import Brings, HostView, Reads, Renewal, Unit
from groundcrew.roles.base import hardening_files as hardening
from groundcrew.roles.base.checks import apparmor, kernel_parameters, upkeep
from groundcrew.roles.base.settings import BaseSettings

RESTARTED = (
    "cron.service", "rsyslog.service", "systemd-hostnamed.service", "systemd-journald.service",
    "systemd-localed.service", "systemd-resolved.service", "systemd-timedated.service",
    "systemd-timesyncd.service", "systemd-udevd.service", "unattended-upgrades.service",
)  # fmt: skip
"""Units of Debian that can be restarted at any time: what they keep open survives."""


def brings(settings: BaseSettings, host: HostView) -> Brings:
    """Checks of the clock, updates, kernel parameters, names and AppArmor."""
    del host
    parameters = sorted(kernel_parameters(settings))
    sections = ("upkeep", "hosts", "sysctl", "apparmor")
    return Brings(
        units=[Unit(name) for name in hardening.services(settings)],
        reads=[Reads("groundcrew.roles.base.on_host", sections, {"sysctl": parameters})],
        checks={
            "upkeep": partial(upkeep, settings),
            "apparmor": partial(apparmor, wanted=settings.apparmor),
        },
        renewals=[
            *(Renewal(name) for name in RESTARTED),
            # systemd itself: it starts anew and keeps its state, as after an update of its own.
            Renewal("init.scope", command=("systemctl", "daemon-reexec")),
        ],
    )

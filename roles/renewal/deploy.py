"""Operations of renewals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyinfra.api import deploy

from groundcrew.contract import Renewal
from groundcrew.operations import files, systemd
from groundcrew.roles.renewal import builders
from groundcrew.roles.renewal.settings import RenewalSettings

Apps = Mapping[str, Mapping[str, Any]]
"""What the host must know about each application, see `groundcrew/releases/steps/renewal.py`."""


@deploy("renewal")
def apply(settings: RenewalSettings, units: Sequence[Renewal], apps: Apps) -> None:
    """The host restarts what runs replaced libraries: `units` of roles, and applications."""
    files.manage(
        name="program, plan and units",
        entries=[
            *builders.entries(settings, units),
            *builders.app_entries(apps),
            builders.only(apps),
        ],
    )
    systemd.service(
        name=builders.TIMER,
        unit=builders.TIMER,
        running=settings.enabled,
        enabled=settings.enabled,
        restart_if_newer=[builders.TIMER_FILE] if settings.enabled else (),
        settle=0,
    )


@deploy("renewal")
def applications(apps: Apps) -> None:
    """What the host knows of applications follows their releases."""
    files.manage(name="applications", entries=builders.app_entries(apps))

"""Operations of the preflight: the first step of a run, on all hosts."""

from __future__ import annotations

from pyinfra.api import deploy

from groundcrew.roles.preflight import operations
from groundcrew.roles.preflight.settings import PreflightSettings
from groundcrew.roles.preflight.wanted import Wanted


@deploy("preflight")
def apply(settings: PreflightSettings, wanted: Wanted) -> None:
    """Fails the host, before anything is changed, if it does not meet the requirements."""
    if settings.enabled:
        operations.look(name="what the host has", settings=settings, wanted=wanted, every=False)


@deploy("preflight")
def show(settings: PreflightSettings, wanted: Wanted) -> None:
    """Prints all results, passed or not."""
    operations.look(name="what the host has", settings=settings, wanted=wanted, every=True)

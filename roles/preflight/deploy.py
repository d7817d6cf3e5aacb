"""The first thing that a run does, on all hosts before any goes on."""

from __future__ import annotations

from pyinfra.api import deploy

from roles.preflight import operations
from roles.preflight.settings import PreflightSettings
from roles.preflight.wanted import Wanted


@deploy("Preflight")
def apply(settings: PreflightSettings, wanted: Wanted) -> None:
    """Ends the run before anything is changed, where a host cannot be what the settings ask for."""
    if settings.enabled:
        operations.look(name="what the host has", settings=settings, wanted=wanted, every=False)


@deploy("Preflight")
def show(settings: PreflightSettings, wanted: Wanted) -> None:
    """Prints each line, passed or not."""
    operations.look(name="what the host has", settings=settings, wanted=wanted, every=True)

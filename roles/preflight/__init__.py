"""Preflight: checks that a host meets the requirements before a run changes anything."""

from groundcrew.roles.preflight.deploy import apply, show
from groundcrew.roles.preflight.wanted import Wanted

__all__ = ["Wanted", "apply", "show"]

"""What a host must have before a run changes anything."""

from roles.preflight.deploy import apply, show
from roles.preflight.wanted import Wanted

__all__ = ["Wanted", "apply", "show"]

"""Restarts what still runs libraries that an update has replaced, without dropping a request."""

from groundcrew.roles.renewal.deploy import applications, apply
from groundcrew.roles.renewal.settings import RenewalSettings

__all__ = ["RenewalSettings", "applications", "apply"]

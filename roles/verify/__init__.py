"""Checks that a host serves what its settings promise."""

from groundcrew.roles.verify.deploy import apply, apply_url
from groundcrew.roles.verify.expected import Expected, Gzip, Root
from groundcrew.roles.verify.settings import VerifySettings

__all__ = ["Expected", "Gzip", "Root", "VerifySettings", "apply", "apply_url"]

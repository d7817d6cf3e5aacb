"""Proof that a host serves what its settings promise."""

from roles.verify.deploy import PACKAGES, apply, apply_url
from roles.verify.expected import Expected, Gzip, Root
from roles.verify.settings import VerifySettings

__all__ = ["PACKAGES", "Expected", "Gzip", "Root", "VerifySettings", "apply", "apply_url"]

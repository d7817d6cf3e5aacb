"""What every host has: packages, certificates, time, locale, updates, kernel, limits, journal."""

from roles.base.deploy import apply
from roles.base.settings import BaseSettings

__all__ = ["BaseSettings", "apply"]

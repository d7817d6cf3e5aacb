"""The base of every host: packages, certificates, time, locale, updates, kernel, limits,
journal."""

from groundcrew.roles.base.deploy import apply
from groundcrew.roles.base.settings import BaseSettings

__all__ = ["BaseSettings", "apply"]

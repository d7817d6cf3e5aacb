"""nginx in front of the applications."""

from roles.nginx.deploy import PACKAGES, apply
from roles.nginx.drain import drain_seconds
from roles.nginx.settings import NginxSettings

__all__ = ["PACKAGES", "NginxSettings", "apply", "drain_seconds"]

"""nginx in front of the applications."""

from roles.nginx.activate import activate_command
from roles.nginx.context import prefixes_below, servers
from roles.nginx.deploy import apply, packages
from roles.nginx.drain import drain_seconds
from roles.nginx.maintenance import maintenance_files
from roles.nginx.settings import NginxSettings

__all__ = [
    "NginxSettings",
    "activate_command",
    "apply",
    "drain_seconds",
    "maintenance_files",
    "packages",
    "prefixes_below",
    "servers",
]

"""nginx in front of the applications."""

from groundcrew.roles.nginx.activate import activate_command
from groundcrew.roles.nginx.brings import packages
from groundcrew.roles.nginx.context import prefixes_below, servers
from groundcrew.roles.nginx.deploy import apply, withdraw
from groundcrew.roles.nginx.drain import drain_seconds
from groundcrew.roles.nginx.maintenance import maintenance_files
from groundcrew.roles.nginx.role_sites import Served
from groundcrew.roles.nginx.settings import NginxSettings

__all__ = [
    "NginxSettings",
    "Served",
    "activate_command",
    "apply",
    "drain_seconds",
    "maintenance_files",
    "packages",
    "prefixes_below",
    "servers",
    "withdraw",
]

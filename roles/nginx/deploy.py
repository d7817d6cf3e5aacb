"""nginx on a host."""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra.api import deploy

from groundcrew.apps.model import AppSettings
from groundcrew.entries import File
from groundcrew.operations import files, systemd
from roles.nginx.activate import activate_command
from roles.nginx.files import DROP_IN_FILE, configuration, drop_in
from roles.nginx.passwords import Passwords
from roles.nginx.settings import NginxSettings

PACKAGES = ("nginx",)
"""Debian packages that the role needs."""


@deploy("nginx")
def apply(
    settings: NginxSettings,
    apps: Mapping[str, AppSettings],
    passwords: Mapping[str, Passwords],
) -> None:
    """nginx serves `apps` and refuses every other name; `passwords` are of those who may log in.

    A new configuration is validated and loaded in the step that writes it, and put back if either
    fails: what is on disk is always what serves.
    """
    entries = configuration(settings, apps, passwords)
    files.manage(name="service sandbox", entries=drop_in(settings))
    files.manage(
        name="configuration",
        entries=entries,
        validate=activate_command(),
    )
    systemd.service(
        name="service",
        unit="nginx.service",
        restart_if_newer=[DROP_IN_FILE],
        # Workers take their groups, which open the applications' sockets, when they start.
        reload_if_newer=["/etc/group", *(e.path for e in entries if isinstance(e, File))],
        # It forks when it is ready, so systemctl itself waits for that; verify watches it later.
        settle=0,
    )

"""Limits on connections and open files that must be consistent, from the kernel to applications."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.server import GunicornServer
from groundcrew.roles.base.settings import BaseSettings
from groundcrew.roles.nginx.settings import NginxSettings

SOMAXCONN = "net.core.somaxconn"
KERNELS_OWN = 4096
"""The kernel's default since Linux 5.4."""


def conflicts(
    base: BaseSettings, nginx: NginxSettings, apps: dict[str, AppSettings]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Limits that another limit makes ineffective: key -> reason."""
    given = base.sysctl.get(SOMAXCONN) or KERNELS_OWN
    if not str(given).isdecimal():
        yield ("base", "sysctl", SOMAXCONN), f"expected a number of connections, got {given!r}"
        return
    most = int(given)
    more = f"is more than the kernel allows: base.sysctl {SOMAXCONN} is {most}"
    if nginx.backlog > most:
        yield ("nginx", "backlog"), f"{nginx.backlog} {more}"
    for name, app in apps.items():
        key = "listen" if app.server.type == "uwsgi" else "backlog"
        if app.server.backlog > most:
            yield ("app", name, "server", key), f"{app.server.backlog} {more}"
        files = app.limits.open_files
        if isinstance(app.server, GunicornServer) and app.server.worker_connections >= files:
            yield (
                ("app", name, "limits", "open_files"),
                f"{files} is not more than server.worker_connections "
                f"({app.server.worker_connections}): each connection is an open file",
            )

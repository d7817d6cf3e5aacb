"""What the program on the host is asked to look at."""

from __future__ import annotations

from typing import Any

from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import AppPaths
from roles.verify.expected import Expected, host_header, instance_names
from roles.verify.settings import VerifySettings

CONNECT_ROUNDS = 4
"""How often the operator may wait for `connect_timeout` while the listener stays open."""


def host_request(settings: VerifySettings, expected: Expected) -> dict[str, Any]:
    """The argument of `groundcrew/remote/verify_host.py`."""
    return {
        "apps": [app_request(name, app) for name, app in sorted(expected.apps.items())],
        "own_units": sorted(expected.own_units),
        "status_port": expected.status_port,
        "admins": sorted(expected.admins),
        "settle": settings.settle,
        "reuse_requests": settings.reuse_requests,
        "listener": CONNECT_ROUNDS * settings.connect_timeout if expected.firewall else 0,
    }


def app_request(name: str, app: AppSettings) -> dict[str, Any]:
    """One application of that."""
    paths = AppPaths(name)
    return {
        "name": name,
        "current": paths.current,
        "unit": paths.unit("{}"),
        "runtime": paths.runtime,
        "sockets": {
            title: paths.upstream(number)
            for number, title in enumerate(instance_names(name, app.instances), start=1)
        },
        "maintenance": paths.maintenance_flag,
        "user": paths.user,
        "path": app.root + app.health.path,
        "host": host_header(app),
        "port": app.tls.port if app.tls else app.port,
        "tls": app.tls is not None,
        "scheme": app.scheme,
        "reuse": app.server.keeps_connections,
    }

"""The request to the program on the host."""

from __future__ import annotations

from collections.abc import Sequence

from groundcrew.contract import Reads, Unit
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.roles.verify.expected import Expected, host_header, instance_names
from groundcrew.roles.verify.report import AppRequest, Request
from groundcrew.roles.verify.settings import VerifySettings

ON_HOST = "groundcrew.roles.verify.on_host"
SECTIONS = (
    "units_before",
    "releases",
    "maintenance",
    "processes",
    "exposure",
    "followers",
    "leftovers",
    "sockets",
    "reuse",
)


def reads(settings: VerifySettings, expected: Expected, units: Sequence[Unit]) -> Reads:
    """What to read about applications and the `units` of roles."""
    request: Request = {
        "apps": [
            app_request(name, expected.inside.get(name, app))
            for name, app in sorted(expected.apps.items())
        ],
        "serving_units": sorted(unit.name for unit in units if unit.serves),
        "own_units": sorted(unit.name for unit in units if not unit.serves),
        "settle": settings.settle,
        "reuse_requests": settings.reuse_requests,
    }
    return Reads(ON_HOST, SECTIONS, request, last=("units_after", "seconds"))


def app_request(name: str, app: AppSettings) -> AppRequest:
    """The part of the request for one application."""
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

"""What the app role brings to a host besides its operations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from groundcrew.bindings import Place
from groundcrew.contract import Brings
from groundcrew.manifest.model import AppSettings
from groundcrew.metrics import Probe
from groundcrew.roles.app import health, node


def brings(apps: Mapping[str, AppSettings], place: Place) -> Brings:
    """The Debian packages that applications need at run time and for builds, the services that they
    need outside of the inventory, the URLs that must answer, and what asks them for their
    health."""
    wanted = {package for app in apps.values() for package in app.apt}
    packages = sorted(wanted | node.packages(apps.values()))
    probes = [probe(name, app) for name, app in sorted(apps.items())]
    asked = health.brings(apps)
    return replace(
        asked,
        packages=packages,
        needs=place.reaches,
        probes=probes,
        relies_on=("python", "nginx", *sorted({item.role for item in place.uses})) if apps else (),
    )


def probe(name: str, app: AppSettings) -> Probe:
    """The health path of an application, as nginx serves it to the host itself."""
    start = f"https://127.0.0.1:{app.tls.port}" if app.tls else f"http://127.0.0.1:{app.port}"
    return Probe(
        name,
        f"{start}{app.root}{app.health.path}",
        app.domains[0].replace("*", "www") if app.domains else "localhost",
        app.health.status,
        app.scheme,
    )

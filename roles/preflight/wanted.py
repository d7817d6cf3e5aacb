"""What all roles need from a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from groundcrew.bindings.budget import Budget
from groundcrew.manifest.model import AppSettings
from groundcrew.memory import Share
from groundcrew.roles.preflight.settings import PreflightSettings
from groundcrew.takeover import Claim

EXECUTABLE = ("/opt", "/srv")
"""Programs are run from these directories."""
WRITABLE = ("/etc", "/opt", "/srv", "/var/lib", "/var/log")


@dataclass(frozen=True)
class Wanted:
    """What applications and roles need from a host."""

    apps: Mapping[str, AppSettings]
    ports: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """TCP ports to bind -> units that may hold them already. A unit that ends in `@` stands for all
    its instances."""

    interpreter: str = "/usr/bin/python3"
    """Python interpreter for virtualenvs."""

    fetched_from: str = ""
    """`HOST:PORT` that other Python versions are downloaded from, or a directory on the host."""

    claims: tuple[Claim, ...] = ()
    """Users and groups of the applications."""

    memory: tuple[Share, ...] = ()
    """Shares of the memory plan besides those of applications."""

    places: tuple[str, ...] = ()
    """`HOST:PORT` that the host must be able to reach, besides `preflight.connect`."""

    budgets: tuple[Budget, ...] = ()
    """Connections to services, whose number depends on the host's CPUs."""

    requires: Mapping[str, str] = field(default_factory=dict)
    """Application -> the Python versions that its source requires."""

    secrets: tuple[str, ...] | None = None
    """What the operator's machine lacks to read secrets; None: no secret needs a program or a
    file there."""

    def request(self, settings: PreflightSettings) -> dict[str, Any]:
        """The request for `groundcrew/remote/inspect_resources.py`."""
        domains = {name for app in self.apps.values() for name in app.names}
        return {
            "paths": ["/var", *WRITABLE],
            "ports": sorted(self.ports),
            "interpreter": self.interpreter,
            "pythons": sorted({app.python for app in self.apps.values() if app.python}),
            "names": sorted(name for name in domains if "*" not in name) if settings.dns else [],
            "connect": [*settings.connect, *self.places],
            "fetch": self.fetched_from,
            "users": {user.name: user.home for claim in self.claims for user in claim.users},
        }

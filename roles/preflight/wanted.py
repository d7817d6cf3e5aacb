"""What the settings of all roles ask of a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from groundcrew.apps.model import AppSettings
from groundcrew.takeover import Claim
from roles.preflight.settings import PreflightSettings

EXECUTABLE = ("/opt", "/srv")
"""Programs are started from there."""
WRITABLE = ("/etc", "/opt", "/srv", "/var/lib", "/var/log")


@dataclass(frozen=True)
class Wanted:
    """What applications and roles will need."""

    apps: Mapping[str, AppSettings]
    ports: Mapping[int, tuple[str, ...]]
    """TCP ports that will be bound -> units that may have them already; one ending in `@` stands
    for all its instances."""

    interpreter: str = "/usr/bin/python3"
    """Python that virtualenvs are made with."""

    fetched_from: str = ""
    """`HOST:PORT` where other versions come from, or the directory on the host."""

    claims: tuple[Claim, ...] = ()
    """Users and groups of the applications."""

    requires: Mapping[str, str] = field(default_factory=dict)
    """Applications -> the versions of Python that their sources say they run with."""

    def request(self, settings: PreflightSettings) -> dict[str, Any]:
        """For `groundcrew/remote/inspect_resources.py`."""
        domains = {name for app in self.apps.values() for name in app.names}
        return {
            "paths": ["/var", *WRITABLE],
            "ports": sorted(self.ports),
            "interpreter": self.interpreter,
            "pythons": sorted({app.python for app in self.apps.values() if app.python}),
            "names": sorted(name for name in domains if "*" not in name) if settings.dns else [],
            "connect": list(settings.connect),
            "fetch": self.fetched_from,
            "users": {user.name: user.home for claim in self.claims for user in claim.users},
        }

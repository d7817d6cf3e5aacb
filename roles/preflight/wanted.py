"""What the settings of all roles ask of a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from groundcrew.apps.model import AppSettings
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

    interpreters: Mapping[str, str] = field(default_factory=dict)
    """Python interpreters that must be there -> what for."""

    def request(self, settings: PreflightSettings) -> dict[str, Any]:
        """For `groundcrew/remote/inspect_resources.py`."""
        domains = {name for app in self.apps.values() for name in app.domains}
        return {
            "paths": ["/", "/var", *WRITABLE],
            "ports": sorted(self.ports),
            "interpreters": sorted(self.interpreters),
            "names": sorted(name for name in domains if "*" not in name) if settings.dns else [],
            "connect": list(settings.connect),
        }

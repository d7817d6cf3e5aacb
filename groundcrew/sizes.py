"""The one table of sizes: what an application gets on a small, a medium and a large host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from groundcrew.apps.model import AppSettings
from groundcrew.apps.server import GunicornServer, UwsgiServer
from groundcrew.apps.uvicorn import UvicornServer
from groundcrew.model import Settings

GIB = 1 << 30
SizeName = Literal["small", "medium", "large"]


@dataclass(frozen=True)
class Profile:
    """What one size means."""

    memory: int | None
    """Hosts with less memory than these bytes have this size; None for the largest."""

    workers_max: int
    """gunicorn and uvicorn: `workers: auto` makes at most so many."""

    processes: int
    """uWSGI: processes."""

    threads: int
    """uWSGI: threads per process."""

    max_requests: int
    """uWSGI: requests after which a process is replaced."""

    memory_max: int
    """MiB for all instances of the application together: while a release replaces another, twice
    that still fits beside the system."""


# The limits lie between what is sold as 4, 8 and 16 GB: a host has a little less than its name.
PROFILES: dict[SizeName, Profile] = {
    "small": Profile(6 * GIB, 2, 2, 1, 500, 1536),
    "medium": Profile(12 * GIB, 6, 4, 2, 1000, 3072),
    "large": Profile(None, 12, 8, 4, 2000, 6144),
}


def size_for(memory: int) -> SizeName:
    """The size of a host with so many bytes of memory."""
    return next(
        name for name, item in PROFILES.items() if item.memory is None or memory < item.memory
    )


def sized(app: AppSettings, size: SizeName) -> AppSettings:
    """The application with what its size derives in the place of what nobody has set.

    Raises ValidationError where that contradicts what somebody has.
    """
    profile = PROFILES[size]
    server, limits = app.server, app.limits
    derived: dict[str, int] = {}
    if isinstance(server, (GunicornServer, UvicornServer)):
        derived = {"workers_max": profile.workers_max}
    elif isinstance(server, UwsgiServer):
        derived = {
            "processes": profile.processes,
            "threads": profile.threads,
            "max_requests": profile.max_requests,
        }
    own = {key: value for key, value in derived.items() if _unset(server, key)}
    given = server.model_dump(exclude_unset=True, by_alias=True)
    if _unset(limits, "memory_max"):
        share = f"{profile.memory_max // app.instances}M"
        limits = limits.model_copy(update={"memory_max": share})
    server = type(server).model_validate({**given, **own})
    return app.model_copy(update={"server": server, "limits": limits})


def _unset(settings: Settings, key: str) -> bool:
    """Whether a value is left to us: not given, or given as `auto`."""
    return key not in settings.model_fields_set or getattr(settings, key) == "auto"

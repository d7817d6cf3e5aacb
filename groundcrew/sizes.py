"""The table of sizes: what an application gets on a small, a medium and a large host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.server import GunicornServer, UwsgiServer
from groundcrew.manifest.uvicorn import UvicornServer
from groundcrew.model import Settings

GIB = 1 << 30
SizeName = Literal["small", "medium", "large"]


@dataclass(frozen=True)
class Profile:
    """The values of one size."""

    memory: int | None
    """Hosts with less memory than this have this size, in bytes; None for the largest."""

    workers_max: int
    """gunicorn and uvicorn: maximum number of workers with `workers: auto`."""

    processes: int
    """uWSGI: number of processes."""

    threads: int
    """uWSGI: number of threads per process."""

    max_requests: int
    """uWSGI: number of requests after which a process is replaced."""

    memory_max: int
    """Memory limit in MiB of all instances of the application together. Twice that must fit beside
    the system while a release replaces another."""


# The boundaries lie between nominal sizes of 4, 8 and 16 GB: a host has slightly less than nominal.
PROFILES: dict[SizeName, Profile] = {
    "small": Profile(6 * GIB, 2, 2, 1, 500, 1536),
    "medium": Profile(12 * GIB, 6, 4, 2, 1000, 3072),
    "large": Profile(None, 12, 8, 4, 2000, 6144),
}


def size_for(memory: int) -> SizeName:
    """The size of a host with `memory` bytes."""
    return next(
        name for name, item in PROFILES.items() if item.memory is None or memory < item.memory
    )


def sized(app: AppSettings, size: SizeName) -> AppSettings:
    """The application, with unset values derived from its size.

    Raises ValidationError if they contradict values that are set.
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
    """Whether a value is unset or `auto`."""
    return key not in settings.model_fields_set or getattr(settings, key) == "auto"

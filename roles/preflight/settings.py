"""Settings of the preflight."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from groundcrew.manifest.types import Size
from groundcrew.model import Settings

Place = Annotated[
    str, StringConstraints(pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$")
]


class PreflightSettings(Settings):
    """What is checked on every host before a deploy changes any of them; all failures are reported
    at once. `playbooks/preflight.py` runs only these checks."""

    enabled: bool = True
    """Whether a deploy begins with these checks."""

    debian: tuple[str, ...] = ("12", "13")
    """Releases of Debian that are accepted; empty: any system."""

    min_cpus: int = Field(1, ge=1)
    """Number of CPUs that the host must have."""

    min_memory: Size = "256M"
    """Memory that the host must have, in bytes or with K, M, G or T. A tenth less is accepted,
    because the kernel and the firmware keep some: a host that is sold with 8 GB has less than 8
    GiB."""

    min_disk: Size = "1G"
    """Free space that /srv, where releases lie, and /var must have, in bytes or with K, M, G or
    T."""

    min_inodes: int = Field(20000, ge=0)
    """Number of free inodes that /srv and /var must have; a virtualenv takes thousands."""

    memory_plan: Literal["error", "warn", "off"] = "error"
    """What happens if the memory limits of all applications together exceed the host's memory:
    `error` fails the check, `warn` only reports it, `off` does not check."""

    memory_reserve: Size = "200M"
    """Memory of the host that the limits must leave free, for the system itself, SSH logins and
    builds."""

    dns: bool = False
    """Whether the host must be able to resolve the domains of its applications."""

    connect: tuple[Place, ...] = ()
    """Addresses `HOST:PORT` that must accept a TCP connection from the host: databases, caches,
    services that the applications call."""

    max_clock_skew: int | None = Field(None, ge=1)
    """Seconds by which the host's clock may differ from that of the operator's machine; null: any
    number. With a wrong clock, valid certificates are refused."""

    json_path: str | None = Field(None, alias="json")
    """File on the operator's machine into which the results of all hosts are written as JSON; `-`
    for standard output."""

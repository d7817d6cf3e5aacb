"""Settings of what a host must have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from groundcrew.apps.types import Size
from groundcrew.model import Settings

Place = Annotated[
    str, StringConstraints(pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$")
]


class PreflightSettings(Settings):
    """What is checked on every host before a deploy changes any of them; all failures are told at
    once. `playbooks/preflight.py` does it alone."""

    enabled: bool = True
    """Whether a deploy begins with it."""

    debian: tuple[str, ...] = ("12", "13")
    """Releases of Debian that will do; empty: any system."""

    min_cpus: int = Field(1, ge=1)
    """CPUs that the host must have."""

    min_memory: Size = "256M"
    """Memory that it must have. A tenth less will do: kernel and firmware keep some for
    themselves, so that no host sold with 8 GB has 8 GiB."""

    min_disk: Size = "1G"
    """Free space that there must be for /srv, where releases lie, and for /var."""

    min_inodes: int = Field(20000, ge=0)
    """Free inodes there: a virtualenv takes thousands."""

    memory_plan: Literal["error", "warn", "off"] = "error"
    """When the memory limits of all applications together exceed the host's memory."""

    dns: bool = False
    """Whether the host must be able to resolve the domains of its applications."""

    connect: tuple[Place, ...] = ()
    """Addresses `HOST:PORT` that must accept a TCP connection from the host: databases, caches,
    services that the applications call."""

    max_clock_skew: int | None = Field(None, ge=1)
    """Seconds that the host's clock may differ from this machine's; default: any. Certificates are
    refused where a clock is wrong."""

    json_path: str | None = Field(None, alias="json")
    """File on the operator's machine that gets the results of all hosts as JSON."""

"""What a unit may use of its host."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from groundcrew.apps.types import Size
from groundcrew.model import Settings


class Limits(Settings):
    """Resource limits of the application's unit, in systemd's own terms."""

    memory_max: Size | None = None
    """MemoryMax: above it the application is killed and restarted."""

    memory_high: Size | None = None
    """MemoryHigh: above it the application is slowed down and reclaimed from."""

    memory_low: Size | None = None
    """MemoryLow: below it memory is taken from others first, while they have any."""

    cpu_quota: Annotated[str, StringConstraints(pattern=r"^[0-9]+%$")] | None = None
    """CPUQuota: 200% = two CPUs."""

    cpu_weight: int | None = Field(None, ge=1, le=10000)
    """CPUWeight: share of a busy CPU beside others, who have 100 unless they say otherwise."""

    io_weight: int | None = Field(None, ge=1, le=10000)
    """IOWeight: share of a busy disk, likewise."""

    tasks_max: int | None = Field(512, ge=1)
    """TasksMax: processes and threads together."""

    open_files: int = Field(65536, ge=1024)
    """LimitNOFILE: open files and sockets."""

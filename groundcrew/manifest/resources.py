"""Settings of a unit's resource limits."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from groundcrew.manifest.types import Size
from groundcrew.model import Settings


class Limits(Settings):
    """Resource limits of a unit of the application. Each key sets the directive of systemd that its
    description names.
    Syntax: <https://www.freedesktop.org/software/systemd/man/latest/systemd.resource-control.html>."""

    memory_max: Size | None = None
    """MemoryMax, in bytes or with K, M, G or T: above it the application is killed and restarted;
    null: no limit."""

    memory_high: Size | None = None
    """MemoryHigh, in bytes or with K, M, G or T: above it the application is slowed down and its
    memory is reclaimed; null: no limit."""

    memory_low: Size | None = None
    """MemoryLow, in bytes or with K, M, G or T: below it memory is reclaimed from other units
    first, as long as they have any; null: no protection."""

    cpu_quota: Annotated[str, StringConstraints(pattern=r"^[0-9]+%$")] | None = None
    """CPUQuota, in percent of one CPU: `200%` is two CPUs; null: no limit."""

    cpu_weight: int | None = Field(None, ge=1, le=10000)
    """CPUWeight: share of a busy CPU compared with other units, which have 100 unless they set
    another value."""

    io_weight: int | None = Field(None, ge=1, le=10000)
    """IOWeight: share of a busy disk compared with other units, which have 100 unless they set
    another value."""

    tasks_max: int | None = Field(512, ge=1)
    """TasksMax: largest number of processes and threads together; null: no limit."""

    open_files: int = Field(65536, ge=1024)
    """LimitNOFILE: largest number of open files and sockets of a process."""

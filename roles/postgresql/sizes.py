"""Memory and connections of PostgreSQL by size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from groundcrew.memory import in_bytes
from groundcrew.sizes import SizeName

if TYPE_CHECKING:
    from groundcrew.roles.postgresql.settings import PostgresqlSettings


@dataclass(frozen=True)
class Profile:
    """Memory in MiB, and the number of connections."""

    memory_max: int
    shared_buffers: int
    effective_cache_size: int
    work_mem: int
    max_connections: int


PROFILES: dict[SizeName, Profile] = {
    "small": Profile(1024, 256, 768, 4, 100),
    "medium": Profile(2560, 768, 2048, 8, 200),
    "large": Profile(5120, 1536, 4096, 16, 400),
}


def profile(settings: PostgresqlSettings) -> Profile:
    """The size's values, with those that are set. `auto` that no fact has replaced counts as
    `small`."""
    base = PROFILES["small" if settings.size == "auto" else settings.size]
    return Profile(
        _mib(settings.memory_max) or base.memory_max,
        _mib(settings.shared_buffers) or base.shared_buffers,
        _mib(settings.effective_cache_size) or base.effective_cache_size,
        _mib(settings.work_mem) or base.work_mem,
        settings.max_connections or base.max_connections,
    )


def _mib(size: str | None) -> int:
    return max(1, in_bytes(size) >> 20) if size else 0

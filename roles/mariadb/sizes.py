"""Memory and connections of MariaDB by size."""

from __future__ import annotations

from dataclasses import dataclass

from groundcrew.sizes import SizeName


@dataclass(frozen=True)
class Profile:
    """Memory in MiB, and the number of connections."""

    memory_max: int
    buffer_pool: int
    max_connections: int


PROFILES: dict[SizeName, Profile] = {
    "small": Profile(1024, 512, 100),
    "medium": Profile(2560, 2048, 200),
    "large": Profile(5120, 4096, 400),
}

"""Memory and connections of MongoDB by size."""

from __future__ import annotations

from dataclasses import dataclass

from groundcrew.sizes import SizeName


@dataclass(frozen=True)
class Profile:
    """Memory in MiB, and the number of connections."""

    memory_max: int
    cache: int
    max_connections: int


# A connection takes up to 1 MiB, and the server some 200 MiB besides its cache.
PROFILES: dict[SizeName, Profile] = {
    "small": Profile(1024, 512, 200),
    "medium": Profile(2560, 1792, 400),
    "large": Profile(5120, 3840, 800),
}

"""How much one client may ask for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from groundcrew.model import Settings


class RateLimit(Settings):
    """Requests of one client address; more are answered with 429. Those of the host itself are not
    counted."""

    rate: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*r/[sm]$")]
    """Requests per second (`10r/s`) or minute (`60r/m`), spread evenly: 60r/m is one per second."""

    burst: int = Field(20, ge=0)
    """Requests above the rate that are accepted all the same, until the rate has caught up."""

    nodelay: bool = True
    """Whether those pass at once; else they wait for their turn."""

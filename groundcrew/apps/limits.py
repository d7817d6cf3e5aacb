"""How much one client may ask for."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from groundcrew.model import Settings

LEAST_PER_HOUR = 600


def _countable(rate: str) -> str:
    number, per = rate.split("r/")
    if per == "h" and int(number) < LEAST_PER_HOUR:
        raise ValueError(
            f"below {LEAST_PER_HOUR}r/h nginx cannot count: it knows whole requests a minute"
        )
    return rate


Rate = Annotated[
    str, StringConstraints(pattern=r"^[1-9][0-9]*r/[smh]$"), AfterValidator(_countable)
]
"""Requests per second (`10r/s`), minute (`60r/m`) or hour (`1000r/h`)."""


class RateLimit(Settings):
    """Requests of one client address; more are answered with 429. Those of the host itself and of
    `nginx.limits.allow` are not counted."""

    rate: Rate
    """Requests per second (`10r/s`), minute (`60r/m`) or hour (`1000r/h`, at least 600, rounded up
    to whole requests a minute: 17), spread evenly: 60r/m is one per second."""

    burst: int = Field(20, ge=0)
    """Requests above the rate that are accepted all the same, until the rate has caught up."""

    nodelay: bool = True
    """Whether those pass at once; else they wait for their turn."""

    delay: int | None = Field(None, ge=1)
    """How many of them pass at once, while the others wait for their turn; instead of `nodelay`."""

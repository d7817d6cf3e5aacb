"""Settings of rate limits."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from groundcrew.model import Settings

LEAST_PER_HOUR = 600


def _countable(rate: str) -> str:
    number, per = rate.split("r/")
    if per == "h" and int(number) < LEAST_PER_HOUR:
        raise ValueError(
            f"nginx cannot count less than {LEAST_PER_HOUR}r/h: it knows only whole requests per "
            "minute"
        )
    return rate


Rate = Annotated[
    str, StringConstraints(pattern=r"^[1-9][0-9]*r/[smh]$"), AfterValidator(_countable)
]
"""Requests per second (`10r/s`), minute (`60r/m`) or hour (`1000r/h`)."""


class RateLimit(Settings):
    """Limit on the requests of one client address; requests above it get 429. Requests of the host
    itself and of `nginx.limits.allow` are not counted."""

    rate: Rate
    """Requests per second (`10r/s`), minute (`60r/m`) or hour (`1000r/h`: at least 600, rounded up
    to whole requests per minute, here 17). They are spread evenly: `60r/m` is one per second."""

    burst: int = Field(20, ge=0)
    """Requests above the rate that are accepted all the same, until the rate has caught up with
    them."""

    nodelay: bool = True
    """Whether these requests pass at once; with false each waits for its turn."""

    delay: int | None = Field(None, ge=1)
    """Number of these requests that pass at once, while the others wait for their turn; replaces
    `nodelay`."""

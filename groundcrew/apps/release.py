"""How releases replace one another, on one host and over several."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from groundcrew.model import Settings


class Rollout(Settings):
    """How a release goes over several hosts."""

    canary: bool = True
    """One host goes first and must succeed."""

    batch: (
        Annotated[int, Field(ge=1)]
        | Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]?|100)%$")]
    ) = "25%"
    """Hosts that switch at the same time, as a number or a percentage."""

    go_back: bool = True
    """When a host fails, hosts that have switched in the same run go back to what they had."""


class Release(Settings):
    """How releases are kept and replaced."""

    strategy: Literal["switch", "restart"] = "switch"
    """`switch`: the new release runs beside the old one before it gets requests; needs memory for
    both. `restart`: the old one stops first, requests wait in a socket that systemd holds."""

    check_window: int = Field(5, ge=0)
    """Seconds after the switch in which the health path must stay healthy through nginx; else the
    old release is switched back to."""

    keep: int = Field(5, ge=1)
    """Releases kept on the host, the live one included."""

    drain: int | None = Field(None, ge=0)
    """Seconds that the replaced release keeps running; default: a little longer than nginx may
    keep using a connection to it."""

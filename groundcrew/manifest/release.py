"""Settings of how releases replace one another, on one host and across several."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from groundcrew.model import Settings


class Rollout(Settings):
    """How a release is rolled out to several hosts."""

    canary: bool = True
    """Whether one host goes first and must succeed before the others follow."""

    batch: (
        Annotated[int, Field(ge=1)]
        | Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]?|100)%$")]
    ) = "25%"
    """Hosts that switch at the same time: a number, or a percentage of the hosts."""

    wait: bool = False
    """Whether each batch must also pass its check window (`release.check_window`) before the next
    one switches. With false only the canary must: the others switch batch after batch, each probed,
    and are watched together for one window."""

    build: Literal["once", "each"] = "once"
    """`once`: hosts of the same system (Debian release, processor, Python) and with the same
    settings of the build have one builder among them, and the others get what it has built. `each`:
    every host builds for itself, which a build needs whose result depends on the host, such as code
    compiled for its own processor."""

    go_back: bool = True
    """Whether hosts that have switched in this run go back to their previous release when another
    host fails."""


class Release(Settings):
    """How releases are kept and replaced."""

    strategy: Literal["switch", "restart"] = "switch"
    """`switch`: the new release runs beside the old one before it gets requests, which needs memory
    for both. `restart`: the old one stops first, and requests wait in a socket that systemd
    holds."""

    check_window: int = Field(5, ge=0)
    """Seconds after the switch during which the health path must stay healthy through nginx;
    otherwise the old release serves again."""

    backup_before_hooks: bool = False
    """Whether the application is backed up before release hooks that have not run yet, on every
    host of the inventory that has data of it. Nothing is released unless that succeeds. The run
    shows the moment to which `playbooks/restore.py` can go back."""

    keep: int = Field(5, ge=1)
    """Number of releases kept on the host, including the live one."""

    drain: int | None = Field(None, ge=0)
    """Seconds that the replaced release keeps running. null: slightly longer than nginx may keep
    using a connection to it."""

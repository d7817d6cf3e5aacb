"""When a process that ended by itself is started again."""

from __future__ import annotations

from pydantic import Field

from groundcrew.model import Settings


class Restart(Settings):
    """How systemd starts a process again that ended by itself, whatever the reason."""

    seconds: int = Field(2, ge=0)
    """RestartSec: seconds until it is started again."""

    burst: int | None = Field(None, ge=1)
    """StartLimitBurst: starts within `interval` after which systemd gives up, and the unit has
    failed until the next release or `playbooks/restart.py`. null: it never does, so that what the
    process waits for (a database that boots too) may take its time."""

    interval: int = Field(60, ge=1)
    """StartLimitIntervalSec: seconds in which those starts are counted. Must be longer than `burst`
    starts take, else systemd never gives up."""

"""Settings of restarts."""

from __future__ import annotations

from pydantic import Field

from groundcrew.model import Settings


class Restart(Settings):
    """How systemd restarts a process that has ended by itself, whatever the reason."""

    seconds: int = Field(2, ge=0)
    """RestartSec: seconds before the process is started again."""

    burst: int | None = Field(None, ge=1)
    """StartLimitBurst: number of starts within `interval` after which systemd gives up; the unit
    has then failed until the next release or `playbooks/restart.py`. null: systemd never gives up,
    so that a process can wait as long as it must for what it needs, such as a database that is
    still booting."""

    interval: int = Field(60, ge=1)
    """StartLimitIntervalSec: seconds in which these starts are counted. It must be longer than
    `burst` starts take; otherwise systemd never gives up."""

"""Settings of log rotation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from groundcrew.contract import Brings, HostView, RoleSettings


class LogrotateSettings(RoleSettings):
    """Rotation of log files; the journal limits its size itself."""

    schedule: Literal["hourly", "daily", "weekly", "monthly"] = "daily"
    """How often a file is rotated."""

    check: Literal["hourly", "daily"] = "hourly"
    """How often logrotate looks at files. With `daily`, Debian's own value, a file could grow
    beyond `maxsize` for a day."""

    rotate: int = Field(14, ge=1)
    """Number of rotated files that are kept."""

    maxsize: Annotated[str, StringConstraints(pattern=r"^[0-9]+[kMG]?$")] = "100M"
    """Size above which a file is rotated before its time, in bytes or with k, M or G."""

    compress: bool = True
    """Whether rotated files are compressed, except the latest."""

    def brings(self, host: HostView) -> Brings:
        """See `roles/logrotate/brings.py`."""
        from groundcrew.roles.logrotate.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)

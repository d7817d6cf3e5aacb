"""Settings of log rotation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from groundcrew.model import Settings


class LogrotateSettings(Settings):
    """Rotation of log files; the journal limits itself."""

    schedule: Literal["hourly", "daily", "weekly", "monthly"] = "daily"
    """How often a file is rotated."""

    check: Literal["hourly", "daily"] = "hourly"
    """How often files are looked at. Debian's daily would let a file grow beyond `maxsize` for a
    day."""

    rotate: int = Field(14, ge=1)
    """Rotated files that are kept."""

    maxsize: Annotated[str, StringConstraints(pattern=r"^[0-9]+[kMG]?$")] = "100M"
    """Size from which a file is rotated before its time."""

    compress: bool = True
    """Compress rotated files, the last one excepted."""

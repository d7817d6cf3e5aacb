"""What `on_host_health.py` reports."""

from __future__ import annotations

from typing import TypedDict


class Health(TypedDict):
    """Why a unit is not healthy, None if it is, and the times of its restarts within an hour."""

    why: str | None
    restarts: list[float]

"""What `on_host.py` reports."""

from __future__ import annotations

from typing import TypedDict


class Counters(TypedDict):
    """Connections that nginx has accepted and handled, and requests, since its start."""

    accepted: int
    handled: int
    requests: int

"""What `on_host.py` reports."""

from __future__ import annotations

from typing import TypedDict


class DryRun(TypedDict):
    """Exit status and errors of `logrotate --debug`."""

    code: int
    errors: list[str]

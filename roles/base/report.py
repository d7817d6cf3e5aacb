"""What `on_host.py` reports."""

from __future__ import annotations

from typing import TypedDict


class Upkeep(TypedDict):
    """Properties of timedatectl, none in a container; the days between unattended upgrades, "" if
    there are none; state of their timer."""

    clock: dict[str, str]
    upgrade_days: str
    upgrade_timer: str


class AppArmor(TypedDict):
    """Whether the kernel has AppArmor, whether it is enabled, and how many profiles it enforces."""

    kernel: bool
    enabled: bool
    enforced: int

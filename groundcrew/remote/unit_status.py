"""Reports the state of units, as systemd describes it.

A unit is {"active", "sub", "result", "restarts", "memory", "tasks", "cpu": nanoseconds, "since",
"ended", "triggered", "next": Unix time}; what systemd does not know is null.
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from groundcrew.remote.app_files import show_units

if TYPE_CHECKING:
    # Types of the reports, shared with the facts; never sent to a host.
    from groundcrew.facts.status import UnitStatus

UNKNOWN = 1 << 60
STAMP = "%a %Y-%m-%d %H:%M:%S UTC"
PROPERTIES = {
    "active": "ActiveState",
    "sub": "SubState",
    "result": "Result",
    "restarts": "NRestarts",
    "memory": "MemoryCurrent",
    "tasks": "TasksCurrent",
    "cpu": "CPUUsageNSec",
    "since": "ActiveEnterTimestamp",
    "ended": "ExecMainExitTimestamp",
    "triggered": "LastTriggerUSec",
    "next": "NextElapseUSecRealtime",
}


def number(value: str) -> int | None:
    """A count; None if systemd has none, which it reports as `[not set]` or the largest number."""
    return int(value) if value.isdigit() and int(value) < UNKNOWN else None


def moment(value: str) -> int | None:
    """Unix time of a timestamp in UTC; None if it is not set."""
    try:
        return calendar.timegm(time.strptime(value, STAMP))
    except ValueError:
        return None


def units(patterns: Iterable[str]) -> dict[str, UnitStatus]:
    """The matching units that are loaded or running, by name."""
    return {
        pairs["Id"]: unit(pairs)
        for pairs in show_units(patterns, ["Id", "LoadState", *PROPERTIES.values()])
        if pairs.get("LoadState") == "loaded" or pairs.get("ActiveState") not in (None, "inactive")
    }


def unit(pairs: dict[str, str]) -> UnitStatus:
    """A unit's properties."""
    values = {key: pairs.get(name, "") for key, name in PROPERTIES.items()}
    return {
        "active": values["active"],
        "sub": values["sub"],
        "result": values["result"],
        "restarts": number(values["restarts"]),
        "memory": number(values["memory"]),
        "tasks": number(values["tasks"]),
        "cpu": number(values["cpu"]),
        "since": moment(values["since"]),
        "ended": moment(values["ended"]),
        "triggered": moment(values["triggered"]),
        "next": moment(values["next"]),
    }

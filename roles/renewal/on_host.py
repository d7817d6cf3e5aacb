"""What verify and status read about libraries that updates have replaced. Runs on the host."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from groundcrew.remote.renewal_app import stood_in
from groundcrew.remote.renewal_state import (
    PLAN,
    app_names,
    packages,
    read_app,
    read_plan,
    read_state,
    tasks,
    waiting,
)

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.roles.renewal.report import Renewals

Data = dict[str, Any]
STOOD_IN = "its stand-in serves"


def renewal(_: Data) -> Renewals:
    """The units that run such libraries: those that wait for their restart, those that are left
    alone, and those whose restart has failed, with the reason."""
    units = waiting()
    if not os.path.exists(PLAN):
        return {"planned": False, "waiting": units, "left": {}, "failed": {}}
    state = read_state()
    plan, apps = read_plan(), app_names()
    items = tasks(units, plan, apps, state, packages())
    places = {unit for name in apps if (unit := stood_in(read_app(name)))}
    failed = dict.fromkeys(sorted(places), STOOD_IN) | {
        unit: item["why"]
        for unit, item in state["units"].items()
        # A release may have replaced it meanwhile.
        if item["why"] and unit in {*units, *places}
    }
    left = {item.unit: item.why_not for item in items if item.why_not}
    return {
        "planned": True,
        "waiting": {unit: names for unit, names in units.items() if unit not in {*left, *failed}},
        "left": {unit: {"files": units[unit], "why": why} for unit, why in left.items()},
        "failed": failed,
    }

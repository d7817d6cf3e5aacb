"""What serves is running, and keeps running."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from groundcrew.results.result import Check, fail, judge
from roles.verify.seen import Seen


def check(seen: Seen) -> Iterator[Check]:
    """Every unit is active and was not restarted while it was being watched."""
    for name, release in seen.section("releases").items():
        if not release["units"]:
            yield fail(f"{name}: unit", "no release is live")
    before, after = seen.section("units_before"), seen.section("units_after")
    for name, unit in seen.serving_units().items():
        problems = unit_problems(before.get(unit, {}), after.get(unit, {}))
        seconds = f"{seen.report['seconds']:.1f} s"
        restarts = after.get(unit, {}).get("NRestarts", "?")
        yield judge(
            f"{name}: unit",
            [f"{unit}: {problem}" for problem in problems],
            f"{unit} running, stable for {seconds}, {restarts} restarts before",
        )


def unit_problems(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What is wrong with a unit, seen at two moments."""
    problems = []
    state = f"{after.get('ActiveState')} ({after.get('SubState')}, {after.get('Result')})"
    if (after.get("ActiveState"), after.get("SubState")) != ("active", "running"):
        problems.append(f"is {state}")
    if before.get("NRestarts") != after.get("NRestarts"):
        problems.append(f"restarted ({before.get('NRestarts')} -> {after.get('NRestarts')})")
    elif before.get("MainPID") != after.get("MainPID"):
        problems.append("has a new main process")
    return problems

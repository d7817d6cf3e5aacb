"""Checks of units: servers, workers and timers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from groundcrew.results.result import Check, fail, judge
from groundcrew.roles.verify.seen import SitesSeen
from groundcrew.status.parts import part


def check(seen: SitesSeen) -> Iterator[Check]:
    """Every serving unit is active and did not restart while it was watched."""
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


FLAPPING = 60
"""Seconds that a restarted worker must have been up to count as running."""


def followers(seen: SitesSeen) -> Iterator[Check]:
    """Workers run and stay up, timers are active, and the last run of each timed job succeeded."""
    for name, states in seen.section("followers").items():
        parts = {unit: part(name, unit) for unit in states}
        problems = [
            f"{parts[unit].label}: {problem}"
            for unit, state in states.items()
            for problem in _FOLLOWERS[parts[unit].kind](unit, state, states)
        ]
        kinds = [item.kind for item in parts.values()]
        workers, timers = kinds.count("worker"), kinds.count("timer")
        if workers or timers:
            fine = f"{workers} workers running, {timers} timers waiting"
            yield judge(f"{name}: workers and timers", problems, fine)


States = Mapping[str, Mapping[str, Any]]


def _worker(unit: str, state: Mapping[str, Any], states: States) -> Iterator[str]:
    del states
    active, sub, result = (state.get(key) for key in ("ActiveState", "SubState", "Result"))
    if (active, sub) != ("active", "running"):
        yield f"is {active} ({sub}, {result}): journalctl -u {unit}"
    elif int(state.get("NRestarts") or 0) > 0 and state["seconds"] < FLAPPING:
        ago = f"{state['seconds']:.0f} s ago"
        yield f"was restarted {state['NRestarts']} times, last {ago}: journalctl -u {unit}"


def _timer(unit: str, state: Mapping[str, Any], states: States) -> Iterator[str]:
    del unit, states
    if state.get("ActiveState") != "active":
        yield f"is {state.get('ActiveState')} ({state.get('SubState')})"


def _job(unit: str, state: Mapping[str, Any], states: States) -> Iterator[str]:
    # Release hooks have the same kind of unit, but no timer.
    timed = unit.removesuffix(".service") + ".timer" in states
    if timed and state.get("Result") not in ("success", "", None):
        yield f"its last run failed ({state['Result']}): journalctl -u {unit}"


_FOLLOWERS = {"worker": _worker, "timer": _timer, "job": _job}


def unit_problems(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Problems of a unit, from its state at two moments."""
    problems = []
    state = f"{after.get('ActiveState')} ({after.get('SubState')}, {after.get('Result')})"
    if (after.get("ActiveState"), after.get("SubState")) != ("active", "running"):
        problems.append(f"is {state}")
    if before.get("NRestarts") != after.get("NRestarts"):
        problems.append(f"restarted ({before.get('NRestarts')} -> {after.get('NRestarts')})")
    elif before.get("MainPID") != after.get("MainPID"):
        problems.append("has a new main process")
    return problems

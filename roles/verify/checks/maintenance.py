"""Check of maintenance mode: reported if it is on, but not a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator

from groundcrew.results.result import Check, fail, not_applicable
from groundcrew.roles.verify.seen import SitesSeen

REASON = "maintenance is on"
"""Reason for checks that cannot see what visitors normally get."""


def check(seen: SitesSeen) -> Iterator[Check]:
    """While maintenance is on: since when, by whom, and whether visitors get the maintenance
    answer."""
    for name, app in seen.expected.apps.items():
        text = seen.section("maintenance")[name]
        if text is None:
            continue
        title = f"{name}: maintenance"
        answer = seen.sites[name].missing
        if seen.shut_out(name, answer):
            yield not_applicable(title, f"{author(text)}; visitors get {answer.status}")
        elif app.maintenance.allow:
            yield not_applicable(title, f"{author(text)}; this machine may be among those let in")
        else:
            yield fail(title, f"{author(text)}, but visitors get {answer.summary}")


def check_stopped(seen: SitesSeen) -> Iterator[Check]:
    """Applications that an operator has stopped: nothing else about them is checked."""
    for name, reason in seen.expected.stopped.items():
        yield not_applicable(f"{name}: stopped", reason)


def author(text: str) -> str:
    """`on since TIME by OPERATOR`, read from the maintenance flag file."""
    try:
        note = json.loads(text)
        return f"on since {note['since']} by {note['operator']}"
    except (ValueError, KeyError, TypeError):
        return "on"

"""Maintenance that is on is shown, and is no failure."""

from __future__ import annotations

import json
from collections.abc import Iterator

from groundcrew.results.result import Check, fail, not_applicable
from roles.verify.seen import Seen

REASON = "maintenance is on"
"""Why what visitors would get cannot be judged."""


def check(seen: Seen) -> Iterator[Check]:
    """Nothing while it is off. While it is on: since when, by whom, and whether it works."""
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


def author(text: str) -> str:
    """`on since TIME by OPERATOR`, from the file that switches it on."""
    try:
        note = json.loads(text)
        return f"on since {note['since']} by {note['operator']}"
    except (ValueError, KeyError, TypeError):
        return "on"
